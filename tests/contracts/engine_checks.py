"""What every engine does, as the docstrings of ``actors.container.engine`` have it.

Each check gets a ``Bench``: the engine, and specs that it can run. Their commands are the programs of
``tests/rig/servers``, which the fake engine has too. Times are waited for, never asserted.
"""

import os
import uuid
from collections.abc import Callable

import attrs
import pytest
import trio

from actors.container.engine import Engine, EngineRefused, Role
from actors.container.spec import ContainerSpec, EggUse, Installer, Limits, PortBinding
from tests.support.daemon import free_port

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
    while (snapshot := await engine.inspect(engine_id)) and snapshot.running:
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


async def check_whole_life(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo", install_script="#!/bin/sh\necho installed\n")
    await engine.ensure_image(spec.image, "missing", lambda _: None)
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


async def check_end_is_waited_for(bench):
    engine, engine_id = bench.engine, await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    ends = []

    async def wait():
        ends.append(await engine.wait_end(engine_id))

    await wait()
    assert (ends[0].running, ends[0].started_at) == (False, None)
    async with engine.attach(engine_id) as console, trio.open_nursery() as nursery:
        await engine.start(engine_id)
        await read_until(console, b"Ready")
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        await trio.sleep(0.1)
        assert len(ends) == 1
        await console.send(b"exit 3\n")
        await read_to_end(console)
    await wait()
    assert [(end.running, end.exit_code) for end in ends[1:]] == [(False, 3)] * 3
    assert await engine.inspect(engine_id) == ends[-1]


async def check_threads_are_those_of_the_running_containers_of_a_volume(bench):
    engine, spec = bench.engine, bench.spec("stdin-echo")
    engine_id = await engine.create_server(spec, 1)
    assert list(engine.threads(spec.volume_id)) == []
    async with engine.attach(engine_id) as console:
        await engine.start(engine_id)
        await read_until(console, b"Ready")
        await engine.inspect(engine_id)
        for thread in engine.threads(spec.volume_id):
            os.kill(thread, 0)
        assert list(engine.threads(str(uuid.uuid4()))) == []
        await console.send(b"exit 0\n")
        await read_to_end(console)
    await wait_ended(engine, engine_id)
    assert list(engine.threads(spec.volume_id)) == []


async def check_exit_code_is_told(bench):
    printed, ended = await run_to_end(bench, "crash-looper 5 0.1")
    assert b"Crashing with 5" in printed
    assert (ended.exit_code, ended.oom_killed) == (5, False)


async def check_running_out_of_memory_is_told(bench):
    _, ended = await run_to_end(bench, "memory-hog", limits=Limits(memory=64 * MIB))
    assert (ended.exit_code, ended.oom_killed) == (137, True)


async def check_command_that_is_not_there_exits_with_127(bench):
    printed, ended = await run_to_end(bench, "no-such-server --port 1")
    assert b"not found" in printed
    assert ended.exit_code == 127


async def check_compound_command_runs(bench):
    printed, ended = await run_to_end(bench, "echo one && echo two; exit 6")
    assert printed.split() == [b"one", b"two"]
    assert ended.exit_code == 6


async def check_signal_ends_the_program(bench):
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


async def check_program_that_ignores_a_signal_is_killed(bench):
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


async def check_port_that_is_taken_refuses_the_start(bench):
    port = free_port()  # engines are checked beside one another
    ports = (PortBinding("127.0.0.1", port, "tcp", port), PortBinding("127.0.0.1", port, "udp", port))
    first = await bench.engine.create_server(bench.spec("stdin-echo", ports=ports), 1)
    second = await bench.engine.create_server(bench.spec("stdin-echo", ports=ports[:1]), 1)
    await bench.engine.start(first)
    with pytest.raises(EngineRefused, match=str(port)) as refusal:
        await bench.engine.start(second)
    assert " /" not in str(refusal.value)
    assert not (await bench.engine.inspect(second)).running
    await bench.engine.signal(first, "SIGKILL")
    await wait_ended(bench.engine, first)
    await bench.engine.start(second)


# ---- the install script


async def check_install_script_tells_its_code_and_all_it_says(bench):
    printed, ended = await run_installer(bench, "#!/bin/sh\necho one\necho two\nexit 7\n")
    assert printed == b"one\ntwo\n"
    assert ended.exit_code == 7


async def check_interpreter_that_is_not_there_is_replaced(bench):
    printed, ended = await run_installer(bench, "#!/opt/no/such/shell -x\necho done\n")
    assert printed == b"done\n"
    assert ended.exit_code == 0


async def check_installer_with_its_own_image_runs_there_or_is_refused(bench):
    """An engine without images refuses it."""
    spec = bench.spec("stdin-echo", environment=(("A", "one"),))
    spec = attrs.evolve(spec, install=Installer(spec.image, "sh", "echo one\r\necho two\nexit 7\n"))
    if spec.image == "host":
        with pytest.raises(EngineRefused, match="install: not possible without Docker"):
            await bench.engine.create_installer(spec, 1)
        assert await bench.engine.list() == []
        return
    engine_id = await bench.engine.create_installer(spec, 1)
    async with bench.engine.attach(engine_id) as console:
        await bench.engine.start(engine_id)
        printed = await read_to_end(console)
    assert printed == b"one\r\ntwo\r\n"
    assert (await wait_ended(bench.engine, engine_id)).exit_code == 7


async def check_installers_image_that_is_missing_is_refused(bench):
    install = Installer("127.0.0.1:1/lightd/no-such-image:1", "sh", "echo one\n")
    with pytest.raises(EngineRefused):
        await bench.engine.create_installer(bench.spec("stdin-echo", install=install), 1)
    assert await bench.engine.list() == []


async def check_ports_and_an_egg_set_variables(bench):
    port = free_port()
    binding = PortBinding("127.0.0.1", port, "tcp", port, "A_PORT")
    egg = EggUse("a", "0123456789ab", (("WORLD", "Midgard"),))
    printed, _ = await run_to_end(
        bench, "echo {{WORLD}} {{A_PORT}} {{SERVER_PORT}} {{SERVER_IP}}", ports=(binding,), egg=egg
    )
    assert printed.split() == [b"Midgard", b"%d" % port, b"%d" % port, b"0.0.0.0"]


async def check_installer_of_an_attempt_is_found_again(bench):
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


async def check_engine_answers_after_leave(bench):
    bench.engine.leave()
    engine_id = await bench.engine.create_server(bench.spec("stdin-echo"), 1)
    assert (await bench.engine.inspect(engine_id)).running is False
