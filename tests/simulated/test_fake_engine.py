"""What only the fake engine can be made to do."""

import attrs
import pytest
import trio
import trio.testing

from actors.container.engine import EngineRefused, EngineUnavailable, Role
from actors.container.spec import ContainerSpec, PortBinding
from tests.support.fake_engine.engine import RIG_IMAGE, open_fake_engine
from tests.support.fake_engine.faults import Call, Moment


def a_spec(internal_id="s1", command="stdin-echo", image=RIG_IMAGE):
    return ContainerSpec(internal_id, image, "v1", command)


def lines_of(backlog):
    return [logged.line.decode().removesuffix("\r") for logged in backlog.lines]


async def exhaust(items):
    async for _ in items:
        pass


async def test_engine_that_is_down_answers_nothing_and_cuts_its_streams(autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(), 1)
        async with engine.attach(engine_id) as console, engine.notices() as notices:
            await engine.start(engine_id)
            await console.receive()
            engine.go_down()
            assert await console.receive() == b""
            with pytest.raises(EngineUnavailable):
                await console.send(b"hello\n")
            with pytest.raises(EngineUnavailable):
                await exhaust(notices)
        with pytest.raises(EngineUnavailable):
            await engine.inspect(engine_id)
        assert engine.running() == ["s1"]
        engine.come_back()
        assert (await engine.inspect(engine_id)).running


async def test_engine_may_take_its_containers_with_it(autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(), 1)
        await engine.start(engine_id)
        engine.go_down(containers_too=True)
        engine.come_back()
        assert (await engine.inspect(engine_id)).exit_code == 137


async def test_call_may_fail_without_having_happened_or_although_it_did(autojump_clock):
    when = Moment.BEFORE

    async def faults(call, moment):
        if call == Call("start", "s1") and moment is when:
            raise EngineUnavailable("scripted")

    async with open_fake_engine(faults=faults) as engine:
        engine_id = await engine.create_server(a_spec(), 1)
        with pytest.raises(EngineUnavailable):
            await engine.start(engine_id)
        assert engine.running() == []
        when = Moment.AFTER
        with pytest.raises(EngineUnavailable):
            await engine.start(engine_id)
        assert engine.running() == ["s1"]


async def test_call_may_hang_and_is_cancelled_before_it_happens(autojump_clock):
    async def faults(call, _moment):
        if call.name == "create_server":
            await trio.sleep_forever()

    async with open_fake_engine(faults=faults) as engine:
        with trio.move_on_after(5) as scope:
            await engine.create_server(a_spec(), 1)
        assert scope.cancelled_caught
        assert await engine.list() == []


async def test_calls_are_recorded_in_order(autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(), 1)
        await engine.start(engine_id)
        await engine.remove("s1", Role.SERVER)
        assert engine.calls == [Call("create_server", "s1"), Call("start", "s1"), Call("remove", "s1")]


async def test_every_call_takes_its_latency(autojump_clock):
    async with open_fake_engine(latency=2.0) as engine:
        begun = trio.current_time()
        await engine.list()
        assert trio.current_time() == begun + 2.0


async def test_pull_takes_its_time_and_can_be_given_up(autojump_clock):
    said = []
    async with open_fake_engine(images=[], registry=["a:1"]) as engine:
        with trio.move_on_after(0.5):
            await engine.ensure_image("a:1", "missing", said.append)
        assert engine.images == set()
        await engine.ensure_image("a:1", "missing", said.append)
        assert said == ["Pulling a:1", "Pulling a:1", "Pulled a:1"]


async def test_process_may_end_without_being_asked(autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(), 1)
        await engine.start(engine_id)
        engine.exit("s1", 9, oom_killed=True)
        engine.exit("s1", 1)
        snapshot = await engine.inspect(engine_id)
        assert (snapshot.exit_code, snapshot.oom_killed) == (9, True)


async def test_container_may_vanish(autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(), 1)
        engine.vanish("s1")
        assert await engine.inspect(engine_id) is None


async def test_port_that_the_host_uses_is_refused(autojump_clock):
    async with open_fake_engine() as engine:
        engine.bound.add((80, "tcp"))
        spec = attrs.evolve(a_spec(), ports=(PortBinding("127.0.0.1", 80, "tcp", 80),))
        engine_id = await engine.create_server(spec, 1)
        with pytest.raises(EngineRefused, match="Port 80/tcp is in use"):
            await engine.start(engine_id)


