"""The fleet: one supervised actor for each container, and the directory of all of them.

A restart consists of replay and reconciliation. At the start every stream is replayed. Whenever the engine
becomes reachable, and once a minute, its list of containers is compared with the directory, and each actor
gets an observation of its container; the deciders turn differences into ordinary events. In between, the
engine's notices say which containers to inspect; a notice itself is never taken as a fact.

A container that no actor has a use for is removed from the engine if this daemon's journal says that it is a
leftover: of a container that was deleted, or of an installation that has ended. What the journal does not
know is logged and left alone: the journal may be lost or older, or another daemon may own the container. Only
an installer of this daemon's lost journal is removed: it is root in a volume, and nothing waits for its end.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import trio

from actors.container import messages
from actors.container.console.console import Console, Matcher
from actors.container.console.log import ConsoleLog
from actors.container.console.log_writer import LogWriter
from actors.container.decider import DECIDER
from actors.container.endings import Endings, note_endings
from actors.container.engine import (
    Engine,
    EngineFault,
    EngineRefused,
    EngineUnavailable,
    Listed,
    Notice,
    Role,
    Snapshot,
)
from actors.container.performer import DRAIN_TIMEOUT, Performer
from actors.container.preparation import NothingToPrepare, Preparer
from actors.container.restore import restore as restore_interrupted
from actors.container.spec import ContainerSpec
from actors.container.state import Phase, Stage, State
from actors.container.stats import Stats
from actors.container.stats_history import StatsHistory
from actors.kernel.actor import View
from actors.kernel.backoff import Backoff
from actors.kernel.bus import Bus
from actors.kernel.ephemeral import Latest, Wake
from actors.kernel.handle import Handle, start_actor
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded, Receipt
from actors.kernel.promise import Promise
from actors.kernel.supervisor import Supervisor

logger = logging.getLogger(__name__)

PREFIX = "container-"
RECONCILE_EVERY = 60.0
BACKOFF = Backoff(0.1, 5.0)
INSPECTIONS = 8
INSPECTION_TIMEOUT = 2.0
FIRST_LOOK_TIMEOUT = 5.0
"""Seconds that the start of the daemon waits for what the engine reports of its containers."""
ATTEMPT_TIMEOUT = 3.0
"""Seconds that a caller waits for an attempt to connect to the engine."""


def stream_of(internal_id: str) -> str:
    """Return the name of the stream that holds the events of a container."""
    return PREFIX + internal_id


def internal_id_of(stream: str) -> str | None:
    """Return the container whose events ``stream`` holds, None where it holds something else."""
    return stream.removeprefix(PREFIX) if stream.startswith(PREFIX) else None


@attrs.define(eq=False)
class Member:
    """One container of the fleet. ``wake`` is notified when anything that a viewer sees has changed."""

    internal_id: str
    handle: Handle[State, messages.Message]
    console: Console
    stats: Latest[Stats | None]
    wake: Wake
    history: StatsHistory = attrs.field(factory=StatsHistory)

    @property
    def view(self) -> View[State]:
        """The last view that the actor published."""
        return self.handle.view

    @property
    def state(self) -> State:
        """The container's state."""
        return self.handle.view.state

    async def wait_until(self, condition: Callable[[View[State]], bool]) -> View[State]:
        """Wait until the view meets ``condition``, and return it."""
        while not condition(self.view):
            await self.wake.wait()
        return self.view


