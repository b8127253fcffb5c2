"""A lane: one server that lags, and how far its own stream has been told. Small, however far that is behind.

A lane holds two versions and a count; what is to be told is read from the journal, a page at a time, when it
is its turn. So a hundred thousand updates that wait for one dead server cost what one does, and nobody else
waits for them.
"""

from collections.abc import Sequence

import attrs

from actors.kernel.bus import Bus
from actors.kernel.journal import Condensed, Recorded
from actors.remotesync.updates import PREFIX, Update, to_update

PAGE = 32


@attrs.frozen
class Entry:
    """One record that the panel is to hear of, or the newest of ``count`` that one tells of at once."""

    position: int
    version: int
    at: float
    update: Update
    count: int = 1


@attrs.define(eq=False)
class DeliveryQueue:
    """``version`` of its stream is done, ``until`` is the newest that is to be told, ``waiting`` counts them.

    ``oldest_at`` is when the first that waits was recorded. ``telling`` is the version of the one that is
    being told, ``told`` how many of its frames the panel has.
    """

    server: str
    version: int
    until: int = 0
    waiting: int = 0
    oldest_at: float = 0.0
    telling: int = 0
    told: int = 0
    note: int = 0
    failures: int = 0

    def extend(self, record: Recorded) -> None:
        """One more record is to be told; they come in their order."""
        if not self.waiting:
            self.oldest_at = record.at
        self.until = record.version
        self.waiting += 1

    def begin(self, entry: Entry) -> None:
        """Tell this entry from now on, or go on with it."""
        self.oldest_at = entry.at
        if self.telling != entry.version:
            self.telling, self.told = entry.version, 0

    def give_up(self) -> None:
        """Have done with all that was to be told: it is no longer kept."""
        self.version, self.waiting = self.until, 0

    def finish(self, entry: Entry, following: Entry | None) -> None:
        """Have done with this entry; the one that follows waits, where it is known."""
        self.version = entry.version
        self.waiting -= entry.count
        self.failures = 0
        self.oldest_at = entry.at if following is None else following.at


async def read(bus: Bus, lane: DeliveryQueue, *, latest: bool) -> Sequence[Entry]:
    """Return the next entries of ``delivery``, at most a page of them; with ``latest`` the newest one alone.

    There are none where what was to be told is no longer kept.
    """
    found: list[Entry] = []
    version = lane.version
    while version < lane.until and (latest or not found):
        page = await bus.history(PREFIX + lane.server, version, PAGE)
        if not page:
            break
        version = page[-1].version
        found += _to_entries(page, lane.until)
        if latest:
            found = _newest(found)
    return found


def _to_entries(page: Sequence[Recorded], until: int) -> list[Entry]:
    # What is condensed may stand for what was to be told, and for some that came after it.
    wanted = [record for record in page if record.version <= until or isinstance(record.event, Condensed)]
    updates = [(record, to_update(record)) for record in wanted]
    return [
        Entry(record.position, record.version, record.at, update)
        for record, update in updates
        if update is not None
    ]


def _newest(entries: Sequence[Entry]) -> list[Entry]:
    return [attrs.evolve(entry, count=sum(each.count for each in entries)) for entry in entries[-1:]]
