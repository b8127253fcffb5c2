"""A door in front of a real engine's socket, that can be shut, or left open with nobody behind it."""

from contextlib import asynccontextmanager

import attrs
import trio


@attrs.define(eq=False)
class EngineDoor:
    """Forwards every connection on ``path`` to ``behind`` while it is open."""

    path: str
    behind: str
    _nursery: trio.Nursery
    _scope: trio.CancelScope | None = None
    _hanging: bool = False

    async def open(self):
        """Let everybody through from now on."""
        self._hanging = False
        self._scope = await self._nursery.start(self._serve)

    async def shut(self):
        """Cut every connection and take no more: the socket's file is gone."""
        self._scope.cancel()
        await trio.Path(self.path).unlink(missing_ok=True)

    def hang(self):
        """Take connections from now on, and never answer on them."""
        self._hanging = True

    async def _serve(self, task_status):
        with trio.CancelScope() as scope, trio.socket.socket(trio.socket.AF_UNIX) as listener:
            await listener.bind(self.path)
            listener.listen(64)
            task_status.started(scope)
            async with trio.open_nursery() as nursery:
                while True:
                    connection, _ = await listener.accept()
                    nursery.start_soon(self._forward, trio.SocketStream(connection))

    async def _forward(self, client):
        async with client:
            if self._hanging:
                await trio.sleep_forever()
            async with await trio.open_unix_socket(self.behind) as engine, trio.open_nursery() as nursery:
                nursery.start_soon(self._copy, client, engine)
                nursery.start_soon(self._copy, engine, client)

    async def _copy(self, source, target):
        try:
            async for data in source:
                while self._hanging:
                    await trio.sleep(0.05)
                await target.send_all(data)
            if hasattr(target, "send_eof"):
                await target.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass


@asynccontextmanager
async def open_engine_door(path, behind):
    async with trio.open_nursery() as nursery:
        door = EngineDoor(str(path), behind, nursery)
        yield door
        nursery.cancel_scope.cancel()
