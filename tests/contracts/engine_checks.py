"""What every engine does, as the docstrings of ``actors.container.engine`` have it.

Each check gets a ``Bench``: the engine, and specs that it can run. Their commands are the programs of
``tests/rig/servers``, which the fake engine has too. Times are waited for, never asserted.
"""

from collections.abc import Callable

import attrs
import pytest
import trio

from actors.container.engine import Engine, EngineRefused, EngineUnavailable, Missing, Role
from actors.container.spec import ContainerSpec, Limits, PortBinding

MISSING = "0" * 64
MIB = 1024 * 1024


@attrs.define
class Bench:
    engine: Engine
    spec: Callable[..., ContainerSpec]
    """A spec of a new container, with a volume: ``spec(startup_command, **changes)``."""


async def read_until(attachment, text: bytes) -> bytes:
    found = b""
    while text not in found:
        data = await attachment.receive()
        assert data, f"the stream ended after {found[-500:]!r}"
        found += data
    return found


async def read_to_end(attachment) -> bytes:
    found = b""
    while data := await attachment.receive():
        found += data
    return found


async def wait_ended(engine, engine_id):
    while (snapshot := await engine.inspect(engine_id)) and snapshot.running:  # noqa: ASYNC110 - a notice may be lost
        await trio.sleep(0.02)
    return snapshot


