"""All of a run ends with it: what left its group, its session and its parents too; in groups or not."""

import fcntl
import os
import signal
import time
from pathlib import Path

import pytest
import trio

from actors.container.engine import EngineRefused, Role
from actors.container.spec import Limits, PortBinding
from lightd.engines.process import container, groups
from lightd.engines.process import engine as engine_module
from lightd.engines.process.atomic_file import record
from lightd.engines.process.orphans import _marked
from tests.contracts.engine_checks import read_to_end, read_until, wait_ended
from tests.rig.engine import give_up
from tests.support.daemon import free_port

SYS_PTRACE = 19  # its bit, as in linux/capability.h

SCATTERED = (
    "setsid sleep 1000 & (setsid sh -c 'sleep 1001 & sleep 1002' >/dev/null 2>&1 &);"
    " sleep 1003 & echo Ready; cat"
)


@pytest.fixture(params=["with groups", "without groups"])
def grouped(request, monkeypatch, host):
    """Whether control groups may be made: with and without, where they may."""
    if request.param == "without groups":
        if os.geteuid() == 0 and not may_look_into_others():
            give_up("root may not look into another user's processes here (CAP_SYS_PTRACE)")
        monkeypatch.setattr(groups, "find", lambda _node: groups.Groups({}, frozenset()))
    elif not groups.find(host.node).tops:
        pytest.skip("no control group may be made here")


def may_look_into_others():
    status = Path("/proc/self/status").read_text()
    (held,) = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")]
    return bool(int(held, 16) >> SYS_PTRACE & 1)


async def started(host, engine, command, **changes):
    """The id of a container that runs, and has printed Ready."""
    engine_id = await engine.create_server(host.spec(command, **changes), 1)
    async with engine.attach(engine_id) as console:
        await engine.start(engine_id)
        await read_until(console, b"Ready")
    return engine_id


async def wait_empty(engine_id):
    with trio.fail_after(30):
        while _marked(engine_id):
            await trio.sleep(0.02)


async def test_kill_ends_daemons_too(host, grouped):
    async with host.opened() as engine:
        engine_id = await started(host, engine, SCATTERED)
        with trio.fail_after(30):
            while len(_marked(engine_id)) < 6:
                await trio.sleep(0.02)
        await engine.signal(engine_id, "SIGKILL")
        assert (await wait_ended(engine, engine_id)).exit_code == 137
        assert _marked(engine_id) == set()


async def test_children_of_a_program_end_with_it(host, grouped):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec(SCATTERED.replace("cat", "exit 4")), 1)
        async with engine.attach(engine_id) as console:
            await engine.start(engine_id)
            await read_to_end(console)
        assert (await wait_ended(engine, engine_id)).exit_code == 4
        assert _marked(engine_id) == set()


async def test_removing_ends_all_of_it(host, grouped):
    async with host.opened() as engine:
        engine_id = await started(host, engine, SCATTERED)
        await engine.remove_orphan(engine_id)
        assert _marked(engine_id) == set()
        assert not (host.state / engine_id).exists()


async def test_supervisor_that_is_killed_is_told_as_what_it_is(host, grouped):
    async with host.opened() as engine, engine.notices() as notices:
        engine_id = await started(host, engine, SCATTERED)
        begun = (await engine.inspect(engine_id)).started_at
        os.kill(host.supervisor_of(engine_id), signal.SIGKILL)
        assert [(await anext(notices)).action for _ in range(2)] == ["start", "die"]
        ended = await engine.inspect(engine_id)
        assert (ended.running, ended.started_at, ended.exit_code) == (False, begun, None)
        assert ended.finished_at >= begun
        assert await engine.inspect(engine_id) == ended
        await wait_empty(engine_id)
        await engine.start(engine_id)
        assert (await engine.inspect(engine_id)).started_at > begun


async def test_supervisor_that_was_killed_while_nobody_looked_is_cleared_up_after(host, grouped):
    async with host.opened() as engine:
        engine_id = await started(host, engine, SCATTERED)
    os.kill(host.supervisor_of(engine_id), signal.SIGKILL)
    async with host.opened() as engine:
        assert (await engine.inspect(engine_id)).exit_code is None
        await wait_empty(engine_id)


