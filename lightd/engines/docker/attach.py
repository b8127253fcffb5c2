"""The console of a container: its output as it comes, and its stdin, on one raw connection.

- An attach that is not read blocks the container's output after a few megabytes, and then ``kill`` too.
  Whoever receives goes on receiving; nothing here waits for anybody else.
- After a small piece the next read waits 5 ms: a chatty console costs a third, and the engine, too, has
  more for us at once.
- ``stdin=1`` always: Docker 20.10 leaks goroutines for each closed attach without it. The keys that detach
  are ones that nobody types; by default ctrl-p ctrl-q in what a user sends would end the stream.
"""

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

READ: Final = 256 * 1024
SMALL: Final = 64 * 1024
PAUSE: Final = 0.005
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
    _small: bool = False
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
        if self._small:
            await trio.sleep(PAUSE)
        try:
            data = bytes(await self._socket.receive_some(READ))
        except trio.BrokenResourceError:
            return b""  # a cut stream has ended, and means as little
        self._small = len(data) < SMALL
        return data


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
