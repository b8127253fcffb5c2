"""The console of a server that was created from an egg gives hints: each once in a run, with what to do."""

import trio

from actors.container import events, messages
from actors.container.hints import HINTS
from actors.container.spec import EggUse
from actors.container.state import Phase
from tests.simulated.world import a_spec, open_world

EGG = EggUse("game", "0123456789ab")
EULA, THREADS = HINTS["eula"].texts[0], HINTS["pid_limit"].texts[1]


def given(world):
    return [(each.run, each.hint) for each in world.events() if isinstance(each, events.HintGiven)]


async def ended(world, command, egg=EGG):
    await world.create(a_spec(startup_command=command, start_pattern=None, egg=egg))
    await world.wait(Phase.OFFLINE)
    await world.tell(messages.Start())
    await world.member().wait_until(lambda view: view.state.exit is not None)


async def test_hint_says_what_to_do_and_comes_before_the_exit(autojump_clock):
    async with open_world() as world:
        await ended(world, f"echo {EULA}")
        (hint,) = [each for each in world.events() if isinstance(each, events.HintGiven)]
        assert hint == events.HintGiven(1, "eula", HINTS["eula"].advice)
        assert world.names().index("HintGiven") < world.names().index("Exited")


async def test_hint_is_given_once_in_a_run_and_again_in_the_next(autojump_clock):
    command = f"echo Ready; echo {EULA}; echo {EULA}; echo {THREADS}; sleep 1; echo {EULA}; stdin-echo"
    async with open_world() as world:
        await world.running(a_spec(startup_command=command, egg=EGG))
        await trio.sleep(2)
        assert given(world) == [(1, "eula"), (1, "pid_limit")]
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        await trio.sleep(2)
        assert given(world) == [(1, "eula"), (1, "pid_limit"), (2, "eula"), (2, "pid_limit")]


async def test_hints_are_no_longer_looked_for_when_all_were_given(autojump_clock):
    command = "; ".join(["echo Ready", *(f"echo {hint.texts[0]}" for hint in HINTS.values()), "stdin-echo"])
    async with open_world() as world:
        await world.running(a_spec(startup_command=command, egg=EGG))
        await trio.sleep(1)
        assert [hint for _, hint in given(world)] == [*HINTS]
        await world.member().console.send(f"{EULA}\n".encode())
        await trio.sleep(1)
        assert len(given(world)) == len(HINTS)


async def test_server_without_an_egg_gives_no_hints(autojump_clock):
    async with open_world() as world:
        await ended(world, f"echo {EULA}", egg=None)
        assert given(world) == []


async def test_hint_of_another_run_is_ignored(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(egg=EGG))
        await world.tell(messages.HintReported(7, "eula"))
        await world.tell(messages.HintReported(1, "eula"))
        assert given(world) == [(1, "eula")]
