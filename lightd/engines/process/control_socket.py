"""Connects to a supervisor's socket, through a path that is short enough for a socket address."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

PATIENCE: Final = 10.0

ABSENT: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)
"""What ``connect`` raises if there is no supervisor, or none that answers."""


async def connect(folder: Path, command: str) -> tuple[trio.SocketStream, bytes]:
    """A stream to the supervisor of ``folder`` after its ``ok`` to ``command``, and the data that followed.

    Raises the errors in ``ABSENT``.
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
async def open_command(folder: Path, command: str) -> AsyncIterator[trio.SocketStream]:
    """Like ``connect``, as a context manager that closes the stream."""
    stream, _ = await connect(folder, command)
    async with stream:
        yield stream


async def read_line(stream: trio.abc.ReceiveStream) -> tuple[str, bytes]:
    """The next line of ``stream`` and the data after it; an empty line at the end of the stream."""
    data = b""
    while b"\n" not in data:
        more = await stream.receive_some()
        if not more:
            return "", b""
        data += more
    line, _, rest = data.partition(b"\n")
    return line.decode(errors="replace"), rest