async def run_to_end(bench, command, **changes):
    """Run a server to its end; return all that it printed, and its last snapshot."""
    engine_id = await bench.engine.create_server(bench.spec(command, **changes), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        printed = await read_to_end(console)
    return printed, await wait_ended(bench.engine, engine_id)


async def run_installer(bench, script):
    spec = bench.spec("stdin-echo", install_script=script)
    engine_id = await bench.engine.create_installer(spec, 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        printed = await read_to_end(console)
    return printed, await wait_ended(bench.engine, engine_id)


# ---- one life


async def check_a_whole_life(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo", install_script="#!/bin/sh\necho installed\n")
    await engine.ensure_image(spec.image, lambda _: None)
    installer = await engine.create_installer(spec, 1)
    await engine.start(installer)
    assert (await wait_ended(engine, installer)).exit_code == 0
    await engine.remove(spec.internal_id, Role.INSTALLER)
    server = await engine.create_server(spec, 1)
    created = await engine.inspect(server)
    assert (created.running, created.started_at, created.exit_code) == (False, None, None)
    async with engine.attach(server) as console:
        await engine.start(server)
        await read_until(console, b"Ready")
        running = await engine.inspect(server)
        assert running.running
        assert running.started_at is not None
        await console.send(b"stop\n")
        assert b"Stopping" in await read_to_end(console)
    ended = await wait_ended(engine, server)
    assert (ended.exit_code, ended.oom_killed, ended.started_at) == (0, False, running.started_at)
    assert ended.finished_at >= ended.started_at
    await engine.remove(spec.internal_id, Role.SERVER)
    assert await engine.inspect(server) is None


async def check_each_life_has_its_own_beginning(bench):
    engine, engine_id = bench.engine, await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    begun = []
    for code in (3, 4):
        async with engine.attach(engine_id) as console:
            await engine.start(engine_id)
            await read_until(console, b"Ready")
            await console.send(b"exit %d\n" % code)
            await read_to_end(console)
        ended = await wait_ended(engine, engine_id)
        assert ended.exit_code == code
        begun.append(ended.started_at)
    assert begun[0] < begun[1]


async def check_the_exit_code_is_told(bench):
    printed, ended = await run_to_end(bench, "crash-looper 5 0.1")
    assert b"Crashing with 5" in printed
    assert (ended.exit_code, ended.oom_killed) == (5, False)


async def check_running_out_of_memory_is_told(bench):
    _, ended = await run_to_end(bench, "memory-hog", limits=Limits(memory=64 * MIB))
    assert (ended.exit_code, ended.oom_killed) == (137, True)


async def check_a_command_that_is_not_there_exits_with_127(bench):
    printed, ended = await run_to_end(bench, "no-such-server --port 1")
    assert b"not found" in printed
    assert ended.exit_code == 127


async def check_a_compound_command_runs(bench):
    printed, ended = await run_to_end(bench, "echo one && echo two; exit 6")
    assert printed.split() == [b"one", b"two"]
    assert ended.exit_code == 6


async def check_a_signal_ends_the_program(bench):
    for command in ("stdin-echo", "echo first; stdin-echo"):
        engine_id = await bench.engine.create_server(bench.spec(command), 1)
        async with bench.engine.attach(engine_id) as console:
            await bench.engine.start(engine_id)
            await read_until(console, b"Ready")
            await bench.engine.signal(engine_id, "SIGTERM")
            await read_to_end(console)
        ended = await wait_ended(bench.engine, engine_id)
        assert ended.exit_code == 143
        await bench.engine.signal(engine_id, "SIGTERM")


async def check_a_program_that_ignores_a_signal_is_killed(bench):
    engine_id = await bench.engine.create_server(bench.spec("ignore-sigterm"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_until(console, b"Ready")
        await bench.engine.signal(engine_id, "SIGTERM")
        await read_until(console, b"SIGTERM ignored")
        assert (await bench.engine.inspect(engine_id)).running
        await bench.engine.signal(engine_id, "SIGKILL")
        await read_to_end(console)
    ended = await wait_ended(bench.engine, engine_id)
    assert (ended.exit_code, ended.oom_killed) == (137, False)


async def check_starting_what_runs_changes_nothing(bench):
    engine_id = await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    await bench.engine.start(engine_id)
    first = await bench.engine.inspect(engine_id)
    await bench.engine.start(engine_id)
    assert await bench.engine.inspect(engine_id) == first


async def check_a_port_that_is_taken_refuses_the_start(bench):
    ports = (PortBinding("127.0.0.1", 18765, "tcp", 80), PortBinding("127.0.0.1", 18765, "udp", 80))
    first = await bench.engine.create_server(bench.spec("stdin-echo", ports=ports), 1)
    second = await bench.engine.create_server(bench.spec("stdin-echo", ports=ports[:1]), 1)
    await bench.engine.start(first)
    with pytest.raises(EngineRefused, match="18765") as refusal:
        await bench.engine.start(second)
    assert " /" not in str(refusal.value)
    assert not (await bench.engine.inspect(second)).running
    await bench.engine.signal(first, "SIGKILL")
    await wait_ended(bench.engine, first)
    await bench.engine.start(second)


# ---- the install script


async def check_an_install_script_tells_its_code_and_all_it_says(bench):
    printed, ended = await run_installer(bench, "#!/bin/sh\necho one\necho two\nexit 7\n")
    assert printed == b"one\ntwo\n"
    assert ended.exit_code == 7


async def check_an_interpreter_that_is_not_there_is_replaced(bench):
    printed, ended = await run_installer(bench, "#!/opt/no/such/shell -x\necho done\n")
    assert printed == b"done\n"
    assert ended.exit_code == 0


async def check_the_installer_of_an_attempt_is_found_again(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo", install_script="exit 3\n")
    first = await engine.create_installer(spec, 1)
    assert await engine.create_installer(spec, 1) == first
    await engine.start(first)
    await wait_ended(engine, first)
    assert await engine.create_installer(spec, 1) == first
    assert (await engine.inspect(first)).exit_code == 3
    second = await engine.create_installer(spec, 2)
    assert second != first
    assert await engine.inspect(first) is None
    assert (await engine.inspect(second)).started_at is None


# ---- consoles


async def check_a_console_attached_before_the_start_has_every_byte(bench):
    for tty in (True, False):
        printed, _ = await run_to_end(bench, "line-printer 3000 0", tty=tty)
        assert printed.split(b"\n")[:-1] == [
            b"line %d%s" % (n, b"\r" if tty else b"") for n in range(1, 3001)
        ]


async def check_stdin_reaches_the_program_in_order(bench):
    for tty in (True, False):
        engine_id = await bench.engine.create_server(bench.spec("stdin-echo", tty=tty), 1)
        async with bench.engine.attach(engine_id) as console:
            await bench.engine.start(engine_id)
            await read_until(console, b"Ready")
            for n in range(50):
                await console.send(b"number %d\n" % n)
            await console.send(b"stop\n")
            printed = await read_to_end(console)
        answers = [line.strip() for line in printed.split(b"\n") if line.startswith(b"got: ")]
        assert answers == [b"got: number %d" % n for n in range(50)]


async def check_a_console_may_be_attached_again(bench):
    engine_id = await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_until(console, b"Ready")
    async with bench.engine.attach(engine_id) as console:
        await console.send(b"again\n")
        await read_until(console, b"got: again")
    assert (await bench.engine.inspect(engine_id)).running


async def check_sending_to_a_program_that_ended_does_not_hang(bench):
    engine_id = await bench.engine.create_server(bench.spec("crash-looper 1 0"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_to_end(console)
        assert await console.receive() == b""
        for _ in range(3):
            try:
                await console.send(b"anybody?\n")
            except EngineUnavailable:
                break


async def check_a_flood_is_read_and_killed_at_once(bench):
    engine_id = await bench.engine.create_server(bench.spec("flood 0"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        size = 0
        while size < 20 * MIB:
            data = await console.receive()
            assert data
            size += len(data)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.engine.signal, engine_id, "SIGKILL")
            await read_to_end(console)
    assert (await wait_ended(bench.engine, engine_id)).exit_code == 137


async def check_the_backlog_is_what_was_printed_in_whole_lines(bench):
    engine_id = await bench.engine.create_server(bench.spec("line-printer 200 0", tty=False), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        printed = await read_to_end(console)
    ended = await wait_ended(bench.engine, engine_id)
    backlog = await bench.engine.backlog(engine_id, ended.started_at)
    assert backlog.splitlines() == printed.splitlines()
    assert await bench.engine.backlog(engine_id, ended.finished_at + 1) == b""


async def check_the_backlog_is_bounded_and_the_newest(bench):
    engine_id = await bench.engine.create_server(bench.spec("flood 0 60000"), 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_to_end(console)
    backlog = await bench.engine.backlog(engine_id, 0.0)
    assert len(backlog) <= MIB
    lines = backlog.splitlines()
    assert lines[0].endswith(b"of a console that never rests")
    assert lines[-1].startswith(b"Flooded 60000 lines")


async def check_a_terminal_may_be_resized_while_it_is_there(bench):
    engine_id = await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    await bench.engine.resize(engine_id, 100, 40)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_until(console, b"Ready")
        await bench.engine.resize(engine_id, 100, 40)
        await console.send(b"stop\n")
        await read_to_end(console)
    await wait_ended(bench.engine, engine_id)
    await bench.engine.resize(engine_id, 100, 40)


# ---- creation and removal


async def check_an_image_that_is_there_is_not_pulled(bench):
    said = []
    await bench.engine.ensure_image(bench.spec("stdin-echo").image, said.append)
    assert said == []


async def check_an_image_that_is_nowhere_is_refused(bench):
    spec = bench.spec("stdin-echo", image="127.0.0.1:1/lightd/no-such-image:1")
    with pytest.raises(EngineRefused):
        await bench.engine.ensure_image(spec.image, lambda _: None)
    with pytest.raises(EngineRefused):
        await bench.engine.create_server(spec, 1)
    assert await bench.engine.list() == []


async def check_creating_twice_makes_one(bench):
    spec = bench.spec("stdin-echo")
    first = await bench.engine.create_server(spec, 1)
    assert await bench.engine.create_server(spec, 1) == first
    await bench.engine.start(first)
    assert await bench.engine.create_server(spec, 1) == first
    assert (await bench.engine.inspect(first)).running


async def check_creating_from_another_spec_or_in_another_attempt_replaces(bench):
    spec = bench.spec("stdin-echo")
    first = await bench.engine.create_server(spec, 1)
    await bench.engine.start(first)
    second = await bench.engine.create_server(attrs.evolve(spec, environment=(("A", "1"),)), 1)
    third = await bench.engine.create_server(attrs.evolve(spec, environment=(("A", "1"),)), 2)
    assert len({first, second, third}) == 3
    assert [row.engine_id for row in await bench.engine.list()] == [third]
    assert await bench.engine.inspect(first) is None


async def check_cancelled_calls_leave_nothing_that_is_not_found_again(bench):
    spec = bench.spec("stdin-echo")
    for patience in (0, 0.001, 0.005, 0.02):
        with trio.move_on_after(patience):
            await bench.engine.create_server(spec, 1)
    engine_id = await bench.engine.create_server(spec, 1)
    assert [row.engine_id for row in await bench.engine.list()] == [engine_id]
    for patience in (0, 0.001, 0.005, 0.02):
        with trio.move_on_after(patience):
            await bench.engine.start(engine_id)
    await bench.engine.start(engine_id)
    assert (await bench.engine.inspect(engine_id)).running
    for patience in (0, 0.001, 0.005):
        with trio.move_on_after(patience):
            await bench.engine.remove(spec.internal_id, Role.SERVER)
    await bench.engine.remove(spec.internal_id, Role.SERVER)
    assert await bench.engine.list() == []


async def check_removing_ends_what_runs_and_its_console(bench):
    spec = bench.spec("ignore-sigterm")
    engine_id = await bench.engine.create_server(spec, 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        await read_until(console, b"Ready")
        await bench.engine.remove(spec.internal_id, Role.SERVER)
        await read_to_end(console)
    assert await bench.engine.inspect(engine_id) is None
    await bench.engine.remove(spec.internal_id, Role.SERVER)
    await bench.engine.remove(spec.internal_id, Role.INSTALLER)


async def check_removing_twice_at_once_is_one_removal(bench):
    spec = bench.spec("stdin-echo")
    engine_id = await bench.engine.create_server(spec, 1)
    await bench.engine.start(engine_id)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.engine.remove, spec.internal_id, Role.SERVER)
        nursery.start_soon(bench.engine.remove, spec.internal_id, Role.SERVER)
        nursery.start_soon(bench.engine.remove_orphan, engine_id)
    assert await bench.engine.inspect(engine_id) is None


async def check_an_orphan_is_removed_alone(bench):
    one, two = bench.spec("stdin-echo"), bench.spec("stdin-echo")
    orphan, other = await bench.engine.create_server(one, 1), await bench.engine.create_server(two, 1)
    await bench.engine.start(orphan)
    await bench.engine.remove_orphan(orphan)
    await bench.engine.remove_orphan(orphan)
    assert [row.engine_id for row in await bench.engine.list()] == [other]


async def check_many_at_once(bench):
    specs = [bench.spec("stdin-echo") for _ in range(12)]

    async def live(spec):
        engine_id = await bench.engine.create_server(spec, 1)
        await bench.engine.start(engine_id)
        await bench.engine.signal(engine_id, "SIGKILL")
        await wait_ended(bench.engine, engine_id)
        await bench.engine.remove(spec.internal_id, Role.SERVER)

    async with trio.open_nursery() as nursery:
        for spec in specs:
            nursery.start_soon(live, spec)
    assert await bench.engine.list() == []


async def check_what_is_missing_is_said_to_be_missing(bench):
    engine = bench.engine
    assert await engine.inspect(MISSING) is None
    for call in (engine.start(MISSING), engine.backlog(MISSING, 0.0)):
        with pytest.raises(Missing):
            await call
    with pytest.raises(Missing):
        async with engine.attach(MISSING):
            pass
    await engine.signal(MISSING, "SIGTERM")
    await engine.resize(MISSING, 80, 25)
    await engine.remove_orphan(MISSING)
    await engine.remove("nobody", Role.SERVER)
    assert await engine.sample([MISSING]) == {}


# ---- sight


async def check_the_list_has_all_of_ours_whatever_their_state(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo", install_script="exit 0\n")
    installer, server = await engine.create_installer(spec, 1), await engine.create_server(spec, 1)
    await engine.start(server)
    rows = {row.engine_id: row for row in await engine.list()}
    assert rows.keys() == {installer, server}
    assert (rows[installer].role, rows[installer].running) == (Role.INSTALLER, False)
    assert (rows[server].role, rows[server].running) == (Role.SERVER, True)
    assert {row.internal_id for row in rows.values()} == {spec.internal_id}


async def check_notices_tell_what_happens_from_the_first_moment(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo")
    engine_id = await engine.create_server(spec, 1)
    async with engine.notices() as notices:
        await engine.start(engine_id)
        await engine.signal(engine_id, "SIGKILL")
        await wait_ended(engine, engine_id)
        await engine.remove(spec.internal_id, Role.SERVER)
        seen = []
        async for notice in notices:
            seen.append(notice)
            if notice.action == "destroy":
                break
    assert [notice.action for notice in seen] == ["start", "die", "destroy"]
    assert {(notice.engine_id, notice.internal_id, notice.role) for notice in seen} == {
        (engine_id, spec.internal_id, Role.SERVER)
    }


async def check_an_installers_notices_are_told_as_such(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo", install_script="exit 0\n")
    async with engine.notices() as notices:
        engine_id = await engine.create_installer(spec, 1)
        await engine.start(engine_id)
        notice = await anext(notices)
    assert (notice.action, notice.role) == ("start", Role.INSTALLER)


async def check_samples_are_of_those_that_run(bench):
    engine, limits = bench.engine, Limits(memory=64 * MIB)
    running = await engine.create_server(bench.spec("line-printer 0 0.01", limits=limits), 1)
    idle = await engine.create_server(bench.spec("stdin-echo"), 1)
    await engine.start(running)
    first = await engine.sample([running, idle, MISSING])
    assert first.keys() == {running}
    assert first[running].memory_limit == 64 * MIB
    assert 0 < first[running].memory_usage <= 64 * MIB
    async with engine.attach(running) as console:
        await read_until(console, b"line 20")
    later = await engine.sample([running])
    assert later[running].at > first[running].at
    assert later[running].cpu_time > first[running].cpu_time
    await engine.signal(running, "SIGKILL")
    await wait_ended(engine, running)
    assert await engine.sample([running]) == {}


async def check_samples_follow_a_new_life(bench):
    engine, engine_id = bench.engine, await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    for _ in range(2):
        await engine.start(engine_id)
        sample = (await engine.sample([engine_id]))[engine_id]
        assert sample.memory_limit > 64 * MIB  # none of its own: the host's
        await engine.signal(engine_id, "SIGKILL")
        await wait_ended(engine, engine_id)