@attrs.define(eq=False)
class Fleet:
    """Every container of this node. Made by ``open_fleet``."""

    bus: Bus
    engine: Engine
    compile_pattern: Callable[[str | None, tuple[str, ...]], Matcher]
    clock: Callable[[], float]
    _supervisor: Supervisor
    _nursery: trio.Nursery
    _log_writer: LogWriter
    _preparer: Preparer
    engine_up: Latest[bool] = attrs.field(factory=lambda: Latest(value=False))
    _members: dict[str, Member] = attrs.field(factory=dict)
    endings: Endings = attrs.field(factory=dict)
    reconciled: Wake = attrs.field(factory=Wake)
    _connected: bool = False
    _attempts: int = 0
    _reports: int = 0
    _sought: trio.Event = attrs.field(factory=trio.Event)
    _left_alone: set[str] = attrs.field(factory=set)
    _inspections: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(INSPECTIONS))

    def get(self, internal_id: str) -> Member | None:
        """Return the container, None if it does not exist."""
        member = self._members.get(internal_id)
        return member if member is not None and _exists(member) else None

    def name_of(self, internal_id: str) -> str:
        """Return the display name of a container, empty if it has none or does not exist."""
        member = self.get(internal_id)
        spec = None if member is None else member.state.spec
        return "" if spec is None else spec.display_name

    def __iter__(self) -> Iterator[Member]:
        """Iterate over all containers, oldest first."""
        return iter([member for member in self._members.values() if _exists(member)])

    @property
    def verified(self) -> bool:
        """True if the engine answers and every actor knows what it reported since the connection was opened.

        ``reconciled`` is notified whenever this becomes true, and when a container is to be restored.
        """
        return self._connected and not self._reports

    async def wait_verified(self) -> None:
        """Wait until the states are those of the engine, or the engine has been found not to answer.

        That takes ``FIRST_LOOK_TIMEOUT`` seconds at most.
        """
        with trio.move_on_after(FIRST_LOOK_TIMEOUT):
            while not self.verified and not (self._attempts and not self.engine_up.value):
                await self.reconciled.wait()

    async def reach_engine(self) -> bool:
        """Return whether the engine answers; where it did not, connect at once and wait for the result.

        That takes ``ATTEMPT_TIMEOUT`` seconds at most.
        """
        attempts = self._attempts
        with trio.move_on_after(ATTEMPT_TIMEOUT):
            while not self.engine_up.value and self._attempts == attempts:
                self._sought.set()
                await self.reconciled.wait()
        return self.engine_up.value

    async def create(self, spec: ContainerSpec, cause: str | None = None) -> Receipt:
        """Begin the installation of a new container; raises the errors of ``Ref.ask``.

        Raises ``Rejection`` (``already_exists``) if the id is in use.
        """
        if spec.internal_id not in self._members:
            self._log_writer.discard_old(spec.internal_id)
        receipt, _ = await self._begin(spec.internal_id, messages.Create(spec), cause)
        return receipt

    async def adopt(self, command: messages.Adopt, cause: str | None = None) -> Receipt:
        """Take over a container of a lost journal, and inspect it; raises as ``create``."""
        receipt, member = await self._begin(command.spec.internal_id, command, cause)
        with suppress(EngineUnavailable):  # its end between the snapshot and the record had no addressee
            await self._inspect_bounded(member, command.snapshot.engine_id)
        return receipt

    async def _begin(
        self, internal_id: str, command: messages.Create | messages.Adopt, cause: str | None
    ) -> tuple[Receipt, Member]:
        """Send the first command of a container to its actor, which is registered if it is missing."""
        member = self._members.get(internal_id) or self._register(internal_id)
        try:
            return await member.handle.ref.ask(command, cause), member
        except Exception:  # a cancelled one may still be decided
            if not _exists(member):
                self._unregister(member)
            raise

    def _register(self, internal_id: str) -> Member:
        wake = Wake()
        console = Console(wake, internal_id, self._log_writer, self._log_writer.turns)
        changing = trio.Lock()
        performer = Performer(
            internal_id, self.engine, console, changing, self.compile_pattern, self.clock, self._preparer
        )
        replayed = True

        def new_perform() -> Performer:
            nonlocal replayed
            replayed = True  # the first state that this incarnation shows
            return performer

        def show(view: View[State]) -> None:
            nonlocal replayed
            console.runs.follow(view.state, replayed=replayed)
            replayed = False
            console.mark(view.position)
            if view.state.ended:
                self.endings[internal_id] = view.state.ended
            if not view.state.traits.up:
                member.stats.set(None)
            if view.state.phase is Phase.RESTORING:
                self.reconciled.notify()
            if view.state.phase is Phase.DELETED and member.handle.settled.is_set():
                self._log_writer.discard(console)
                self._unregister(member)
            wake.notify()

        handle = start_actor(self._supervisor, self.bus, stream_of(internal_id), DECIDER, new_perform, show)
        member = Member(internal_id, handle, console, Latest(None, wake), wake)
        self._members[internal_id] = member
        return member

    def _unregister(self, member: Member) -> None:
        if self._members.get(member.internal_id) is member:
            del self._members[member.internal_id]
        member.handle.end()

    async def _start_all(self) -> None:
        """Start an actor for every stream, and wait until each has replayed."""
        note_endings(self.bus, self.endings)
        streams = await self.bus.streams(PREFIX)
        members = [self._register(stream.removeprefix(PREFIX)) for stream in streams]
        for member in members:
            await member.handle.settled.wait()
            if not _exists(member):
                self._unregister(member)
        await self._log_writer.sweep(self._members)

    # What the engine says

    async def _follow_engine(self) -> None:
        """Follow the notices until cancelled; a connection that can be opened again at once is no outage."""
        failures = 0
        while True:
            opened = False
            try:
                async with self.engine.notices() as notices:
                    await self.reconcile()
                    logger.info("the container engine answers")
                    self.engine_up.set(value=True)
                    failures, opened = 0, True
                    self._connected = True
                    self._end_attempt()
                    async for notice in notices:
                        self._nursery.start_soon(self._look, notice)
            except EngineUnavailable as outage:
                if opened:
                    logger.warning(
                        "the connection to the container engine was lost and is opened again: %s", outage
                    )
                else:
                    if self.engine_up.value or not failures:
                        logger.warning("the container engine does not answer: %s", outage)
                    self.engine_up.set(value=False)
                    self._end_attempt()
            finally:
                self._connected = False
            failures += 1
            await self._pause(BACKOFF.delay(failures))

    def _end_attempt(self) -> None:
        self._attempts += 1
        self.reconciled.notify()

    async def _pause(self, seconds: float) -> None:
        """Wait before the next attempt to connect: only ``BACKOFF.first`` seconds once it is sought."""
        self._sought = trio.Event()
        await trio.sleep(BACKOFF.first)
        with trio.move_on_after(seconds - BACKOFF.first):
            await self._sought.wait()

    async def _reconcile_regularly(self) -> None:
        while True:
            await trio.sleep(RECONCILE_EVERY)
            if self.engine_up.value:
                try:
                    await self.reconcile()
                except EngineUnavailable as outage:
                    logger.warning("the container engine could not be listed: %s", outage)

    async def reconcile(self) -> None:
        """Report to every actor what the engine has of its container, and remove orphans.

        Raises ``EngineUnavailable``.
        """
        before = {member.internal_id: member.state.engine_id for member in self}
        rows = await self.engine.list()
        listed = {row.engine_id for row in rows}
        outages: list[EngineUnavailable] = []
        async with trio.open_nursery() as nursery:
            for row in rows:
                nursery.start_soon(self._reconcile_one, row, outages)
        for internal_id, engine_id in before.items():
            member = self._members.get(internal_id)
            if engine_id is not None and engine_id not in listed and member is not None:
                self._report(member, engine_id, None)
        for outage in outages:
            raise outage

    async def _reconcile_one(self, row: Listed, outages: list[EngineUnavailable]) -> None:
        member = self.get(row.internal_id)
        if member is not None and member.handle.quarantined:
            return
        unknown = member is None and (not row.ours or row.internal_id not in self.endings)
        doubtful = member is not None and not row.ours and _is_unused(row, member.state)
        if (unknown or doubtful) and not row.leftover:
            self._leave_alone(row)
            return
        try:
            if row.leftover or member is None or _is_unused(row, member.state):
                await self._remove_orphan(row)
            elif row.running or member.state.traits.up:
                await self._inspect_bounded(member, row.engine_id)
        except EngineFault as fault:
            logger.warning("the container engine failed for container %s: %s", row.internal_id, fault)
        except EngineUnavailable as outage:
            outages.append(outage)

    def _leave_alone(self, row: Listed) -> None:
        """Log, once for each, a container that carries this daemon's name and is not in its journal."""
        if row.engine_id in self._left_alone:
            return
        self._left_alone.add(row.engine_id)
        logger.warning(
            "%s of %s (%s) is in the engine, but not in the journal: it is left alone (see `lightd orphans`)",
            row.role.value,
            row.internal_id,
            "running" if row.running else "stopped",
        )

    async def _remove_orphan(self, row: Listed) -> None:
        async with self._inspections:
            member = self.get(row.internal_id)
            if not row.leftover and member is not None and not _is_unused(row, member.state):
                return  # it is needed by now
            try:
                await self.engine.remove_orphan(row.engine_id)
            except (EngineRefused, EngineFault) as refusal:
                logger.warning(
                    "an orphan of %s could not be removed, this is retried: %s", row.internal_id, refusal
                )
            else:
                logger.info("removed an orphan of %s", row.internal_id)

    async def _look(self, notice: Notice) -> None:
        """Inspect the container that a notice is about."""
        member = self.get(notice.internal_id)
        if member is None or member.state.engine_id != notice.engine_id or notice.role is not Role.SERVER:
            return
        if notice.action == "start" and member.state.stage is not Stage.DOWN:
            return
        run = member.console.runs.going_on
        if notice.action == "die" and run is not None and run.followed:
            with trio.move_on_after(DRAIN_TIMEOUT):  # its follower reports the end
                await member.wait_until(lambda _: member.console.runs.going_on is not run)
                return
        try:
            await self._inspect_bounded(member, notice.engine_id)
        except EngineUnavailable:
            return

    async def _inspect_bounded(self, member: Member, engine_id: str) -> None:
        """Inspect a container and report it, holding up others for ``INSPECTION_TIMEOUT`` seconds at most.

        Raises ``EngineUnavailable``, but not for a late answer.
        """
        look: Promise[None] = Promise()
        async with self._inspections:
            self._nursery.start_soon(self._inspect, member, engine_id, look)
            with trio.move_on_after(INSPECTION_TIMEOUT):
                await look.wait()
        if not look.settled:
            logger.warning("the container engine is slow to answer about %s", member.internal_id)

    async def _inspect(self, member: Member, engine_id: str, look: Promise[None]) -> None:
        try:
            self._report(member, engine_id, await self.engine.inspect(engine_id))
        except EngineUnavailable as outage:
            look.fail(outage)
        else:
            look.set(None)

    def _report(self, member: Member, engine_id: str, snapshot: Snapshot | None) -> None:
        """Report what was seen, in the background; an end is reported once the console was read."""
        self._reports += 1
        self._nursery.start_soon(self._deliver, member, engine_id, snapshot)

    async def _deliver(self, member: Member, engine_id: str, snapshot: Snapshot | None) -> None:
        seen = messages.AbsenceReported(engine_id) if snapshot is None else messages.Inspected(snapshot)
        ours = member.state.engine_id == engine_id and member.state.traits.in_run
        if ours and (snapshot is None or not snapshot.running):
            run = member.console.runs.get(member.state.run, engine_id)
            with trio.move_on_after(DRAIN_TIMEOUT):
                await run.drained.wait()
            seen = attrs.evolve(seen, tail=member.console.tail_of(run.life))
        with suppress(ActorGone, Overloaded, JournalUnavailable):  # the next reconciliation reports it again
            await member.handle.ref.ask(seen)
        self._reports -= 1
        if self.verified:
            self.reconciled.notify()


