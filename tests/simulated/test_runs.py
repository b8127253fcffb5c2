"""The run that the effects of one run share: opened and ended by what is recorded, and by nothing else."""

import attrs
import pytest
import trio

from actors.container import messages
from actors.container.console.console import Console, InputClosed
from actors.container.console.runs import Runs
from actors.container.events import StartRequested
from actors.container.fleet import stream_of
from actors.container.state import Phase, State
from actors.kernel.ephemeral import Wake
from actors.kernel.journal import Append
from tests.simulated.world import a_spec, open_daemon, virtual_clock
from tests.support.doubles.memory import MemoryJournal
from tests.support.fake_engine import engine as fake

STARTING = State(Phase.STARTING, a_spec(), engine_id="a", run=2, previous=100.0)
LOADING = attrs.evolve(STARTING, phase=Phase.LOADING, started_at=200.0)
OFFLINE = attrs.evolve(LOADING, phase=Phase.OFFLINE)


async def test_run_is_opened_before_its_effects_begin_and_shared_by_them():
    runs = Runs()
    runs.follow(STARTING, replayed=False)
    run = runs.get(2, "a")
    assert runs.get(2, "a") is run
    assert (run.life, run.fresh, run.started_at, run.ended) == ("a:2", True, None, False)
    runs.follow(LOADING, replayed=False)
    assert runs.get(2, "a") is run
    assert run.up.is_set()
    assert run.started_at == 200.0


@pytest.mark.parametrize(("run", "engine_id"), [(1, "a"), (2, "before it was created again")])
async def test_present_run_is_not_replaced_by_an_effect_that_asks_for_an_earlier_one(run, engine_id):
    """A cancelled effect runs to its first checkpoint, which can be after the next run was opened."""
    runs = Runs()
    runs.follow(STARTING, replayed=False)
    present = runs.get(2, "a")
    late = runs.get(run, engine_id)
    assert late.ended
    assert not late.fresh
    assert runs.get(2, "a") is present


async def test_start_that_was_replayed_is_never_taken_for_a_new_one():
    """An edit is recorded between the replay and the first step of the start effect."""
    runs = Runs()
    runs.follow(STARTING, replayed=True)
    runs.follow(attrs.evolve(STARTING, spec=a_spec(read_only=True)), replayed=False)
    assert not runs.get(2, "a").fresh


async def test_start_is_not_new_to_the_incarnation_after_the_one_that_requested_it():
    runs = Runs()
    runs.follow(STARTING, replayed=False)
    run = runs.get(2, "a")
    assert run.fresh
    runs.follow(STARTING, replayed=True)
    assert runs.get(2, "a") is run
    assert not run.fresh


@pytest.mark.parametrize("replayed", [True, False])
async def test_run_that_was_found_running_was_not_started_by_us(replayed):
    runs = Runs()
    runs.follow(LOADING, replayed=replayed)
    run = runs.get(2, "a")
    assert not run.fresh
    assert run.up.is_set()


@pytest.mark.parametrize(
    ("after", "started_at"),
    [
        (OFFLINE, 200.0),
        (attrs.evolve(OFFLINE, engine_id=None), 200.0),  # its container is gone too
        (attrs.evolve(STARTING, run=3, previous=200.0), 200.0),
        (attrs.evolve(STARTING, run=3, previous=200.0, engine_id=None), 200.0),  # to be created again
        (attrs.evolve(STARTING, engine_id=None), None),  # it vanished before it was started
    ],
)
async def test_run_ends_with_what_is_recorded_and_knows_when_it_started(after, started_at):
    runs = Runs()
    runs.follow(LOADING, replayed=False)
    run = runs.get(2, "a")
    runs.follow(after, replayed=False)
    assert run.ended
    assert run.started_at == started_at
    assert runs.get(3, "a").fresh is (after.run == 3 and after.engine_id == "a")


async def test_end_of_a_run_is_recorded_once():
    runs = Runs()
    runs.follow(LOADING, replayed=False)
    run = runs.get(2, "a")
    runs.follow(OFFLINE, replayed=False)
    runs.follow(State(Phase.PULLING, a_spec(), run=2, previous=200.0), replayed=False)
    assert run.started_at == 200.0
    assert runs.get(2, "a") is run


async def test_command_beside_a_resumed_start_does_not_start_the_process_again(autojump_clock):
    """The daemon ended in ``STARTING``; the process that the engine had started by then has ended since."""
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.create(a_spec(startup_command="echo Ready; exit 3"))
            engine_id = (await world.wait(Phase.OFFLINE)).engine_id
        await engine.start(engine_id)
        await trio.sleep(5)
        version = journal.records[-1].version
        await journal.commit([Append(stream_of("s1"), version, (StartRequested(1),))])
        async with open_daemon(journal, engine) as world:
            await world.tell(messages.Edit(environment=(("A", "1"),)))
            assert (await world.wait(Phase.OFFLINE)).exit.code == 3
    assert [call.name for call in engine.calls].count("start") == 1


async def test_input_waits_again_in_the_run_after_one_whose_console_stayed_unattached(autojump_clock):
    console, state = Console(Wake()), LOADING
    console.runs.follow(state, replayed=False)
    with pytest.raises(InputClosed, match="is not attached"):
        await console.send(b"one\n")
    console.runs.follow(attrs.evolve(state, run=state.run + 1), replayed=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(console.send, b"two\n")
        await trio.sleep(1)
        console.open_input()
    assert (await console.next_input()).data == b"two\n"
