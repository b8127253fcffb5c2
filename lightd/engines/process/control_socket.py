"""The way to a supervisor: its socket, by a path that is short enough whatever its folder's is."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

PATIENCE: Final = 10.0

ABSENT: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)
"""What ``connect`` raises where there is no supervisor, or none that answers."""


async def connect(folder: Path, command: str) -> tuple[trio.SocketStream, bytes]:
    """A stream to the supervisor of ``folder`` that has said ``ok`` to ``command``, and what came after that.

    Raises what ``ABSENT`` names.
    """
    at = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        stream = await trio.open_unix_socket(f"/proc/self/fd/{at}/socket")
    finally:
        os.close(at)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(stream)
        with trio.fail_after(PATIENCE):
            await stream.send_all(f"{command}\n".encode())
            answer, rest = await read_line(stream)
        if answer != "ok":
            raise trio.BrokenResourceError(answer)
        stack.pop_all()
    return stream, rest


@asynccontextmanager
async def asked(folder: Path, command: str) -> AsyncIterator[trio.SocketStream]:
    """As ``connect``, for as long as the block."""
    stream, _ = await connect(folder, command)
    async with stream:
        yield stream


async def read_line(stream: trio.abc.ReceiveStream) -> tuple[str, bytes]:
    """The next line of ``stream``, and what came with it; an empty one at its end."""
    data = b""
    while b"\n" not in data:
        more = await stream.receive_some()
        if not more:
            return "", b""
        data += more
    line, _, rest = data.partition(b"\n")
    return line.decode(errors="replace"), rest
