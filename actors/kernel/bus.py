"""The bus records events, then announces them: one writer, one order, no queue per subscriber.

``publish`` passes an append to the one writer task. The writer takes all pending appends, commits them as one
batch (one fsync for many events), puts the records on a tail that all subscribers share, in the order of
their positions, and only then lets the publishers continue. Nothing is announced that was not committed, and
all subscribers see the same order.

A ``Subscription`` is a cursor over that tail and the journal. A slow subscriber costs nothing: if the tail
(at most ``TAIL`` records and ``TAIL_BYTES``) no longer has its position, it reads the journal instead. It
never misses a record.

At most ``PENDING`` appends wait for the writer; beyond that ``publish`` waits.
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
"""The most bytes of events, as on disk, that the tail holds."""
PENDING = 1024
PAGE = 1000


@attrs.frozen(eq=False)
class _Pending:
    append: Append
    records: Promise[tuple[Recorded, ...]] = attrs.field(factory=Promise)


@attrs.define(eq=False)
class Bus:
    """Publishes events and lets others subscribe to them. Created by ``open_bus``."""

    _journal: Journal
    _tail: deque[Recorded] = attrs.field(factory=deque)
    _held: int = 0
    _announced: int = 0
    _wake: Wake = attrs.field(factory=Wake)
    _pending: deque[_Pending] = attrs.field(factory=deque)
    _work: Wake = attrs.field(factory=Wake)
    _room: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(PENDING))
    _closing: bool = False
    on_announce: list[Callable[[Recorded], None]] = attrs.field(factory=list)
    """Called with each record in the step in which ``head`` reaches it; must not block."""

    @property
    def head(self) -> int:
        """The position of the last record that was announced."""
        return self._announced

    async def publish(self, append: Append) -> tuple[Recorded, ...]:
        """Record ``append`` and announce it; return its records once both are done.

        Raises ``VersionConflict`` if the stream has another version, ``CorruptStream`` if an event cannot be
        encoded, ``JournalUnavailable`` if the journal cannot be written; nothing was recorded then. A
        cancelled publish can still be recorded.
        """
        pending = _Pending(append)
        async with self._room:
            if self._closing:
                msg = "the journal is being closed"
                raise JournalUnavailable(msg)
            self._pending.append(pending)
            self._work.notify()
            return await pending.records.wait()

    def subscribe(self, after: int, stream: str | None = None) -> "Subscription":
        """Return a cursor for all records after position ``after``, of one stream or of all."""
        return Subscription(self, after, stream)

    async def history(self, stream: str, after: int = 0, limit: int = PAGE) -> Sequence[Recorded]:
        """Return at most ``limit`` records of ``stream`` after version ``after``; empty at its end.

        They do not contain output of programs (see ``journal.Printed``).
        """
        return await self._journal.read_stream(stream, after, limit, printed=False)

    async def since(
        self, stream: str, position: int, limit: int = PAGE, *, printed: bool = False
    ) -> Sequence[Recorded]:
        """Return at most ``limit`` records of ``stream`` after position ``position``; empty at its end.

        With ``printed`` they contain output of programs.
        """
        return await self._journal.read_since(stream, position, limit, printed=printed)

    async def caused(self, cause: str) -> Sequence[Recorded]:
        """Return the first records with that ``cause``, oldest first."""
        return await self._journal.read_caused(cause)

    async def streams(self, prefix: str) -> Sequence[str]:
        """Return the names of the streams that start with ``prefix``."""
        return await self._journal.streams(prefix)

    async def _write(self) -> None:
        with trio.CancelScope(shield=True):  # it ends by closing, after all publishers
            while not (self._closing and not self._pending):
                if not self._pending:
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
            for callback in self.on_announce:
                callback(record)
        while self._held > TAIL_BYTES:
            self._held -= self._tail.popleft().size

    def _read_tail(self, after: int) -> list[Recorded] | None:
        """Return the records after ``after``, or None if the tail no longer has all of them."""
        if not self._tail or self._tail[0].position > after + 1:
            return None
        return list(islice(reversed(self._tail), self._announced - after))[::-1]


@attrs.define(eq=False)
class Subscription:
    """A cursor: ``position`` is that of the last record that it has returned or skipped."""

    _bus: Bus
    position: int
    _stream: str | None = None

    async def next(self) -> Sequence[Recorded]:
        """Return the next records, oldest first; wait until there is at least one."""
        while True:
            if found := await self.poll():
                return found
            await self.wait()

    async def wait(self) -> None:
        """Wait until there are new records; a checkpoint only if there are none yet."""
        if self.position >= self._bus.head:
            await self._bus._wake.wait()  # noqa: SLF001 - a cursor is a part of its bus

    async def poll(self) -> Sequence[Recorded]:
        """Return the next records that are there now: some of them, or none. Does not wait for new ones."""
        if self.position >= self._bus.head:
            return ()
        records = self._bus._read_tail(self.position)  # noqa: SLF001 - a cursor is a part of its bus
        if records is None:
            records = [
                record
                for record in await self._bus._journal.read_all(self.position, PAGE, printed=False)  # noqa: SLF001 - as above
                if record.position <= self._bus.head
            ]
            if not records:  # all of them were condensed
                self.position = self._bus.head
                return ()
        self.position = records[-1].position
        return [record for record in records if self._stream is None or record.stream == self._stream]


@asynccontextmanager
async def open_bus(journal: Journal) -> AsyncIterator[Bus]:
    """Yield a bus over ``journal``; on exit, all appends passed to ``publish`` are committed first."""
    bus = Bus(journal, announced=journal.head)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bus._write)  # noqa: SLF001 - the bus's own task, in the scope that owns it
        try:
            yield bus
        finally:
            bus._closing = True  # noqa: SLF001 - as above
            bus._work.notify()  # noqa: SLF001 - as above
