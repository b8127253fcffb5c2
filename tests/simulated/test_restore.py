"""A reboot or a restart of the engine: what ran is started again, in order; what was stopped stays down."""

import random
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container import events, messages
from actors.container import fleet as fleet_module
from actors.container.restore import AT_ONCE, START_TIMEOUT
from actors.container.spec import PortBinding, RestartPolicy, StopPolicy
from actors.container.state import Phase
from actors.kernel.bus import open_bus
from actors.kernel.supervisor import open_supervisor
from lightd.engines.patterns import compile_pattern
from tests.simulated.world import FullJournal, World, a_spec, open_daemon, virtual_clock
from tests.support import soak
from tests.support.doubles.memory import MemoryConsoleLog
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment

POLICIES = ("never", "on-crash", "always")


@attrs.define(eq=False)
class Gauge:
    """Counts the starts that the engine works on at a time."""

    now: int = 0
    most: int = 0

    async def faults(self, call, moment):
        await trio.lowlevel.checkpoint()
        if call.name == "start":
            self.now += 1 if moment is Moment.BEFORE else -1
            self.most = max(self.most, self.now)


def kinds(world, internal_id="s1"):
    return [type(event) for event in world.events(internal_id)]


def exits(world, internal_id="s1"):
    return [event for event in world.events(internal_id) if isinstance(event, events.Exited)]


def since(journal, position, kind):
    """The containers of which an event of ``kind`` was recorded after ``position``, in its order."""
    found = [record for record in journal.records if record.position > position]
    return [record.stream.removeprefix("container-") for record in found if isinstance(record.event, kind)]


async def quiet(world):
    """Wait until nothing is on its way any more."""
    await trio.sleep(500)
    for member in world.fleet:
        assert member.state.phase in (Phase.OFFLINE, Phase.RUNNING), member.internal_id


async def reboot(engine):
    engine.go_down(containers_too=True)
    await trio.sleep(30)
    engine.come_back()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(soak.times(20)))
async def test_reboot_of_fifty_servers_restores_those_that_ran_in_the_order_of_their_last_start(
    autojump_clock, seed
):
    dice, journal, gauge = random.Random(seed), FullJournal(virtual_clock()), Gauge()
    names = [f"s{number:02}" for number in range(50)]
    async with fake.open_fake_engine(faults=gauge.faults, latency=0.01) as engine:
        async with open_daemon(journal, engine) as world:
            await world.wait_engine()
            for name in names:
                policy = RestartPolicy(dice.choice(POLICIES))
                await world.create(
                    a_spec(name, restart_policy=policy, stop=StopPolicy("signal", "SIGTERM", 60.0))
                )
                await world.wait(Phase.OFFLINE, name)
            fates = {
                name: dice.choice(["runs"] * 3 + ["restarts", "stopped", "stopping", "crashed", "new"])
                for name in names
            }
            order = [name for name in names if fates[name] != "new"]
            dice.shuffle(order)
            for name in order:
                await world.tell(messages.Start(), name)
                await world.wait(Phase.RUNNING, name)
            again = [name for name in order if fates[name] == "restarts"]
            for name in again:
                await world.tell(messages.Restart(), name)
                await world.member(name).wait_until(
                    lambda view: view.state.run == 2 and view.state.phase is Phase.RUNNING
                )
            for name in order:
                if fates[name] == "stopped":
                    await world.tell(messages.Stop(), name)
                    await world.wait(Phase.OFFLINE, name)
                elif fates[name] == "crashed":
                    policy = RestartPolicy("never")
                    await world.tell(messages.Edit(restart_policy=policy), name)
                    engine.exit(name, 1)
                    await world.wait(Phase.OFFLINE, name)
            for name in order:
                if fates[name] == "stopping":
                    await world.tell(messages.Stop(), name)
            if dice.random() < 0.5:
                engine.go_down(containers_too=True)
                await trio.sleep(dice.choice([0.0, 0.01, 5.0]))
        position = len(journal.records)
        engine.go_down(containers_too=True)
        up_first = dice.random() < 0.5
        if up_first:
            engine.come_back()
        gauge.now = gauge.most = 0
        async with open_daemon(journal, engine) as world:
            if not up_first:
                await trio.sleep(30)
                engine.come_back()
            await quiet(world)
            wanted = [name for name in order if fates[name] == "runs"] + again
            assert engine.running() == sorted(wanted)
            assert since(journal, position, events.StartRequested) == wanted
            assert since(journal, position, events.RestartScheduled) == []
            assert gauge.most <= AT_ONCE
            recorded = [record.event for record in journal.records if record.position > position]
            assert all(event.expected for event in recorded if isinstance(event, events.Exited))


async def test_engine_that_restarts_under_the_daemon_restores_in_the_same_way(autojump_clock, caplog):
    caplog.set_level("INFO")
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine, open_daemon(journal, engine) as world:
        names = ["s3", "s1", "s2", "s6", "s5", "s4"]
        for name in names:
            await world.running(a_spec(name))
        position = len(journal.records)
        await reboot(engine)
        await quiet(world)
        assert engine.running() == sorted(names)
        assert since(journal, position, events.StartRequested) == names
        told = [record.message for record in caplog.records if "restoring" in record.message]
        assert told == [
            f"restoring {name}: it ran when the container engine or the host was shut down" for name in names
        ]
        assert not [record for record in caplog.records if "crash" in record.message]