async def test_run_that_a_reboot_of_the_host_ended_is_interrupted(host, grouped, monkeypatch):
    async with host.opened() as engine:
        engine_id = await started(host, engine, SCATTERED)
        os.kill(host.supervisor_of(engine_id), signal.SIGKILL)
        await wait_empty(engine_id)
        assert not (await engine.inspect(engine_id)).interrupted
    monkeypatch.setattr(container, "booted_at", time.time)
    async with host.opened() as engine:
        assert (await engine.inspect(engine_id)).interrupted
        await engine.start(engine_id)
        monkeypatch.undo()
        assert not (await engine.inspect(engine_id)).interrupted


async def test_installer_leaves_nothing_running(host, grouped):
    script = "#!/bin/sh\n(setsid sleep 1000 &)\necho done\n"
    async with host.opened() as engine:
        engine_id = await engine.create_installer(host.spec("stdin-echo", install_script=script), 1)
        await engine.start(engine_id)
        assert (await wait_ended(engine, engine_id)).exit_code == 0
        assert _marked(engine_id) == set()
        assert [row.role for row in await engine.list()] == [Role.INSTALLER]


async def test_fork_bomb_is_held_to_its_limit_and_ends(host):
    if "pids" not in groups.find(host.node).held:
        pytest.skip("no control group may be made here")
    bomb = "(while :; do sleep 1000 & done) & echo Ready; exec cat"
    async with host.opened() as engine:
        engine_id = await started(host, engine, bomb, limits=Limits(pids=50))
        with trio.fail_after(30):
            while len(_marked(engine_id)) < 40:
                await trio.sleep(0.02)
        assert len(_marked(engine_id)) <= 50
        await engine.signal(engine_id, "SIGKILL")
        assert (await wait_ended(engine, engine_id)).exit_code == 137
        assert _marked(engine_id) == set()


async def test_no_group_of_a_run_is_left(host):
    def left():
        tops = groups.find(host.node).tops.values()
        return [path for top in tops for path in top.glob(f"{engine_id}-*")]

    async with host.opened() as engine:
        engine_id = await started(host, engine, "stdin-echo")
        assert len(left()) == len(groups.find(host.node).tops)
        await engine.signal(engine_id, "SIGKILL")
        await wait_ended(engine, engine_id)
        await engine.remove_orphan(engine_id)
    assert left() == []


async def test_pid_that_somebody_else_has_by_now_is_not_believed(host):
    async with host.opened() as engine:
        engine_id = await started(host, engine, "stdin-echo")
        life = host.state / engine_id / "life"
        words = life.read_text().split()
        assert await engine.sample([engine_id])
        record(str(life), " ".join([*words[:2], "1", *words[3:]]).encode())
        assert await engine.sample([engine_id]) == {}
        record(str(life), " ".join(words).encode())


@pytest.mark.parametrize("settled", [engine_module.SETTLED, 0.0], ids=["released", "kept"])
async def test_port_of_a_run_that_has_ended_is_free_once_its_supervisor_is_gone(host, monkeypatch, settled):
    """A supervisor records the exit first, and releases its lock later."""
    monkeypatch.setattr(engine_module, "SETTLED", settled)
    port = free_port()
    binding = PortBinding("127.0.0.1", port, "tcp", port)
    async with host.opened() as engine:
        first = await started(host, engine, "stdin-echo", ports=(binding,))
        await engine.signal(first, "SIGKILL")
        await wait_ended(engine, first)
        second = await engine.create_server(host.spec("stdin-echo", ports=(binding,)), 1)
        with (host.state / first / "lock").open("r+b") as lock:
            await hold(lock)
            if settled:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(engine.start, second)
                    await trio.sleep(0.2)
                    assert not (await engine.inspect(second)).running
                    lock.close()
                assert (await engine.inspect(second)).running
            else:
                with pytest.raises(EngineRefused, match=f"Port {port}/tcp is in use"):
                    await engine.start(second)


async def hold(lock):
    """Take the lock of a run as its supervisor does; it may still be held by the supervisor."""
    with trio.fail_after(30):
        while True:
            try:
                fcntl.fcntl(lock, fcntl.F_OFD_SETLK, container._LOCK)
            except BlockingIOError:
                await trio.sleep(0.01)
            else:
                return
