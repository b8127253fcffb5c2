"""Consoles, notices and counters of local processes, at their edges."""

import os

import pytest
import trio

from actors.container.engine import EngineUnavailable, Missing, Role
from lightd.engines.process import groups
from lightd.engines.process.attachment import ProcessAttachment
from lightd.engines.process.notices import Publisher
from tests.contracts.engine_checks import read_to_end, read_until, wait_ended


async def test_input_before_the_start_is_lost_and_after_the_end_refused():
    console = ProcessAttachment()
    await console.send(b"lost\n")
    console.end()
    assert await console.receive() == b""
    with pytest.raises(EngineUnavailable):
        await console.send(b"anybody?\n")


async def test_attachment_before_the_start_ends_at_the_removal(host):
    async with host.opened() as engine, trio.open_nursery() as nursery:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        async with engine.attach(engine_id) as console:
            nursery.start_soon(engine.remove_orphan, engine_id)
            assert await read_to_end(console) == b""


async def test_first_of_two_attachments_sends_the_input(host):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        async with engine.attach(engine_id) as one, engine.attach(engine_id) as two:
            await engine.start(engine_id)
            await read_until(one, b"Ready")
            await one.send(b"hello\n")
            await read_until(two, b"got: hello")


async def test_stream_that_comes_too_late_is_closed():
    console = ProcessAttachment()
    ours, theirs = trio.socket.socketpair()
    late, other = trio.socket.socketpair()
    console.connect(trio.SocketStream(ours), b"first")
    console.connect(trio.SocketStream(late), b"second")
    assert await console.receive() == b"first"
    assert await other.recv(10) == b""
    theirs.close()
    other.close()
    await console.close()
    assert await console.receive() == b""
    with pytest.raises(EngineUnavailable):
        await console.send(b"x")


async def test_stream_that_breaks_has_ended():
    console = ProcessAttachment()
    ours, theirs = trio.socket.socketpair()
    console.connect(trio.SocketStream(ours), b"")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(console.receive)
        await trio.testing.wait_all_tasks_blocked()
        theirs.close()
    with pytest.raises(EngineUnavailable):
        await console.send(b"x" * 1_000_000)
    await console.close()


async def test_supervisor_takes_no_nonsense_and_no_input_after_the_end(host):
    async with host.opened() as engine:
        engine_id = await engine.create_server(
            host.spec("exec <&-; echo Ready; exec sleep 1000", tty=False), 1
        )
        async with engine.attach(engine_id) as console:
            await engine.start(engine_id)
            await read_until(console, b"Ready")
            await console.send(b"nobody reads it\n")
            await engine.resize(engine_id, 80, 25)
            at = os.open(host.state / engine_id, os.O_RDONLY)
            stranger = await trio.open_unix_socket(f"/proc/self/fd/{at}/socket")
            os.close(at)
            async with stranger:
                await stranger.send_all(b"what is this\n")
                assert await stranger.receive_some() == b""
            await engine.signal(engine_id, "SIGTERM")
            await read_to_end(console)
        assert (await wait_ended(engine, engine_id)).exit_code == 143


async def test_counters_without_control_groups_are_the_sum_over_the_processes(host, monkeypatch):
    monkeypatch.setattr(groups, "find", lambda _node: groups.Groups({}, frozenset()))
    busy = "sh -c 'while :; do :; done' & echo Ready; cat"
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec(busy), 1)
        async with engine.attach(engine_id) as console:
            await engine.start(engine_id)
            await read_until(console, b"Ready")
        first = (await engine.sample([engine_id]))[engine_id]
        with trio.fail_after(30):
            while (later := (await engine.sample([engine_id]))[engine_id]).cpu_time <= first.cpu_time:
                await trio.sleep(0.05)
        assert 0 < later.memory_usage < later.memory_limit
        assert (later.network_rx, later.network_tx) == (0, 0)


async def test_notices_beyond_what_is_read_are_lost_and_end_with_the_engine(host, monkeypatch):
    monkeypatch.setattr("lightd.engines.process.notices.WAITING", 1)
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        found = engine._found(engine_id)
        publisher = Publisher()
        with publisher.followed() as notices:
            publisher.tell("start", found)
            publisher.tell("die", found)
            assert (await anext(notices)).action == "start"
            next(iter(publisher._followers)).close()
            with pytest.raises(EngineUnavailable):
                await anext(notices)


async def test_container_removed_during_a_look_is_missing(host):
    async with host.opened() as engine:
        spec = host.spec("stdin-echo")
        engine_id = await engine.create_server(spec, 1)
        found = engine._found(engine_id)
        await engine.remove(spec.internal_id, Role.SERVER)
        assert found.running() is False
        with pytest.raises(Missing):
            await engine.backlog(engine_id, 0.0)
