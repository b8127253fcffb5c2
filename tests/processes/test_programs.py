"""What a program without Docker is given, and what it is refused."""

import os

import attrs
import pytest
import trio

from actors.container.engine import EngineRefused, EngineUnavailable
from actors.container.spec import Limits, Mount, PortBinding
from lightd.engines.process import groups, orphans
from lightd.engines.process.plan import MARK
from lightd.engines.process.starting import open_supervisor
from tests.contracts.engine_checks import MIB, read_until, wait_ended


async def printed(host, command, **changes):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec(command, **changes), 1)
        await engine.start(engine_id)
        ended = await wait_ended(engine, engine_id)
        backlog = await engine.backlog(engine_id, 0.0)
        return [line.line.decode().rstrip("\r") for line in backlog.lines], ended


async def test_program_environment_is_its_own_alone(host, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "x")
    lines, _ = await printed(host, "env", environment=(("EULA", "true"), ("HOME", "/elsewhere")))
    names = {line.partition("=")[0] for line in lines}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "HOME", "TERM", "EULA", MARK}
    assert "HOME=/elsewhere" in lines


async def test_program_runs_in_its_volume_which_is_its_home(host):
    lines, _ = await printed(host, 'pwd; echo "$HOME"; touch mine; ls', tty=False)
    assert lines[0] == lines[1]
    assert lines[0].startswith(str(host.volumes))
    assert lines[2:] == ["mine"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
async def test_program_runs_as_its_user_and_in_no_other_group(host):
    lines, _ = await printed(host, "id -u; id -g; id -G; stat -c %u .; tty -s && test -O $(tty) && echo mine")
    assert lines == ["988", "988", "988", "988", "mine"]


async def test_program_has_a_terminal_of_a_real_size_or_none(host):
    assert (await printed(host, "stty size"))[0] == ["30 120"]
    assert (await printed(host, "tty", tty=False))[0] == ["not a tty"]


async def test_program_inherits_no_descriptors_and_leaves_no_core(host):
    lines, _ = await printed(host, "ls /proc/self/fd; ulimit -c", tty=False)
    assert lines == ["0", "1", "2", "3", "0"]  # the third one is the listing's own


async def test_program_that_can_not_be_run_exits_with_126(host):
    lines, ended = await printed(host, "./folder")
    assert ended.exit_code == 127
    lines, ended = await printed(host, "/etc")
    assert ended.exit_code == 126, lines


async def test_process_engine_refuses_what_needs_docker(host):
    port = PortBinding("127.0.0.1", 18766, "tcp", 80)
    async with host.opened() as engine:
        for changes, words in (
            ({"image": "ubuntu:22.04"}, "image: ubuntu:22.04 is not available"),
            ({"mounts": (Mount("/data", "/srv"),)}, "mount: not possible without Docker"),
            ({"ports": (port,)}, "set container_port to"),
        ):
            with pytest.raises(EngineRefused, match=words):
                await engine.create_server(host.spec("stdin-echo", **changes), 1)
        with pytest.raises(EngineRefused, match='use "host"'):
            await engine.ensure_image("ubuntu", "missing", print)
        assert await engine.list() == []


async def test_limit_that_no_cgroup_can_enforce_is_refused_when_it_is_changed(host, monkeypatch):
    monkeypatch.setattr(groups, "find", lambda node: groups.Groups({}, frozenset({"pids"})))
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        with pytest.raises(EngineRefused, match=r"this node cannot enforce cpu, memory \(no cgroups\)"):
            await engine.update(engine_id, Limits(memory=64 * MIB, cpu=0.5, pids=64))
        await engine.update(engine_id, Limits(pids=64))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
async def test_volume_out_of_its_users_reach_is_refused(host):
    async with host.opened() as engine:
        spec = host.spec("stdin-echo")
        host.volumes.chmod(0o700)
        with pytest.raises(EngineRefused, match="a parent folder is not searchable"):
            await engine.create_server(spec, 1)
        assert await engine.create_server(attrs.evolve(spec, user="0:0"), 1)


def test_another_user_is_refused_where_lightd_is_nobody_special(host):
    async def check():
        async with host.opened() as engine:
            with pytest.raises(EngineRefused, match=r"user: must be .* not 988:988"):
                await engine.create_server(host.spec("stdin-echo", user="988:988"), 1)

    if os.geteuid() == 0:
        host.run_as_nobody(check)
    else:
        trio.run(check)


async def test_volume_that_is_gone_refuses_the_start(host):
    async with host.opened() as engine:
        spec = host.spec("stdin-echo")
        engine_id = await engine.create_server(spec, 1)
        (host.volumes / spec.volume_id).rmdir()
        with pytest.raises(EngineRefused, match="is not mounted"):
            await engine.start(engine_id)
        assert (await engine.inspect(engine_id)).started_at is None


async def test_folder_that_is_closed_to_the_user_refuses_the_start(host):
    async with host.opened() as engine:
        spec = host.spec("stdin-echo", user="0:0" if os.geteuid() == 0 else host.user)
        engine_id = await engine.create_server(spec, 1)
        plan = host.state / engine_id / "plan"
        lock = engine._make_ready(engine._found(engine_id))
        plan.write_bytes(plan.read_bytes().replace(str(host.volumes).encode(), b"/no/such"))
        with pytest.raises(EngineRefused, match="The volume cannot be entered: No such file or directory"):
            await engine._start(engine._found(engine_id), lock)
        os.close(lock)
        assert (await engine.inspect(engine_id)).started_at is None


async def test_input_that_a_program_does_not_read_waits_and_keeps_nobody(host):
    for tty in (True, False):
        async with host.opened() as engine:
            deaf = await engine.create_server(host.spec("echo Ready; exec sleep 1000", tty=tty), 1)
            other = await engine.create_server(host.spec("stdin-echo"), 1)
            async with engine.attach(deaf) as console, engine.attach(other) as neighbour:
                await engine.start(deaf)
                await engine.start(other)
                await read_until(console, b"Ready")
                with trio.move_on_after(0.5) as patience:
                    while True:
                        await console.send(b"x" * 1000 + b"\n")
                assert patience.cancelled_caught
                await neighbour.send(b"hello\n")
                await read_until(neighbour, b"got: hello")
                await engine.signal(deaf, "SIGKILL")
                assert (await wait_ended(engine, deaf)).exit_code == 137


async def at_work(engine, host, engine_id):
    """What changes while a program is at work; None before it has printed a thing."""
    taped = sum(path.stat().st_size for path in (host.state / engine_id).glob("log*"))
    return ((await engine.sample([engine_id]))[engine_id].cpu_time, taped) if taped else None


async def test_console_that_is_not_read_holds_up_its_program_alone_and_no_memory_grows(host):
    async with host.opened() as engine:
        loud = await engine.create_server(host.spec("flood 0", tty=False), 1)
        other = await engine.create_server(host.spec("stdin-echo"), 1)
        async with engine.attach(loud), engine.attach(other) as neighbour:
            await engine.start(loud)
            await engine.start(other)
            before = ()
            with trio.fail_after(30):
                while (now := await at_work(engine, host, loud)) != before or now is None:
                    before = now
                    await trio.sleep(0.3)
            await neighbour.send(b"hello\n")
            await read_until(neighbour, b"got: hello")
            assert host.resident(loud) < 64 * MIB
            await engine.signal(loud, "SIGKILL")
            assert (await wait_ended(engine, loud)).exit_code == 137


async def test_flood_leaves_two_small_files(host):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("flood 0 200000", tty=False), 1)
        await engine.start(engine_id)
        await wait_ended(engine, engine_id)
        sizes = [path.stat().st_size for path in (host.state / engine_id).glob("log*")]
        assert len(sizes) == 2
        assert max(sizes) < 4 * MIB


