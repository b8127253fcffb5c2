"""The delivery queue of one server with pending updates. Its size does not depend on their number.

A queue holds two versions and a count; the updates themselves are read from the journal, a page at a time,
when it is the queue's turn. So 100,000 updates that are pending for one server take no more memory than one,
and delay no other server.
"""

from collections.abc import Sequence

import attrs

from actors.kernel.bus import Bus
from actors.kernel.journal import Condensed, Recorded
from actors.remotesync.updates import PREFIX, Run, Update, to_update

PAGE = 32


@attrs.frozen
class Entry:
    """The update of one record, or the newest of ``count`` updates that replaces the others."""

    position: int
    version: int
    at: float
    update: Update
    count: int = 1


@attrs.define(eq=False)
class DeliveryQueue:
    """The pending updates of ``server``: those after ``version`` of its stream, up to ``until``.

    ``waiting`` is their number, ``oldest_at`` when the first was recorded. ``sending`` is the version of the
    update that is being sent, ``sent`` the number of its frames that the panel has. ``checkpoint`` is the
    number of the last checkpoint, ``failures`` that of failures in a row.
    """

    server: str
    version: int
    until: int = 0
    waiting: int = 0
    oldest_at: float = 0.0
    sending: int = 0
    sent: int = 0
    checkpoint: int = 0
    failures: int = 0

    def extend(self, record: Recorded) -> None:
        """Append the update of ``record``; records come in the order of their versions."""
        if not self.waiting:
            self.oldest_at = record.at
        self.until = record.version
        self.waiting += 1

    def begin(self, entry: Entry) -> None:
        """Start to send ``entry``, or continue if it is being sent already."""
        self.oldest_at = entry.at
        if self.sending != entry.version:
            self.sending, self.sent = entry.version, 0

    def clear(self) -> None:
        """Drop all pending updates: the journal no longer has them."""
        self.version, self.waiting = self.until, 0

    def finish(self, entry: Entry, following: Entry | None) -> None:
        """Remove ``entry``; ``following`` is the next one, if it was read already."""
        self.version = entry.version
        self.waiting -= entry.count
        self.failures = 0
        self.oldest_at = entry.at if following is None else following.at


async def read(bus: Bus, queue: DeliveryQueue, *, latest: bool, runs: bool = False) -> Sequence[Entry]:
    """Return the next entries of ``queue``, at most a page; with ``latest`` only the newest ones.

    With ``runs`` also those about starts and ends of processes: the newest one is in addition to the newest
    of the others. Empty if the journal no longer has the records.
    """
    found: list[Entry] = []
    version = queue.version
    while version < queue.until and (latest or not found):
        page = await bus.history(PREFIX + queue.server, version, PAGE)
        if not page:
            break
        version = page[-1].version
        found += _to_entries(page, queue.until, runs=runs)
        if latest:
            found = _newest(found)
    return found


def _to_entries(page: Sequence[Recorded], until: int, *, runs: bool) -> list[Entry]:
    # A condensed record can stand for pending updates, and for some after ``until``.
    wanted = [record for record in page if record.version <= until or isinstance(record.event, Condensed)]
    updates = [(record, to_update(record, runs=runs)) for record in wanted]
    return [
        Entry(record.position, record.version, record.at, update)
        for record, update in updates
        if update is not None
    ]


def _newest(entries: Sequence[Entry]) -> list[Entry]:
    newest: dict[bool, Entry] = {}
    for entry in entries:
        about_run = isinstance(entry.update.frames[0], Run)
        before = newest.pop(about_run, None)
        newest[about_run] = attrs.evolve(entry, count=entry.count + (0 if before is None else before.count))
    return list(newest.values())