def _exists(member: Member) -> bool:
    return member.state.stage is not Stage.GONE or member.handle.quarantined


def _is_unused(row: Listed, state: State) -> bool:
    """Return true if the container of the engine is not needed in this state or a later one."""
    if row.role is Role.INSTALLER:
        return state.stage not in (Stage.INSTALLING, Stage.CHANGING, Stage.DELETING)
    # The list may be older than the state: what was a candidate then may be the server now.
    return row.role is Role.CANDIDATE and state.change is None and row.engine_id != state.engine_id


@asynccontextmanager
async def open_fleet(
    bus: Bus,
    engine: Engine,
    supervisor: Supervisor,
    compile_pattern: Callable[[str | None, tuple[str, ...]], Matcher],
    clock: Callable[[], float],
    log: ConsoleLog,
    restore: Callable[[], bool] = lambda: True,
    preparer: Preparer | None = None,
) -> AsyncIterator[Fleet]:
    """Yield the fleet once every actor has replayed, whether or not the engine can be reached.

    The consoles are copied to ``log``. ``restore`` says whether processes that ended with the engine or the
    host are started again. ``preparer`` prepares the volumes of servers before each start.
    """
    log_writer = LogWriter(log, clock)
    prepares = NothingToPrepare() if preparer is None else preparer
    async with trio.open_nursery() as nursery:
        fleet = Fleet(bus, engine, compile_pattern, clock, supervisor, nursery, log_writer, prepares)
        await fleet._start_all()  # noqa: SLF001 - its own tasks, in the scope that owns them
        for task in (fleet._follow_engine, fleet._reconcile_regularly, log_writer.run):  # noqa: SLF001 - as above
            nursery.start_soon(partial(task))
        nursery.start_soon(restore_interrupted, fleet, restore)
        try:
            yield fleet
        finally:
            nursery.cancel_scope.cancel()
            await log_writer.flush_at_shutdown()
