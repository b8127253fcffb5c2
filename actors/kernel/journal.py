"""Records, and the Protocol of the journal that stores them.

A journal is a list of records in one global order (``position``, from 1). Each belongs to a stream, with an
order of its own (``version``, from 1). There are no gaps, except before a ``Condensed`` record, which
replaces all earlier ones of its stream. The only writer is the bus, which passes it a batch of appends at a
time: a batch is one commit, and each append in it is recorded completely or not at all.
"""

from collections.abc import Sequence
from typing import Protocol

import attrs

PAGE_BYTES = 1024 * 1024
"""Bytes of events after which a page ends. One event can be that large: an environment has up to 1 MiB."""


class JournalUnavailable(Exception):  # noqa: N818 - a fault of the world, named like its siblings
    """The journal cannot be written or read now (disk full, file deleted); nothing was recorded."""


class VersionConflict(Exception):  # noqa: N818 - names what happened
    """An append expected another version than the stream has: there are two writers of one stream."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"stream {stream} is at version {actual}, the append expected {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class CorruptStream(Exception):  # noqa: N818 - names our own fault
    """An event cannot be encoded or decoded: unknown kind, malformed bytes, or a gap in its stream."""


@attrs.frozen
class Printed:
    """An event that contains output of a program, which most readers do not need.

    Not a Protocol: every record that is read is checked with ``isinstance``, which takes 30 µs for those.
    """

    def unprinted(self) -> object:
        """Return the same event without the output."""


@attrs.frozen
class Condensed:
    """The state after all records of a stream up to this one, which it replaces.

    ``created_at`` is when the first of them was recorded. Subclasses hold the state of their stream.
    """

    created_at: float

    def to_state(self) -> object:
        """Return the state."""


@attrs.frozen
class Recorded:
    """One event as it was recorded. ``at`` is Unix seconds, ``cause`` the operation id that led to it.

    ``size`` is the number of bytes of the event on disk, 0 if it was not written to a disk.
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
    """Events for one stream, expected to have version ``after``; all of them are recorded, or none."""

    stream: str
    after: int
    events: tuple[object, ...]
    cause: str | None = None


Outcome = tuple[Recorded, ...] | VersionConflict | CorruptStream


class Journal(Protocol):
    """Stores events. ``tests/contracts/journal_checks.py`` is the complete contract."""

    @property
    def head(self) -> int:
        """The position of the last record, 0 if there is none."""

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        """Record a batch durably, in one commit; return one outcome for each append, in order.

        The outcome is ``VersionConflict`` if the stream has another version, earlier appends of the batch
        included, and ``CorruptStream`` if an event cannot be encoded; neither affects other appends. When
        this returns, the records survive a power failure. Raises ``JournalUnavailable`` if nothing of the
        batch was recorded. Called by one task at a time; a cancellation takes effect after the commit.
        """

    # A page ends with the record that brings it to ``PAGE_BYTES``, so it can be shorter than ``limit``: see
    # ``is_last``. Without ``printed``, events do not contain output of programs (see ``Printed``).

    async def read_stream(
        self, stream: str, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return at most ``limit`` records of ``stream`` after version ``after``, oldest first."""

    async def read_since(
        self, stream: str, position: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return at most ``limit`` records of ``stream`` after position ``position``, oldest first."""

    async def read_all(
        self, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return at most ``limit`` records of all streams after position ``after``, oldest first."""

    async def read_caused(self, cause: str) -> Sequence[Recorded]:
        """Return the first records with that ``cause``, at most 100, oldest first."""

    async def streams(self, prefix: str) -> Sequence[str]:
        """Return the names of the streams that start with ``prefix``, in the order of their first record."""


def is_last(page: Sequence[Recorded], limit: int) -> bool:
    """Return whether ``page``, read with ``limit``, ended at the last record."""
    return len(page) < limit and sum(record.size for record in page) < PAGE_BYTES


def without_output(record: Recorded) -> Recorded:
    """Return ``record`` without the output that its event contains."""
    event = record.event
    return attrs.evolve(record, event=event.unprinted()) if isinstance(event, Printed) else record
