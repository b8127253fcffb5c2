"""The console of a container without Docker: a stream from its supervisor, or the wait for one.

A reader that attaches before the start is connected to the supervisor of the next run and receives every
byte.
"""

from typing import Final

import attrs
import trio

from actors.container.engine import EngineUnavailable
from lightd.engines.read_pause import ReadPause

READ: Final = 256 * 1024


@attrs.define(eq=False)
class ProcessAttachment:
    """See ``engine.Attachment``; it ends together with its run."""

    _stream: trio.SocketStream | None = None
    _waiting: bytes = b""
    _came: trio.Event = attrs.field(factory=trio.Event)
    _wait: float = 0.0
    _pause: ReadPause = attrs.field(factory=ReadPause)
    _sending: trio.Lock = attrs.field(factory=trio.Lock)

    def connect(self, stream: trio.SocketStream, waiting: bytes) -> None:
        """Use the supervisor's stream after ``waiting``, already read. Only the first call counts."""
        if self._came.is_set():
            stream.socket.close()
            return
        self._stream, self._waiting = stream, waiting
        self._came.set()

    @property
    def connected(self) -> bool:
        return self._stream is not None

    def end(self) -> None:
        """There will be no stream, or no more data."""
        self._came.set()

    async def receive(self) -> bytes:
        await self._came.wait()
        if self._waiting:
            data, self._waiting = self._waiting, b""
            return data
        if self._stream is None:
            await trio.lowlevel.checkpoint()
            return b""
        if self._wait:
            await trio.sleep(self._wait)
        try:
            data = bytes(await self._stream.receive_some(READ))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""
        self._wait = self._pause.after(len(data), trio.current_time())
        return data

    async def send(self, data: bytes) -> None:
        if self._stream is None:
            await trio.lowlevel.checkpoint()
            if self._came.is_set():
                raise EngineUnavailable("The console is closed: the container has ended")
            return  # no process runs yet that could read it
        async with self._sending:
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise EngineUnavailable("The console is closed: the container has ended") from None

    async def close(self) -> None:
        self._came.set()
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)