async def test_path_too_long_for_a_socket_is_none_for_us(host):
    deep = host.state / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    host.state_path = deep
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        async with engine.attach(engine_id) as console:
            await engine.start(engine_id)
            await console.send(b"hello\n")
            await read_until(console, b"got: hello")
        await engine.remove_orphan(engine_id)
    host.state_path = None
    for folder in (deep, deep.parent):
        folder.rmdir()


async def test_supervisor_whose_daemon_is_gone_before_its_word_begins_nothing(host):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        found = engine._found(engine_id)
        lock = engine._make_ready(found)
        async with open_supervisor(found.folder, lock, host.supervisor):
            assert engine._make_ready(found) is None
        os.close(lock)
        while found.running():
            await trio.sleep(0.01)
        assert (await engine.inspect(engine_id)).started_at is None
        assert not (found.folder / "socket").exists()
        await engine.start(engine_id)


async def test_supervisor_that_can_not_be_started_is_told(host):
    for supervisor, words in (
        (("/no/such/python",), "No such file"),
        (("/bin/sh", "-c", "echo broken >&2"), "cannot be started: broken"),
        (("/bin/true",), "it printed no error"),
    ):
        host.supervisor = supervisor
        async with host.opened() as engine:
            engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
            with pytest.raises(EngineUnavailable, match=words):
                await engine.start(engine_id)
            assert not (await engine.inspect(engine_id)).running


