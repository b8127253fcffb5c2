"""Crashes and what follows them, in a whole fleet."""

import pytest
import trio

from actors.container import events, messages
from actors.container.spec import RestartPolicy
from actors.container.state import Phase
from tests.simulated.world import a_spec, open_daemon, open_world, virtual_clock
from tests.support.doubles.memory import MemoryJournal
from tests.support.fake_engine import engine as fake

POLICY = RestartPolicy("on-crash", max=3, within=60.0)


def exits(world):
    return [event for event in world.events() if isinstance(event, events.Exited)]


async def test_server_that_crashes_comes_back_by_itself(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(restart_policy=POLICY))
        world.engine.exit("s1", 7)
        await world.wait(Phase.WAITING)
        await world.wait(Phase.RUNNING)
        assert world.state().run == 2
        assert world.engine.running() == ["s1"]


async def test_crash_is_recorded_with_its_last_words(autojump_clock):
    async with open_world() as world:
        command = "; ".join(f"echo line {n}" for n in range(30)) + "; exit 3"
        await world.create(a_spec(startup_command=command, start_pattern=None))
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        await world.member().wait_until(lambda view: view.state.exit is not None)
        (exited,) = exits(world)
        assert (exited.code, exited.reason) == (3, "the process ended with exit code 3")
        assert exited.tail == tuple(f"line {n}" for n in range(10, 30))


async def test_last_words_are_those_of_this_run(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="stdin-echo"))
        world.engine.exit("s1", 1)
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        world.engine.exit("s1", 1)
        await world.wait(Phase.OFFLINE)
        assert [event.tail for event in exits(world)] == [("Ready",), ("Ready",)]


async def test_crash_loop_ends(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(startup_command="crash-looper", restart_policy=POLICY))
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        with trio.fail_after(1000):
            await world.member().wait_until(lambda view: view.state.run == 4 and view.state.error)
        assert world.state().phase is Phase.OFFLINE
        assert world.state().error.startswith("crash loop: ")
        await trio.sleep(1000)
        assert world.state().run == 4
        assert len(exits(world)) == 4


async def test_wait_survives_a_restart_of_the_daemon(autojump_clock):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.wait_engine()
            await world.running(a_spec(restart_policy=POLICY))
            engine.exit("s1", 7)
            await world.wait(Phase.WAITING)
        await trio.sleep(10)
        assert engine.running() == []
        async with open_daemon(journal, engine) as world:
            await world.wait(Phase.RUNNING)
            assert world.state().run == 2


async def test_crash_while_the_daemon_is_down_is_one_too(autojump_clock):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.wait_engine()
            await world.running(a_spec(restart_policy=POLICY))
        engine.exit("s1", 7)
        async with open_daemon(journal, engine) as world:
            await world.member().wait_until(lambda view: view.state.run == 2)
            await world.wait(Phase.RUNNING)
            assert [(event.code, event.expected) for event in exits(world)] == [(7, False)]


@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()])
async def test_exit_that_was_asked_for_starts_nothing(autojump_clock, command):
    async with open_world() as world:
        await world.running(a_spec(restart_policy=RestartPolicy("always")))
        await world.tell(command)
        await world.wait(Phase.OFFLINE)
        await trio.sleep(1000)
        assert world.state().run == 1


async def test_server_that_is_removed_behind_our_back_is_built_and_started_again(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(restart_policy=RestartPolicy("always")))
        world.engine.vanish("s1")
        await world.member().wait_until(lambda view: view.state.run == 2)
        await world.wait(Phase.RUNNING)
        assert world.engine.running() == ["s1"]
