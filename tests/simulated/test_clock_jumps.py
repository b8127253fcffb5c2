"""The clock is set by an hour while a daemon is away, or while it runs: what happened stays what it is."""

from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container import messages
from actors.container.events import Exited, Started
from actors.container.state import Phase
from tests.simulated import test_crash_anywhere as crashes
from tests.simulated.world import a_spec, open_daemon, virtual_clock
from tests.support.doubles.memory import MemoryConsoleLog, MemoryJournal
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment, no_faults

HOUR = 3600.0
NAP = 0.01


@attrs.define(eq=False)
class Clock:
    """The machine's clock, for the daemon and for the engine."""

    ahead: float = 0.0
    _time: object = attrs.field(factory=virtual_clock)

    def __call__(self):
        return self._time() + self.ahead

    def step(self, seconds, engine):
        self.ahead += seconds
        engine._opened -= seconds
        engine._last = 0.0


@asynccontextmanager
async def open_machine():
    clock = Clock()
    async with fake.open_fake_engine() as engine:
        yield clock, MemoryJournal(clock), engine


def events(journal, kind):
    return [record.event for record in journal.records if isinstance(record.event, kind)]


async def begin_a_start(journal, engine, log, command):
    """Kill the daemon in the moment in which a process was started and nobody has recorded it."""
    with trio.CancelScope() as scope:

        async def kill(call, moment):
            if (call.name, moment) == ("start", Moment.AFTER):
                scope.cancel()
            await trio.lowlevel.checkpoint()

        engine.faults = kill
        async with open_daemon(journal, engine, log) as world:
            await world.create(a_spec(startup_command=command))
            await world.wait(Phase.OFFLINE)
            await world.tell(messages.Start())
            await trio.sleep_forever()
    engine.faults = no_faults


async def test_output_of_a_start_is_read_though_the_clock_was_set_back(autojump_clock):
    log = MemoryConsoleLog()
    async with open_machine() as (clock, journal, engine):
        await begin_a_start(journal, engine, log, "echo Ready; sleep 100")
        await trio.sleep(5)
        clock.step(-HOUR, engine)
        async with open_daemon(journal, engine, log) as world:
            await world.wait(Phase.RUNNING)
            assert world.console() == ["Ready"]


async def test_start_is_had_once_though_the_clock_was_set_back(autojump_clock):
    log = MemoryConsoleLog()
    async with open_machine() as (clock, journal, engine):
        await begin_a_start(journal, engine, log, "echo Ready; exit 3")
        await trio.sleep(5)
        clock.step(-HOUR, engine)
        async with open_daemon(journal, engine, log) as world:
            await world.wait(Phase.OFFLINE)
            assert [call.name for call in engine.calls].count("start") == 1
            assert [exit_.code for exit_ in events(journal, Exited)] == [3]
            assert len(events(journal, Started)) == 1


async def tell_story(at, step):
    life = crashes.Life()
    reaper = crashes.Reaper(at)
    clock = Clock()
    journal = crashes.KilledJournal(clock, on_record=reaper.strike)
    log = MemoryConsoleLog()
    async with fake.open_fake_engine(faults=reaper.faults) as engine:
        with trio.fail_after(1000):
            while True:
                with trio.CancelScope() as reaper.scope:
                    async with open_daemon(journal, engine, log) as world:
                        await life.live(world)
                        await trio.sleep(1)
                        break
                await trio.sleep(NAP)
                clock.step(step, engine)
        assert [row.role for row in await engine.list()] == []
        return reaper.moments, [record.event for record in journal.records], life.console


@pytest.mark.parametrize("step", [-HOUR, HOUR])
async def test_daemon_killed_anywhere_with_the_clock_set_comes_to_the_same_end(autojump_clock, step):
    moments, whole, _ = await tell_story(None, 0.0)
    for at in range(len(moments)):
        _, found, console = await tell_story(at, step)
        where = f"killed at {moments[at]}, the {at}th moment"
        assert console == ["Ready"], where
        assert crashes.names(found) == crashes.names(whole), where
        assert crashes.ends(found) == crashes.ends(whole), where
