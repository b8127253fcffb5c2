"""A socket that leads to the engine while it is open: the engine's death and return, for one client alone."""

from contextlib import asynccontextmanager

import trio


async def _pump(source, sink):
    try:
        async for data in source:
            await sink.send_all(data)
        await sink.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # one side is gone; so is the other


async def _serve(client, target):
    async with client, await trio.open_unix_socket(target) as engine, trio.open_nursery() as nursery:
        nursery.start_soon(_pump, client, engine)
        await _pump(engine, client)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_relay(path, target):
    """Relay connections to ``path`` on to ``target``; at the end all are cut and the file is gone."""
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(path))
        listener.listen(100)
        async with trio.open_nursery() as nursery:

            async def accept():
                while True:
                    client, _ = await listener.accept()
                    nursery.start_soon(_serve, trio.SocketStream(client), target)

            nursery.start_soon(accept)
            try:
                yield
            finally:
                path.unlink()
                nursery.cancel_scope.cancel()
