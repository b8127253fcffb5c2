"""What is recorded, and the Protocol of the place that keeps it.

A journal is a list of records in one global order (``position``, from 1, without gaps), cut into streams
that each have an order of their own (``version``, from 1). It has one writer, the bus, which hands it a
batch of appends at a time: a batch is one commit, an append in it is whole or not there at all.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs


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
class Recorded:
    """One event as it was recorded. ``at`` is Unix seconds, ``cause`` the operation id that led to it."""

    position: int
    stream: str
    version: int
    at: float
    event: object
    cause: str | None = None


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

    async def read_stream(self, stream: str, after: int = 0, limit: int = 1000) -> Sequence[Recorded]:
        """Return at most ``limit`` records of ``stream`` with a version over ``after``, oldest first."""

    async def read_all(self, after: int = 0, limit: int = 1000) -> Sequence[Recorded]:
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

    async def read_stream(self, stream: str, after: int = 0, limit: int = 1000) -> Sequence[Recorded]:
        """Return records of one stream; see ``Journal.read_stream``."""
        return self._streams.get(stream, [])[after : after + limit]

    async def read_all(self, after: int = 0, limit: int = 1000) -> Sequence[Recorded]:
        """Return records of all streams; see ``Journal.read_all``."""
        return self.records[after : after + limit]

    async def read_caused(self, cause: str) -> Sequence[Recorded]:
        """Return records of one cause; see ``Journal.read_caused``."""
        return [record for record in self.records if record.cause == cause][:100]

    async def streams(self, prefix: str) -> Sequence[str]:
        """Return the streams that start with ``prefix``; see ``Journal.streams``."""
        return [name for name in self._streams if name.startswith(prefix)]