async def test_restore_is_refused_where_the_configuration_forbids_it(autojump_clock):
    journal, allowed = FullJournal(virtual_clock()), [False]
    async with (
        fake.open_fake_engine() as engine,
        open_bus(journal) as bus,
        open_supervisor() as supervisor,
        fleet_module.open_fleet(
            bus, engine, supervisor, compile_pattern, journal.clock, MemoryConsoleLog(), lambda: allowed[0]
        ) as fleet,
    ):
        world = World(journal, engine, bus, fleet)
        await world.running(a_spec(restart_policy=RestartPolicy("always")))
        await reboot(engine)
        await quiet(world)
        assert engine.running() == []
        assert kinds(world)[-3:] == [events.Exited, events.RestoreScheduled, events.RestartCalledOff]
        assert not world.state().exit.crashed
        allowed[0] = True
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        await reboot(engine)
        await quiet(world)
        assert engine.running() == ["s1"]


NAMES = [f"s{number}" for number in range(2 * AT_ONCE)]


@asynccontextmanager
async def slow_restore(hung=()):
    """More servers are being restored than are started at a time; a start takes 20 seconds, or 1,000."""
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine, open_daemon(journal, engine) as world:
        for number, name in enumerate(NAMES):
            await world.running(a_spec(name, ports=(PortBinding("", 7000 + number, "tcp", 7000),)))

        async def slowly(call, moment):
            await trio.lowlevel.checkpoint()
            if call.name == "start" and moment is Moment.BEFORE:
                await trio.sleep(1000 if call.subject in hung else 20)

        engine.faults = slowly
        engine.go_down(containers_too=True)
        engine.come_back()
        await world.wait(Phase.STARTING, NAMES[AT_ONCE - 1])
        assert world.state(NAMES[-1]).phase is Phase.RESTORING
        yield world


@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill(), messages.Delete()])
@pytest.mark.parametrize("turn", [0, -1])
async def test_server_that_is_stopped_or_deleted_during_the_restore_stays_down(autojump_clock, command, turn):
    async with slow_restore() as world:
        await world.tell(command, NAMES[turn])
        await quiet(world)
        assert world.engine.running() == sorted(set(NAMES) - {NAMES[turn]})


async def test_server_that_a_user_starts_during_the_restore_is_started_once(autojump_clock):
    async with slow_restore() as world:
        await world.tell(messages.Start(), NAMES[-1])
        await quiet(world)
        assert world.engine.running() == NAMES
        assert world.state(NAMES[-1]).run == 2


async def test_port_that_was_taken_meanwhile_fails_one_start_and_holds_up_none(autojump_clock):
    async with slow_restore() as world:
        world.engine.bound.add((7000, "tcp"))
        await quiet(world)
        assert world.engine.running() == NAMES[1:]
        assert "7000" in world.state(NAMES[0]).error


async def test_engine_that_goes_down_again_during_the_restore_ends_nothing(autojump_clock):
    async with slow_restore() as world:
        await trio.sleep(25)
        await reboot(world.engine)
        await quiet(world)
        assert world.engine.running() == NAMES
        assert all(event.expected for name in NAMES for event in exits(world, name))


async def test_start_that_hangs_holds_up_the_others_for_a_bounded_time(autojump_clock):
    async with slow_restore(hung=NAMES[:AT_ONCE]) as world:
        await trio.sleep(START_TIMEOUT - 5)
        assert world.engine.running() == []
        await trio.sleep(30)
        assert world.engine.running() == NAMES[AT_ONCE:]


async def test_daemon_that_is_killed_during_the_restore_goes_on_with_it(autojump_clock):
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            for name in NAMES:
                await world.running(a_spec(name))
        await reboot(engine)
        for _ in NAMES:
            with trio.move_on_after(0.0003):
                async with open_daemon(journal, engine):
                    await trio.sleep_forever()
        async with open_daemon(journal, engine) as world:
            await quiet(world)
            assert engine.running() == NAMES
            for name in NAMES:
                assert kinds(world, name).count(events.RestoreScheduled) == 1
                assert world.state(name).run == 2


async def test_decision_that_can_not_be_recorded_is_made_later(autojump_clock):
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine, open_daemon(journal, engine) as world:
        await world.running()
        journal.fills_after = events.RestoreScheduled
        await reboot(engine)
        await trio.sleep(30)
        assert world.state().phase is Phase.RESTORING
        journal.full, journal.fills_after = False, None
        await world.wait(Phase.RUNNING)
        assert world.state().run == 2


async def test_actor_in_quarantine_is_passed_over(autojump_clock):
    async with slow_restore() as world:
        world.member(NAMES[-1]).handle._quarantine(ValueError("it can't be read"))
        world.member(NAMES[-1]).handle._child.quarantined = ValueError("it can't be read")
        await trio.sleep(500)
        assert world.engine.running() == NAMES[:-1]
