"""The bus: record, then announce. One writer, one order, no queue per reader.

``publish`` hands an append to the one writer task. The writer takes all that wait at once, commits them as
one batch (so a busy system pays one fsync for many events), puts the records on a tail that all readers
share, in the order of their positions, and only then lets the publishers go on. What was not committed is
never seen by anybody; what one reader sees, every reader sees in the same order.

A ``Subscription`` is a cursor over that tail and the journal behind it. A slow reader costs nothing: when
the tail (``TAIL`` records of ``TAIL_BYTES`` at most) has moved on, it reads the journal instead, and it never
misses a record.

At most ``PENDING`` appends wait for the writer; at that bound ``publish`` waits for room.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import islice

import attrs
import trio

from actors.kernel.ephemeral import Wake
from actors.kernel.journal import Append, Journal, JournalUnavailable, Recorded
from actors.kernel.promise import Promise

TAIL = 4096
TAIL_BYTES = 4 * 1024 * 1024
"""Bytes of events, as they are on disk, that the tail has at most, whatever they are: about 1 KiB each."""
PENDING = 1024
PAGE = 1000


@attrs.frozen(eq=False)
class _Pending:
    append: Append
    records: Promise[tuple[Recorded, ...]] = attrs.field(factory=Promise)


@attrs.define(eq=False)
class Bus:
    """Where events are published and followed. Made by ``open_bus``."""

    _journal: Journal
    _tail: deque[Recorded] = attrs.field(factory=deque)
    _held: int = 0
    _announced: int = 0
    _wake: Wake = attrs.field(factory=Wake)
    _pending: deque[_Pending] = attrs.field(factory=deque)
    _work: trio.Event = attrs.field(factory=trio.Event)
    _room: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(PENDING))
    _closing: bool = False
    on_announce: list[Callable[[Recorded], None]] = attrs.field(factory=list)
    """What is called with each record in the step in which ``head`` reaches it; it waits for nothing."""

    @property
    def head(self) -> int:
        """The position of the last record that was announced."""
        return self._announced

    async def publish(self, append: Append) -> tuple[Recorded, ...]:
        """Record ``append`` and announce it; return its records once both are done.

        Raises ``VersionConflict`` where the stream is at another version, ``CorruptStream`` where an
        event can't be written down, ``JournalUnavailable`` where the journal can't be written; nothing
        was recorded then. A cancelled publish may still be
        recorded.
        """
        pending = _Pending(append)
        async with self._room:
            if self._closing:
                msg = "the journal is closing"
                raise JournalUnavailable(msg)
            self._pending.append(pending)
            self._work.set()
            return await pending.records.wait()

    def subscribe(self, after: int, stream: str | None = None) -> "Subscription":
        """Return a cursor that sees every record over position ``after``, of one stream or of all."""
        return Subscription(self, after, stream)

    async def history(self, stream: str, after: int = 0, limit: int = PAGE) -> Sequence[Recorded]:
        """Return at most ``limit`` records of ``stream`` with a version over ``after``; none at its end.

        What a program printed is left out of them.
        """
        return await self._journal.read_stream(stream, after, limit, printed=False)

    async def since(
        self, stream: str, position: int, limit: int = PAGE, *, printed: bool = False
    ) -> Sequence[Recorded]:
        """Return at most ``limit`` records of ``stream`` with a position over ``position``; none at its end.

        What a program printed is in them only with ``printed``.
        """
        return await self._journal.read_since(stream, position, limit, printed=printed)

    async def caused(self, cause: str) -> Sequence[Recorded]:
        """Return the first records that ``cause`` led to, oldest first."""
        return await self._journal.read_caused(cause)

    async def streams(self, prefix: str) -> Sequence[str]:
        """Return the streams whose names start with ``prefix``."""
        return await self._journal.streams(prefix)

    async def _write(self) -> None:
        with trio.CancelScope(shield=True):  # it ends by closing, after all who publish
            while not (self._closing and not self._pending):
                if not self._pending:
                    self._work = trio.Event()
                    await self._work.wait()
                    continue
                batch = list(self._pending)
                self._pending.clear()
                await self._commit(batch)

    async def _commit(self, batch: list[_Pending]) -> None:
        try:
            outcomes = await self._journal.commit([pending.append for pending in batch])
        except JournalUnavailable as error:
            for pending in batch:
                pending.records.fail(JournalUnavailable(*error.args))
            return
        for pending, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                pending.records.fail(outcome)
            else:
                self._announce(outcome)
                pending.records.set(outcome)
        self._wake.notify()

    def _announce(self, recorded: tuple[Recorded, ...]) -> None:
        for record in recorded:
            if len(self._tail) == TAIL:
                self._held -= self._tail.popleft().size
            self._tail.append(record)
            self._held += record.size
            self._announced = record.position
            for told in self.on_announce:
                told(record)
        while self._held > TAIL_BYTES:
            self._held -= self._tail.popleft().size

    def _read_tail(self, after: int) -> list[Recorded] | None:
        """Return what the tail has over ``after``, or None where it no longer reaches back that far."""
        if not self._tail or self._tail[0].position > after + 1:
            return None
        return list(islice(reversed(self._tail), self._announced - after))[::-1]


@attrs.define(eq=False)
class Subscription:
    """A cursor: ``position`` is the last record it has looked at, read or passed over."""

    _bus: Bus
    position: int
    _stream: str | None = None

    async def next(self) -> Sequence[Recorded]:
        """Return the records that follow, oldest first, waiting until there is at least one."""
        while True:
            if found := await self.poll():
                return found
            await self.wait()

    async def wait(self) -> None:
        """Wait until there are records that it has not looked at; a checkpoint only where there are none."""
        if self.position >= self._bus.head:
            await self._bus._wake.wait()  # noqa: SLF001 - a cursor is a part of its bus

    async def poll(self) -> Sequence[Recorded]:
        """Return the records that follow and are there already, perhaps a part of them, perhaps none."""
        if self.position >= self._bus.head:
            return ()
        records = self._bus._read_tail(self.position)  # noqa: SLF001 - a cursor is a part of its bus
        if records is None:
            records = [
                record
                for record in await self._bus._journal.read_all(self.position, PAGE, printed=False)  # noqa: SLF001 - as above
                if record.position <= self._bus.head
            ]
            if not records:  # all of them were condensed into others
                self.position = self._bus.head
                return ()
        self.position = records[-1].position
        return [record for record in records if self._stream is None or record.stream == self._stream]


@asynccontextmanager
async def open_bus(journal: Journal) -> AsyncIterator[Bus]:
    """Yield a bus over ``journal``; on leaving, what was handed to ``publish`` is committed first."""
    bus = Bus(journal, announced=journal.head)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bus._write)  # noqa: SLF001 - the bus's own task, in the scope that owns it
        try:
            yield bus
        finally:
            bus._closing = True  # noqa: SLF001 - as above
            bus._work.set()  # noqa: SLF001 - as above
