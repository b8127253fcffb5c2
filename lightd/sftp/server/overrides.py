"""What is different from asyncssh inside of it, by private names: a test says when they are gone.

1. A write request may be followed by bytes that do not belong to it: the SFTP library of Go (pkg/sftp, up to
   1.13.5) sends such in the last write of a file, so rclone does. OpenSSH ignores them.
2. The extension that tells asyncssh's own client where a file has holes is not offered: it reads an object
   of a kind of its own.
"""

import inspect
from typing import Any

from asyncssh.constants import FXP_WRITE
from asyncssh.packet import SSHPacket
from asyncssh.sftp import SFTPInvalidHandle, SFTPServerHandler

RANGES = b"ranges@asyncssh.com"


async def process_write(handler: Any, packet: SSHPacket) -> int:  # noqa: ANN401 - asyncssh's own
    """Process a write request, as asyncssh does; what follows its data is ignored."""
    handle, offset, data = packet.get_string(), packet.get_uint64(), packet.get_string()
    file_obj = handler._file_handles.get(handle)  # noqa: SLF001 - see the module
    if file_obj is None:
        raise SFTPInvalidHandle("Invalid file handle")
    written = handler._server.write(file_obj, offset, data)  # noqa: SLF001 - see the module
    return int(await written if inspect.isawaitable(written) else written)


def install() -> None:
    """Have asyncssh do so, in this process."""
    SFTPServerHandler._extensions = [  # noqa: SLF001 - see the module
        each
        for each in SFTPServerHandler._extensions  # noqa: SLF001 - see the module
        if each[0] != RANGES
    ]
    SFTPServerHandler._packet_handlers.pop(RANGES, None)  # noqa: SLF001 - see the module
    SFTPServerHandler._packet_handlers[FXP_WRITE] = process_write  # noqa: SLF001 - see the module
