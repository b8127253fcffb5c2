"""The first responses of a daemon, and after an outage: true states, and no 503 while the engine answers."""

import pytest
import trio

from actors.container import messages
from actors.container.fleet import ATTEMPT_TIMEOUT, BACKOFF, FIRST_LOOK_TIMEOUT
from actors.container.state import Phase
from tests.simulated.world import FullJournal, a_spec, open_daemon, open_world, virtual_clock
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment


@pytest.mark.parametrize("latency", [0.0, 0.01, 0.3])
async def test_states_are_verified_before_the_daemon_serves(autojump_clock, latency):
    """Some ended and some were removed or started while no daemon was there."""
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine(latency=latency) as engine:
        async with open_daemon(journal, engine) as world:
            for name in ("ended", "gone", "runs"):
                await world.running(a_spec(name))
            await world.create(a_spec("started"))
            await world.wait(Phase.OFFLINE, "started")
        engine.exit("ended", 7)
        engine.vanish("gone")
        engine._start(engine._names["started", fake.engine.Role.SERVER])
        async with open_daemon(journal, engine) as world:
            assert world.state("ended").phase is Phase.RUNNING
            await world.fleet.wait_verified()
            assert world.fleet.verified
            assert world.state("ended").phase is Phase.OFFLINE
            assert world.state("ended").exit.code == 7
            assert world.state("gone").phase is Phase.OFFLINE
            assert world.state("runs").phase is Phase.RUNNING
            assert world.state("started").traits.up


async def test_engine_that_does_not_answer_keeps_no_daemon_from_serving(autojump_clock):
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.running()
        engine.go_down()
        async with open_daemon(journal, engine) as world:
            began = trio.current_time()
            await world.fleet.wait_verified()
            assert trio.current_time() - began < 1
            assert not world.fleet.verified
            assert world.state().phase is Phase.RUNNING


async def test_engine_that_hangs_is_waited_for_a_bounded_time(autojump_clock):
    journal = FullJournal(virtual_clock())

    async def hang(call, moment):
        if call.name == "notices" and moment is Moment.BEFORE:
            await trio.sleep_forever()

    async with fake.open_fake_engine(faults=hang) as engine, open_daemon(journal, engine) as world:
        began = trio.current_time()
        await world.fleet.wait_verified()
        assert trio.current_time() - began == pytest.approx(FIRST_LOOK_TIMEOUT)
        assert not await world.fleet.reach_engine()
        assert trio.current_time() - began == pytest.approx(FIRST_LOOK_TIMEOUT + ATTEMPT_TIMEOUT)


async def test_engine_is_reached_at_once_when_it_is_back(autojump_clock):
    async with open_world() as world:
        await world.running()
        await world.tell(messages.Stop())
        world.engine.go_down()
        await trio.sleep(100)
        assert not await world.fleet.reach_engine()
        world.engine.come_back()
        began = trio.current_time()
        assert await world.fleet.reach_engine()
        assert trio.current_time() - began <= 2 * BACKOFF.first
        assert await world.fleet.reach_engine()


async def test_attempts_to_reach_an_engine_that_is_down_are_few_however_many_ask(autojump_clock):
    async with open_world() as world:
        world.engine.go_down()
        await trio.sleep(100)
        tried, began = len(world.engine.calls), trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(world.fleet.reach_engine)
        assert len(world.engine.calls) - tried == 1
        for _ in range(20):
            assert not await world.fleet.reach_engine()
        assert len(world.engine.calls) - tried <= 2 + (trio.current_time() - began) / BACKOFF.first
