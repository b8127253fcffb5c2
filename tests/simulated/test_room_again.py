"""The disk fills up at every moment of a run, and has room again without a restart: all is told, once.

What else goes wrong meanwhile: the log of the consoles is full too, the engine is down, its events are lost.
Whatever the program does in that time, the journal has each of its lives and the console each of its lines.
"""

import math
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container import messages
from actors.container.console.console import Console
from actors.container.console.follower import Follower
from actors.container.console.runs import LiveRun
from actors.container.effects import WatchConsole
from actors.container.events import Exited, Installed, Started
from actors.container.operations import Status
from actors.container.spec import RestartPolicy
from actors.container.state import Phase
from actors.kernel.ephemeral import Wake
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Mailbox, Ref
from lightd.api.operations import Operations
from lightd.engines.patterns import compile_pattern
from tests.simulated.world import a_spec, open_daemon, virtual_clock
from tests.support.doubles.memory import MemoryConsoleLog, MemoryJournal
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.container import FakeContainer

PROGRAMS = {
    "exits": "sleep 1; echo Ready; sleep 3; echo bye",
    "crashes": "sleep 1; echo Ready; sleep 2; echo oops; exit 3",
    "runs out of memory": "memory-hog",
    "is never ready": "echo well; sleep 4; echo no; exit 4",
    "ends at once": "echo Ready; exit 5",
    "floods": "flood 20000 4000",
}


@attrs.define(eq=False)
class Trouble:
    """What goes wrong, from when the journal has taken ``left`` commits on, for ``seconds``."""

    left: float
    seconds: float
    beside: str = ""
    engine: fake.FakeEngine | None = None
    until: float | None = None
    begun: trio.Event = attrs.field(factory=trio.Event)

    @property
    def on(self):
        return self.until is not None and trio.current_time() < self.until

    def begin(self):
        self.until = trio.current_time() + self.seconds
        self.begun.set()

    async def reign(self):
        await self.begun.wait()
        await trio.sleep(0.01)
        if self.beside == "the engine is down":
            self.engine.go_down()
        await trio.sleep_until(self.until)
        self.engine.come_back()


@attrs.define(eq=False)
class FillingJournal(MemoryJournal):
    trouble: Trouble | None = None

    async def commit(self, batch):
        if self.trouble.left <= 0 and self.trouble.until is None:
            self.trouble.begin()
        if self.trouble.on:
            raise JournalUnavailable("the disk is full")
        self.trouble.left -= 1
        return await MemoryJournal.commit(self, batch)


@attrs.define(eq=False)
class FillingLog(MemoryConsoleLog):
    trouble: Trouble | None = None

    async def append(self, entries):
        if self.trouble.on and self.trouble.beside == "the log is full":
            return {entry.internal_id: "No space left on device" for entry in entries}
        return await MemoryConsoleLog.append(self, entries)


@attrs.define(eq=False)
class Truth:
    """What the programs really did."""

    lives: list = attrs.field(factory=list)
    printed: list = attrs.field(factory=list)


@pytest.fixture
def truth(monkeypatch):
    truth, end, emit = Truth(), fake.FakeEngine._end, FakeContainer.emit

    def note_end(engine, container, process, code):
        if container.process is process:
            truth.lives.append((container.started_at, code, process.out_of_memory))
        end(engine, container, process, code)

    def note_print(container, at, data):
        truth.printed += data.decode().splitlines()
        emit(container, at, data)

    monkeypatch.setattr(fake.FakeEngine, "_end", note_end)
    monkeypatch.setattr(FakeContainer, "emit", note_print)
    return truth


@asynccontextmanager
async def open_troubled(trouble, monkeypatch):
    tell = fake.FakeEngine._tell

    def tell_perhaps(engine, action, container):
        if not (trouble.on and trouble.beside == "events are lost"):
            tell(engine, action, container)

    with monkeypatch.context() as patched:
        patched.setattr(fake.FakeEngine, "_tell", tell_perhaps)
        journal = FillingJournal(virtual_clock(), trouble=trouble)
        log = FillingLog(bound=100_000, trouble=trouble)
        async with fake.open_fake_engine() as trouble.engine, trio.open_nursery() as nursery:
            nursery.start_soon(trouble.reign)
            async with open_daemon(journal, trouble.engine, log) as world:
                yield world
            nursery.cancel_scope.cancel()


