"""The meter: what runs is measured, what doesn't is not, and an engine that is away is waited for."""

import itertools
from contextlib import asynccontextmanager

import trio

from actors.container import messages
from actors.container.engine import EngineUnavailable
from actors.container.state import Phase
from actors.container.stats_history import STEP
from actors.container.stats_sampler import measure
from tests.simulated.world import a_spec, open_world
from tests.support.fake_engine import engine


@asynccontextmanager
async def open_metered():
    async with open_world() as world, trio.open_nursery() as nursery:
        nursery.start_soon(measure, world.fleet, 1.0)
        yield world
        nursery.cancel_scope.cancel()


def samplings(world):
    return world.engine.calls.count(engine.Call("sample"))


async def test_running_container_is_measured_each_second(autojump_clock):
    async with open_metered() as world:
        member = await world.running()
        await trio.sleep(10.5)
        stats = member.stats.value
        assert (stats.uptime, stats.cpu_usage, stats.memory_usage) == (10, 1.0, 32 * 1024 * 1024)
        assert samplings(world) == 10


async def test_history_has_a_gap_where_the_engine_was_away_or_the_server_down(autojump_clock):
    async with open_metered() as world:
        member = await world.running()
        began = world.fleet.clock()
        await trio.sleep(30)

        async def faults(call, _moment):
            if call.name == "sample":
                raise EngineUnavailable("gone")

        world.engine.faults = faults
        await trio.sleep(60)
        world.engine.faults = engine.no_faults
        await trio.sleep(30)
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        await trio.sleep(60)
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        await trio.sleep(30)
        ats = [point.at - began for point in member.history.read(world.fleet.clock())]
        gaps = [later - at for at, later in itertools.pairwise(ats) if later - at > STEP]
        assert len(gaps) == 2
        assert all(40 <= gap <= 80 for gap in gaps)
        assert {point.pids for point in member.history.read(world.fleet.clock())} == {2}


async def test_many_containers_are_measured_by_one_call(autojump_clock):
    async with open_metered() as world:
        for n in range(10):
            await world.running(a_spec(f"s{n}"))
        before = samplings(world)
        await trio.sleep(5.5)
        assert samplings(world) - before == 5
        assert all(member.stats.value.cpu_usage == 1.0 for member in world.fleet)


async def test_meter_asks_for_nothing_while_nothing_runs(autojump_clock):
    async with open_metered() as world:
        await world.create()
        await trio.sleep(10)
        assert samplings(world) == 0


async def test_container_that_has_ended_has_no_stats(autojump_clock):
    async with open_metered() as world:
        member = await world.running()
        await trio.sleep(5)
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        assert member.stats.value is None
        await trio.sleep(5)
        assert member.stats.value is None


async def test_container_that_ends_while_it_is_measured_has_no_stats(autojump_clock):
    async with open_metered() as world:
        member = await world.running()

        async def faults(call, _moment):
            if call.name == "sample":
                await trio.sleep(0.3)

        world.engine.faults = faults
        await trio.sleep(1.4)
        await world.tell(messages.Kill())
        await world.wait(Phase.OFFLINE)
        await trio.sleep(5)
        assert member.stats.value is None


async def test_engine_that_is_away_is_asked_again(autojump_clock):
    async with open_metered() as world:
        member = await world.running()
        await trio.sleep(3)

        async def faults(call, _moment):
            if call.name == "sample":
                raise EngineUnavailable("gone")

        world.engine.faults = faults
        await trio.sleep(5)
        assert member.stats.value.uptime < 4
        world.engine.faults = engine.no_faults
        await trio.sleep(2)
        assert member.stats.value.uptime > 8
