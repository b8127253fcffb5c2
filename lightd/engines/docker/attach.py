"""The console of a container: its output as it comes, and its stdin, on one raw connection.

- An attach that is not read blocks the container's output after a few megabytes, and then ``kill`` too.
  Whoever receives goes on receiving; nothing here waits for anybody else.
- A program that prints without a pause is read every few milliseconds (``ReadPause``).
- ``stdin=1`` always: Docker 20.10 leaks goroutines for each closed attach without it. The keys that detach
  are ones that nobody types; by default ctrl-p ctrl-q in what a user sends would end the stream.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlencode

import attrs
import trio

from actors.container.engine import EngineUnavailable, Missing
from lightd.engines.docker import streams
from lightd.engines.docker.frames import Unframer
from lightd.engines.docker.translate import Refused, to_container_path, to_fault
from lightd.engines.read_pause import ReadPause

READ: Final = 256 * 1024
FIRST_READ: Final = 64 * 1024
"""What is read of a console that does not fill it: the memory for more is mapped anew for every read."""
PIECES: Final = 1000
"""Heads and contents of frames that are looked at in one step: a program that writes byte by byte makes
26,000 frames of what is read at once."""

NOT_FOUND: Final = 404

QUERY: Final = urlencode(
    {"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1, "detachKeys": "ctrl-^,ctrl-^,ctrl-]"}
)


@attrs.define(eq=False)
class DockerAttachment:
    """See ``engine.Attachment``; made by ``open_attachment``."""

    _socket: trio.SocketStream
    _unframer: Unframer | None
    _waiting: bytes
    _framed: bytes = b""
    _wait: float = 0.0
    _size: int = FIRST_READ
    _pause: ReadPause = attrs.field(factory=ReadPause)
    _ended: bool = False
    _sending: trio.Lock = attrs.field(factory=trio.Lock)

    async def receive(self) -> bytes:
        while self._framed or not self._ended:
            if self._framed:
                await trio.lowlevel.checkpoint()
                data, self._framed = self._framed, b""
            else:
                data = await self._read()
                self._ended = not data
            if self._unframer is not None:
                data, self._framed = self._unframer.feed_some(data, PIECES)
            if data:
                return data
        return b""

    async def send(self, data: bytes) -> None:
        async with self._sending:
            try:
                await self._socket.send_all(data)
            except trio.BrokenResourceError:
                raise EngineUnavailable("The console is closed") from None

    async def _read(self) -> bytes:
        if self._waiting:
            data, self._waiting = self._waiting, b""
            return data
        try:
            data = await self._receive()
        except (OSError, trio.ClosedResourceError):
            return b""  # a cut stream has ended, and means as little
        self._size = READ if len(data) == self._size else FIRST_READ
        self._wait = self._pause.after(len(data), trio.current_time())
        return data

    async def _receive(self) -> bytes:
        """Return what has come, after one wait; ``SocketStream.receive_some`` tries before it, in vain."""
        descriptor = self._socket.socket.fileno()
        if self._wait:
            await trio.sleep(self._wait)
        else:
            await trio.lowlevel.wait_readable(descriptor)
        while True:
            try:
                return os.read(descriptor, self._size)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(descriptor)


@asynccontextmanager
async def open_attachment(
    path: str, prefix: str, engine_id: str, *, tty: bool
) -> AsyncIterator[DockerAttachment]:
    """Attached to a container, running or not; ``prefix`` is ``/v1.41``, or what the version is.

    Raises ``EngineUnavailable`` or ``Missing``.
    """
    target = f"{prefix}/{to_container_path(engine_id, 'attach')}?{QUERY}"
    try:
        async with streams.open_raw(path, target) as (socket, data):
            yield DockerAttachment(socket, None if tty else Unframer(), data)
    except Refused as no:
        raise (Missing(engine_id) if no.status == NOT_FOUND else to_fault(no)) from None