async def insist(ask, done):
    while not done():
        try:
            await ask()
        except (JournalUnavailable, ActorGone):
            await trio.sleep(0.5)


async def live(world, spec):
    await insist(lambda: world.fleet.create(spec, "create-1"), lambda: world.fleet.get("s1"))
    await world.wait(Phase.OFFLINE)
    start = world.member().handle.ref
    await insist(lambda: start.ask(messages.Start(), "start-1"), lambda: world.state().run)
    await world.member().wait_until(
        lambda view: view.state.phase is Phase.OFFLINE and view.state.exit is not None
    )
    await trio.sleep(20)


async def tell_story(command, trouble, truth, monkeypatch):
    """Live through ``trouble``; check that all was told once, and return whether there was any trouble."""
    truth.lives.clear()
    truth.printed.clear()
    spec = a_spec(startup_command=command, restart_policy=RestartPolicy("on-crash", 2, 3600))
    async with open_troubled(trouble, monkeypatch) as world:
        with trio.fail_after(5000):
            await live(world, spec)
        events, asked = world.events(), Operations(world.bus, world.fleet, world.journal.clock, None)
        where = f"full after {len(events) if trouble.until else math.inf} events"
        ends = [event for event in events if isinstance(event, Exited)]
        assert [(event.started_at, event.code, event.oom_killed) for event in ends] == truth.lives, where
        starts = [event.started_at for event in events if isinstance(event, Started)]
        assert starts == [started_at for started_at, _, _ in truth.lives], where
        assert len([event for event in events if isinstance(event, Installed)]) == 1, where
        ends = [(await asked.find(name)).status for name in ("create-1", "start-1")]
        assert ends[0] is Status.SUCCEEDED, where
        assert ends[1] is not Status.PENDING, where
        kept = await world.member().console.end(100_000)
        assert [line.number for line in kept] == list(range(1, len(truth.printed) + 1)), where
        assert [line.text for line in kept] == truth.printed, where
        return trouble.until is not None


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("beside", "seconds"),
    [("", 30.0), ("the log is full", 100.0), ("the engine is down", 100.0), ("events are lost", 100.0)],
)
async def test_all_is_told_once_there_is_room(autojump_clock, truth, monkeypatch, program, beside, seconds):
    room, troubled = 0, True
    while troubled:
        trouble = Trouble(room, seconds, beside)
        troubled = await tell_story(PROGRAMS[program], trouble, truth, monkeypatch)
        room += 1
    assert room > 5


async def test_last_lines_of_a_crash_in_an_outage_are_read_though_the_end_is_told_first(
    autojump_clock, truth, monkeypatch
):
    """The watch waits for ten seconds between its attempts, the fleet for five."""
    for seconds in range(10, 31, 3):
        async with open_troubled(Trouble(math.inf, 0.0), monkeypatch) as world:
            await world.running(a_spec(startup_command="echo Ready; sleep 8; echo oops; exit 3"))
            world.engine.go_down()
            await trio.sleep(seconds)
            world.engine.come_back()
            await world.wait(Phase.OFFLINE)
            await trio.sleep(3)
            assert world.console() == ["Ready", "oops"], f"down for {seconds} seconds"


async def test_late_output_is_never_put_behind_the_next_runs(autojump_clock):
    async with fake.open_fake_engine() as engine, trio.open_nursery() as nursery:
        console, effect = Console(Wake()), WatchConsole(1, "gone", None, None, awaited=False)
        run = LiveRun(1, "gone", started_at=1.0, ended=True)
        watch = Follower(engine, console, effect, run, compile_pattern, trio.current_time)
        async with console.reading:
            nursery.start_soon(watch.run, Ref(Mailbox()))
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            console.begin("the next one")
    assert engine.calls == []