async def test_half_made_or_half_removed_container_is_swept(host):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
    (host.state / "half").mkdir()
    (host.state / "half" / "log").write_text("x")
    async with host.opened() as engine:
        assert [row.engine_id for row in await engine.list()] == [engine_id]
    assert not (host.state / "half").exists()


async def test_start_that_can_not_be_written_down_is_refused_and_nothing_runs(host):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        obstacle = host.state / engine_id / "life.part"
        obstacle.mkdir()
        with pytest.raises(EngineRefused, match="The start cannot be recorded: Is a directory"):
            await engine.start(engine_id)
        assert orphans._marked(engine_id) == set()
        obstacle.rmdir()
        await engine.start(engine_id)
        assert (await engine.inspect(engine_id)).running


async def test_exit_is_written_down_once_the_disk_takes_it(host):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        await engine.start(engine_id)
        obstacle = host.state / engine_id / "exit.part"
        obstacle.mkdir()
        await engine.signal(engine_id, "SIGTERM")
        with trio.fail_after(30):
            while orphans._marked(engine_id):
                await trio.sleep(0.02)
        assert (await engine.inspect(engine_id)).running
        obstacle.rmdir()
        assert (await wait_ended(engine, engine_id)).exit_code == 143


async def test_folder_of_containers_that_takes_none_refuses_the_creation(host, monkeypatch):
    async with host.opened() as engine:
        monkeypatch.setattr(engine, "_path", host.folder / "gone")
        with pytest.raises(EngineRefused, match="The host rejects the change: No such file or directory"):
            await engine.create_server(host.spec("stdin-echo"), 1)


async def test_start_waits_for_a_supervisor_that_has_told_its_end_and_is_not_gone(host):
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        found = engine._found(engine_id)
        lock = found.lock()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine.start, engine_id)
            await trio.sleep(0.1)
            assert not (await engine.inspect(engine_id)).running
            os.close(lock)
        assert (await engine.inspect(engine_id)).running


async def test_program_that_does_not_end_is_an_unavailable_engine(host, monkeypatch):
    monkeypatch.setattr("lightd.engines.process.engine.PATIENCE", 0.2)
    async with host.opened() as engine:
        engine_id = await engine.create_server(host.spec("stdin-echo"), 1)
        lock = engine._found(engine_id).lock()
        for call, words in (
            (engine.start, "The supervisor of the previous run does not end"),
            (engine.remove_orphan, "The program does not end after SIGKILL"),
        ):
            with pytest.raises(EngineUnavailable, match=words):
                await call(engine_id)
        os.close(lock)
