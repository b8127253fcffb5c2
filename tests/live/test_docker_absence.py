"""Docker that is not there, goes, comes back, or is something else."""

import pytest
import trio
import trio.testing

from actors.container.engine import EngineUnavailable
from tests.support.docker_scene import a_spec, opened
from tests.support.doubles.relay import open_relay

pytestmark = pytest.mark.live


async def exhaust(items):
    async for _ in items:
        pass


async def test_engine_that_goes_and_comes_back(docker, node, volume_path, tmp_path):
    path = tmp_path / "engine.sock"
    async with opened(path, node, tmp_path) as engine:
        for _ in range(2):
            with pytest.raises(EngineUnavailable):
                await engine.list()
            with pytest.raises(EngineUnavailable):
                async with engine.notices():
                    pass
            async with open_relay(path, docker):
                engine_id = await engine.create_server(a_spec(volume_path), 1)
                await engine.start(engine_id)
                assert (await engine.sample([engine_id])).keys() == {engine_id}
                async with engine.attach(engine_id), engine.notices():
                    assert [row.engine_id for row in await engine.list()] == [engine_id]


async def test_streams_end_when_the_engine_goes(docker, node, volume_path, tmp_path):
    path = tmp_path / "engine.sock"
    record = []
    async with opened(path, node, tmp_path) as engine, trio.open_nursery() as nursery:

        async def read(engine_id):
            async with engine.attach(engine_id) as console:
                await engine.start(engine_id)
                while await console.receive():
                    ready.set()
            record.append("the console ended")

        async def follow():
            async with engine.notices() as notices:
                with pytest.raises(EngineUnavailable):
                    await exhaust(notices)
            record.append("the notices ended")

        ready = trio.Event()
        async with open_relay(path, docker):
            engine_id = await engine.create_server(a_spec(volume_path), 1)
            nursery.start_soon(follow)
            nursery.start_soon(read, engine_id)
            await ready.wait()
        await trio.testing.wait_all_tasks_blocked(0.1)
        with pytest.raises(EngineUnavailable):
            await engine.inspect(engine_id)
    assert sorted(record) == ["the console ended", "the notices ended"]


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 500 Oh\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
)
async def test_socket_that_is_no_engine_is_an_engine_that_does_not_answer(tmp_path, answer):
    path = tmp_path / "engine.sock"

    async def stranger(stream):
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)

    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(path))
        listener.listen(10)
        async with opened(path, "live-none", tmp_path) as engine, trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, stranger, [trio.SocketListener(listener)])
            for _ in range(2):
                with pytest.raises(EngineUnavailable):
                    await engine.list()
            nursery.cancel_scope.cancel()


async def test_unreachable_engine_is_told_as_the_system_says_it(tmp_path):
    async with opened(tmp_path / "none.sock", "live-none", tmp_path) as engine:
        with pytest.raises(EngineUnavailable, match="cannot be reached: No such file or directory"):
            await engine.list()
    (tmp_path / "left.sock").write_text("")
    async with opened(tmp_path / "left.sock", "live-none", tmp_path) as engine:
        with pytest.raises(EngineUnavailable, match="cannot be reached: Connection refused"):
            await engine.list()