async def test_terminal_remembers_its_size(autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(), 1)
        await engine.start(engine_id)
        assert engine.terminal_size("s1") is None
        await engine.resize(engine_id, 100, 40)
        assert engine.terminal_size("s1") == (100, 40)


async def test_output_blocks_while_an_attached_reader_does_not_read(autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(command="flood 0 100000"), 1)
        async with engine.attach(engine_id):
            await engine.start(engine_id)
            await trio.sleep(1000)
            assert engine.running() == ["s1"]
        await trio.sleep(1000)
        assert engine.running() == []


async def test_stdin_blocks_while_the_program_does_not_read(autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(command="sleep 1000"), 1)
        await engine.start(engine_id)
        async with engine.attach(engine_id) as console:
            with trio.move_on_after(10) as scope:
                for _ in range(100):
                    await console.send(b"x" * 1023 + b"\n")
            assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("command", "printed", "code"),
    [
        ("echo a; echo b", "a\r\nb\r\n", 0),
        ("echo a && exit 3; echo b", "a\r\n", 3),
        ('bash -c "echo a; crash-looper 2 1"', "a\r\nReady\r\nCrashing with 2\r\n", 2),
        ("exec line-printer 2 0 n", "n 1\r\nn 2\r\n", 0),
        ("what", "/bin/sh: what: not found\r\n", 127),
        ("echo 'a", "/bin/sh: syntax error\r\n", 2),
        ("# nothing", "", 0),
        ("while true; do echo x; crash-looper 1 1; exit 4; done", "x\r\nReady\r\nCrashing with 1\r\n", 4),
    ],
)
async def test_commands_are_small_scripts(command, printed, code, autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(command=command), 1)
        await engine.start(engine_id)
        await trio.sleep(10)
        assert lines_of(await engine.backlog(engine_id, 0.0)) == printed.splitlines()
        assert (await engine.inspect(engine_id)).exit_code == code


async def test_programs_of_a_test_s_own(autojump_clock):
    async def greeter(process, words):
        process.on_signal("SIGHUP", lambda: hups.append(True))
        await process.print(f"hello {words[0]} of {process.environment['PLACE']}")
        await process.print(await process.read_line())
        return 6

    hups = []
    spec = ContainerSpec("s1", RIG_IMAGE, "v1", "greeter you", environment=(("PLACE", "here"),))
    async with open_fake_engine(programs_too={"greeter": greeter}) as engine:
        engine_id = await engine.create_server(spec, 1)
        await engine.start(engine_id)
        await trio.testing.wait_all_tasks_blocked()
        await engine.signal(engine_id, "SIGHUP")
        await engine.signal(engine_id, "SIGWINCH")
        async with engine.attach(engine_id) as console:
            await console.send(b"bye\n")
        await trio.testing.wait_all_tasks_blocked()
        assert lines_of(await engine.backlog(engine_id, 0.0)) == ["hello you of here", "bye", "bye"]
        assert (await engine.inspect(engine_id)).exit_code == 6
        assert hups == [True]


@pytest.mark.parametrize("command", ["prompt", "cat", "http-server", "ignore-sigterm"])
async def test_programs_that_stay(command, autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(command=command), 1)
        await engine.start(engine_id)
        await trio.sleep(1)
        async with engine.attach(engine_id) as console:
            await console.send(b"hi\n")
        await trio.sleep(1)
        assert engine.running() == ["s1"]
        await engine.signal(engine_id, "SIGKILL")
        await trio.sleep(1)
        assert engine.running() == []


async def test_prompt_is_stopped_by_its_command(autojump_clock):
    async with open_fake_engine() as engine:
        engine_id = await engine.create_server(a_spec(command="prompt"), 1)
        async with engine.attach(engine_id) as console:
            await engine.start(engine_id)
            await trio.sleep(1)
            await console.send(b"list\nstop\n")
            await trio.sleep(1)
            assert b"[INFO]\x1b[0m got: list" in await console.receive()
        assert (await engine.inspect(engine_id)).exit_code == 0
