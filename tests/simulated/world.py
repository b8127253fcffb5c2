"""A whole fleet in virtual time: memory journal, fake engine, real actors."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from actors.container import messages
from actors.container.console.log import ConsoleLog
from actors.container.fleet import Fleet, Member, open_fleet, stream_of
from actors.container.preparation import Preparer
from actors.container.spec import ContainerSpec
from actors.container.state import Phase, State
from actors.kernel.bus import Bus, open_bus
from actors.kernel.journal import Append, JournalUnavailable, Outcome
from actors.kernel.supervisor import open_supervisor
from lightd.engines.patterns import compile_pattern
from tests.support import builders
from tests.support.doubles.memory import MemoryConsoleLog, MemoryJournal
from tests.support.fake_engine import engine as fake

REST = frozenset({Phase.OFFLINE, Phase.RUNNING, Phase.FAILED, Phase.DELETED, Phase.ABSENT})


def a_spec(internal_id: str = "s1", startup_command: str = "stdin-echo", **changes: object) -> ContainerSpec:
    defaults = {"image": fake.RIG_IMAGE, "volume_id": "v1", "start_pattern": "Ready"}
    return builders.a_spec(internal_id, startup_command, **{**defaults, **changes})


@attrs.define(eq=False)
class FullJournal(MemoryJournal):
    """Can't be written while ``full``, which it becomes after an event of the type ``fills_after``."""

    full: bool = False
    fills_after: type | None = None

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        if self.full:
            raise JournalUnavailable("the disk is full")
        events = [event for append in batch for event in append.events]
        self.full = self.fills_after is not None and any(
            isinstance(event, self.fills_after) for event in events
        )
        return await MemoryJournal.commit(self, batch)


@attrs.define
class World:
    journal: MemoryJournal
    engine: fake.FakeEngine
    bus: Bus
    fleet: Fleet

    def member(self, internal_id: str = "s1") -> Member:
        found = self.fleet.get(internal_id)
        assert found is not None
        return found

    def state(self, internal_id: str = "s1") -> State:
        return self.member(internal_id).state

    async def create(self, spec: ContainerSpec | None = None) -> Member:
        spec = spec or a_spec()
        await self.fleet.create(spec)
        return self.member(spec.internal_id)

    async def tell(self, command: messages.Message, internal_id: str = "s1") -> None:
        await self.member(internal_id).handle.ref.ask(command)

    async def wait(self, phase: Phase, internal_id: str = "s1") -> State:
        with trio.fail_after(10_000):
            view = await self.member(internal_id).wait_until(lambda view: view.state.phase is phase)
        return view.state

    async def deleted(self, internal_id):
        """Create and delete a container: what the engine has of it from then on is a leftover."""
        await self.create(a_spec(internal_id))
        await self.wait(Phase.OFFLINE, internal_id)
        await self.tell(messages.Delete(), internal_id)
        await self.wait_gone(internal_id)

    async def wait_gone(self, internal_id: str = "s1") -> None:
        with trio.fail_after(10_000):
            while (member := self.fleet.get(internal_id)) is not None:
                await member.wake.wait()

    async def wait_engine(self) -> None:
        with trio.fail_after(10_000):
            while not self.fleet.engine_up.value:
                await self.fleet.engine_up.wake.wait()

    async def running(self, spec: ContainerSpec | None = None) -> Member:
        member = await self.create(spec)
        await self.wait(Phase.OFFLINE, member.internal_id)
        await member.handle.ref.ask(messages.Start())
        await self.wait(Phase.RUNNING, member.internal_id)
        return member

    def events(self, internal_id: str = "s1") -> list[object]:
        return [record.event for record in self.journal.records if record.stream == stream_of(internal_id)]

    def names(self, internal_id: str = "s1") -> list[str]:
        return [type(event).__name__ for event in self.events(internal_id)]

    def console(self, internal_id: str = "s1") -> list[str]:
        return list(self.member(internal_id).console.lines.tail(1000).items)


READING = 0.0001
"""How much later than the engine prints a line the daemon's clock sees it."""


def virtual_clock():
    begun = trio.current_time() - READING
    return lambda: fake.EPOCH + trio.current_time() - begun


@asynccontextmanager
async def open_daemon(
    journal: MemoryJournal,
    engine: fake.FakeEngine,
    log: ConsoleLog | None = None,
    preparer: Preparer | None = None,
) -> AsyncIterator[World]:
    """One life of the daemon; leaving it is what ``kill -9`` leaves behind: the journal and the engine.

    And the log of the consoles, where there is one; ``kill -9`` would leave out its last entries.
    """
    async with (
        open_bus(journal) as bus,
        open_supervisor() as supervisor,
        open_fleet(
            bus,
            engine,
            supervisor,
            compile_pattern,
            journal.clock,
            log or MemoryConsoleLog(),
            preparer=preparer,
        ) as fleet,
    ):
        yield World(journal, engine, bus, fleet)


@asynccontextmanager
async def open_world(preparer: Preparer | None = None, **engine_settings: object) -> AsyncIterator[World]:
    journal = MemoryJournal(virtual_clock())
    async with (
        fake.open_fake_engine(**engine_settings) as engine,
        open_daemon(journal, engine, preparer=preparer) as world,
    ):
        await world.wait_engine()
        yield world
