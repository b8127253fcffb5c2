"""What is recorded, and the Protocol of the place that keeps it.

A journal is a list of records in one global order (``position``, from 1), cut into streams that each have an
order of their own (``version``, from 1). There are no gaps, except before a record that is ``Condensed``,
which stands for all of its stream before it. It has one writer, the bus, which hands it a batch of appends at
a time: a batch is one commit, an append in it is whole or not there at all.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol

import attrs

PAGE_BYTES = 1024 * 1024
"""So many bytes of events end a page. One event has at most about as many: an environment is up to 1 MiB."""


class JournalUnavailable(Exception):  # noqa: N818 - a fault of the world, named like its siblings
    """The journal can't be written or read now (the disk is full, the file is gone); nothing was recorded."""


class VersionConflict(Exception):  # noqa: N818 - names what happened; it is a crash of the writer, not an answer
    """An append expected another version than the stream has: two writers own one stream."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"stream {stream} is at version {actual}, the append expected {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class CorruptStream(Exception):  # noqa: N818 - names our own fault
    """An event can't be written down or read back: unknown kind, broken bytes, or a gap in its stream."""


@attrs.frozen
class Printed:
    """An event that carries output of a program, which most readers have no use for.

    No Protocol: each record that is read is asked whether it is one, and that takes 30 µs with those.
    """

    def unprinted(self) -> object:
        """Return the same event without the output."""


@attrs.frozen
class Condensed:
    """The state that a stream's records up to this one add up to, in their place.

    ``created_at`` is when the first of them was recorded. A subclass for each stream holds the state.
    """

    created_at: float

    def to_state(self) -> object:
        """Return the state."""


@attrs.frozen
class Recorded:
    """One event as it was recorded. ``at`` is Unix seconds, ``cause`` the operation id that led to it.

    ``size`` is how many bytes the event takes on disk, 0 where it was never written to one.
    """

    position: int
    stream: str
    version: int
    at: float
    event: object
    cause: str | None = None
    size: int = attrs.field(default=0, eq=False)


@attrs.frozen
class Append:
    """Events for one stream that is expected to be at version ``after``; all are recorded, or none."""

    stream: str
    after: int
    events: tuple[object, ...]
    cause: str | None = None


Outcome = tuple[Recorded, ...] | VersionConflict | CorruptStream


class Journal(Protocol):
    """Where events are kept. ``check_journal`` in ``tests/contracts`` is the contract in full."""

    @property
    def head(self) -> int:
        """The position of the last record, 0 when there is none."""

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        """Record a batch durably, in one commit; the answer has one entry for each append, in order.

        An append whose stream is at another version is answered with its ``VersionConflict``, one that
        can't be written down with ``CorruptStream``; both leave the others alone. Appends earlier in the
        batch count. Once this returns, the records survive a
        power loss. Raises ``JournalUnavailable`` where nothing of the batch was recorded. Called by one
        task at a time; a cancellation takes effect only after the commit has ended.
        """

    # A page ends with the record that makes it ``PAGE_BYTES``, so it may be shorter than ``limit``: see
    # ``is_last``. Without ``printed`` each event comes without the output that it carries (see ``Printed``).

    async def read_stream(
        self, stream: str, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return at most ``limit`` records of ``stream`` with a version over ``after``, oldest first."""

    async def read_since(
        self, stream: str, position: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return at most ``limit`` records of ``stream`` with a position over ``position``, oldest first."""

    async def read_all(
        self, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return at most ``limit`` records of all streams with a position over ``after``, oldest first."""

    async def read_caused(self, cause: str) -> Sequence[Recorded]:
        """Return the first records, at most 100, that ``cause`` led to, oldest first."""

    async def streams(self, prefix: str) -> Sequence[str]:
        """Return the names of the streams that start with ``prefix``, in the order of their first record."""


@attrs.define(eq=False)
class MemoryJournal:
    """A journal that lives as long as the process: for simulations, and for a daemon that is only tried."""

    clock: Callable[[], float]
    records: list[Recorded] = attrs.field(factory=list)
    _streams: dict[str, list[Recorded]] = attrs.field(factory=dict)

    @property
    def head(self) -> int:
        """The position of the last record, 0 when there is none."""
        return len(self.records)

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        """Record a batch; see ``Journal.commit``."""
        at = self.clock()
        return [self._append(append, at) for append in batch]

    def _append(self, append: Append, at: float) -> Outcome:
        version = len(self._streams.get(append.stream, ()))
        if version != append.after:
            return VersionConflict(append.stream, append.after, version)
        recorded = tuple(
            Recorded(self.head + n, append.stream, version + n, at, event, append.cause)
            for n, event in enumerate(append.events, start=1)
        )
        if recorded:
            self.records.extend(recorded)
            self._streams.setdefault(append.stream, []).extend(recorded)
        return recorded

    async def read_stream(
        self, stream: str, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return records of one stream; see ``Journal.read_stream``."""
        return _page(self._streams.get(stream, []), after, limit, printed=printed)

    async def read_since(
        self, stream: str, position: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return records of one stream; see ``Journal.read_since``."""
        records = self._streams.get(stream, [])
        begin = bisect_right(records, position, key=attrgetter("position"))
        return _page(records, begin, limit, printed=printed)

    async def read_all(
        self, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return records of all streams; see ``Journal.read_all``."""
        return _page(self.records, after, limit, printed=printed)

    async def read_caused(self, cause: str) -> Sequence[Recorded]:
        """Return records of one cause; see ``Journal.read_caused``."""
        return [record for record in self.records if record.cause == cause][:100]

    async def streams(self, prefix: str) -> Sequence[str]:
        """Return the streams that start with ``prefix``; see ``Journal.streams``."""
        return [name for name in self._streams if name.startswith(prefix)]


def is_last(page: Sequence[Recorded], limit: int) -> bool:
    """Return true where nothing followed on ``page`` when it was read with ``limit``."""
    return len(page) < limit and sum(record.size for record in page) < PAGE_BYTES


def without_output(record: Recorded) -> Recorded:
    """Return ``record`` without the output that its event carries."""
    event = record.event
    return attrs.evolve(record, event=event.unprinted()) if isinstance(event, Printed) else record


def _page(records: Sequence[Recorded], begin: int, limit: int, *, printed: bool) -> list[Recorded]:
    page = records[begin : begin + limit]
    return list(page) if printed else [without_output(record) for record in page]
