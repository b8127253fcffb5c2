"""Compaction: the journal stays as large as what it is for, however much happens on a container.

1. Of each stream the newest ``KEPT`` records of at most ``KEPT_BYTES`` stay as they are. What is older is
   *condensed*: replaced by one record, at the place of the newest of them, that holds the state that they add
   up to. Positions and versions stay what they are, with gaps before such a record.
2. Of the crashes of a container the newest ``KEPT_TEXTS`` keep the lines that were printed before them.
3. A container that was deleted ``REST`` seconds ago is condensed to one record of its numbers. It is
   forgotten ``FORGOTTEN`` seconds after that, as the daemon starts, before anything reads its stream. That is
   longer than any token lives: which tokens are older than its deletion need not be known any more.
4. The newest record of the journal is never deleted: its position must not be given again.
5. It goes in steps of ``STEP`` records, each one transaction that a kill undoes or leaves done, with a pause
   after each that is ``REST_AFTER`` times as long as the step took. Commits go on between two steps.
6. Deleted records leave free pages in the file, which new ones are written to: the file doesn't shrink, and
   doesn't grow either.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

import attrs
import trio

from actors.container.condensed import Condensed as CondensedContainer
from actors.container.condensed import condense as condense_container
from actors.container.decider import DECIDER as CONTAINER
from actors.container.events import Deleted
from actors.container.fleet import PREFIX
from actors.container.state import Phase
from actors.kernel.actor import View, advance
from actors.kernel.bus import Bus
from actors.kernel.decider import Decider
from actors.kernel.journal import Condensed, CorruptStream, JournalUnavailable, Printed, Recorded
from actors.portpool.actor import STREAM as PORTPOOL_STREAM
from actors.portpool.condensed import condense as condense_portpool
from actors.portpool.decider import DECIDER as PORTPOOL
from actors.tokens.actor import STREAM as TOKENS_STREAM
from actors.tokens.condensed import condense as condense_tokens
from actors.tokens.decider import DECIDER as TOKENS
from lightd.journal.audit import in_one
from lightd.journal.codec import Codec
from lightd.journal.reading import BEYOND

logger = logging.getLogger(__name__)

KEPT: Final = 1000
KEPT_BYTES: Final = 2 * 1024 * 1024
SLACK: Final = 250
"""So many records more than ``KEPT`` there may be before anything is done: a step is worth its while."""
KEPT_TEXTS: Final = 5
STEP: Final = 250
EVERY: Final = 30.0
REST_AFTER: Final = 9.0
REST: Final = 86_400.0
FORGOTTEN: Final = 31 * 86_400.0
LONG: Final = 300
"""Bytes: an exit without lines is shorter, unless its reason is a long one."""

_NEWEST: Final = """
    SELECT version, length(data), at, kind FROM records WHERE stream = (SELECT id FROM streams WHERE name = ?)
    ORDER BY version DESC LIMIT ?
"""
_TEXTS: Final = """
    SELECT position, kind, schema, data FROM records
    WHERE stream = (SELECT id FROM streams WHERE name = ?) AND kind = 'container.exited' AND length(data) > ?
    ORDER BY version DESC LIMIT ? OFFSET ?
"""
_REPLACE: Final = "UPDATE records SET kind = ?, schema = ?, data = ?, cause = NULL WHERE position = ?"
_CHANGE: Final = "UPDATE records SET kind = ?, schema = ?, data = ? WHERE position = ?"
_DROP: Final = """
    DELETE FROM records WHERE stream = (SELECT id FROM streams WHERE name = ?) AND version < ?
"""
_ENDED: Final = """
    SELECT streams.id, name, kind, schema, data FROM streams
    JOIN records ON position = (SELECT max(position) FROM records WHERE stream = streams.id)
    WHERE name >= ? AND name < ? AND at < ? AND kind IN ('container.deleted', 'container.condensed')
    AND position < (SELECT max(position) FROM records)
"""


class Store(Protocol):
    """A journal in SQLite, as ``SqliteJournal`` is one; both raise ``JournalUnavailable``."""

    async def look(self, query: str, *values: str | float) -> list[Any]:
        """Return the rows that ``query`` finds."""

    async def beside(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do ``work(connection)`` between two commits."""


@attrs.frozen
class Condenser:
    """How the records of a stream are folded, and what then stands for them."""

    decider: Decider[Any, Any, Any, Any]
    condense: Callable[[Any, float], Condensed]


CONDENSERS: Final[Mapping[str, Condenser]] = MappingProxyType(
    {
        PORTPOOL_STREAM: Condenser(PORTPOOL, condense_portpool),
        TOKENS_STREAM: Condenser(TOKENS, condense_tokens),
    }
)
_CONTAINERS: Final = Condenser(CONTAINER, condense_container)


def to_condenser(stream: str) -> Condenser | None:
    """Return how ``stream`` is condensed, None where it is left as it is."""
    return _CONTAINERS if stream.startswith(PREFIX) else CONDENSERS.get(stream)


@attrs.define(eq=False)
class Compactor:
    """Compacts the journal of ``bus`` behind its back. ``run`` does so until it is cancelled."""

    _store: Store
    _bus: Bus
    _codec: Codec
    _clock: Callable[[], float]

    async def run(self) -> None:
        """Look at every stream soon and every day, and in between at those that have grown, for ever."""
        while True:
            await trio.sleep(EVERY)  # a start has more urgent things to do
            subscription = self._bus.subscribe(self._bus.head)
            await self._compact_all(await self._bus.streams(""))
            with trio.move_on_after(REST):
                while True:
                    await trio.sleep(EVERY)
                    grown = {record.stream for record in await subscription.next()}
                    while more := await subscription.poll():
                        grown |= {record.stream for record in more}
                    await self._compact_all(sorted(grown))

    async def _compact_all(self, streams: Iterable[str]) -> None:
        for stream in streams:
            try:
                await self.compact(stream)
            except JournalUnavailable as outage:
                logger.warning("the journal can't be compacted now: %s", outage)
                await trio.sleep(EVERY)
            except CorruptStream:  # its actor says so; nothing of it is touched
                logger.debug("%s is not compacted: it can't be read", stream)

    async def compact(self, stream: str) -> None:
        """Bring ``stream`` into its bounds, step by step."""
        condenser = to_condenser(stream)
        while condenser is not None:
            began = time.perf_counter()
            more = (
                await self._condense(stream, condenser, 0)
                or await self._drop_texts(stream)  # before they count
                or await self._condense(stream, condenser, KEPT_BYTES)
            )
            await trio.sleep((time.perf_counter() - began) * REST_AFTER)
            if not more:
                return

    async def _condense(self, stream: str, condenser: Condenser, most: int) -> bool:
        """Condense a step's worth of records; false where there is nothing to condense.

        ``most`` is how many bytes may stay, 0 for any number.
        """
        rows = await self._store.look(_NEWEST, stream, KEPT + SLACK)
        boundary = to_boundary(rows, self._clock() - REST, most)
        if boundary is None:
            return False
        page = await self._bus.history(stream, 0, STEP)
        old = [record for record in page if record.version <= boundary]
        if not old or (len(old) == 1 and isinstance(old[0].event, Condensed)):
            return False
        work = await trio.to_thread.run_sync(self._fold, condenser, old)
        await self._store.beside(work)
        return True

    def _fold(self, condenser: Condenser, old: Sequence[Recorded]) -> Callable[[sqlite3.Connection], None]:
        """Return what puts one record in the place of those in ``old``."""
        view: View[Any] = View(condenser.decider.initial)
        try:
            for record in old:
                view = advance(condenser.decider, view, record)
        except Exception as error:  # its actor breaks on it as well, and is in quarantine
            raise CorruptStream(f"{old[0].stream} can't be folded") from error
        row = (*self._codec.encode(condenser.condense(view.state, view.created_at)), view.position)

        def replace(connection: sqlite3.Connection) -> None:
            connection.execute(_REPLACE, row)
            connection.execute(_DROP, (old[-1].stream, view.version))

        return lambda connection: in_one(connection, lambda: replace(connection), wait=False)

    async def _drop_texts(self, stream: str) -> bool:
        """Take the lines out of the older exits, a step's worth of them; false where none has any."""
        rows = await self._store.look(_TEXTS, stream, LONG, STEP, KEPT_TEXTS)
        changed = await trio.to_thread.run_sync(self._quieten, rows)

        def change(connection: sqlite3.Connection) -> None:
            in_one(connection, lambda: connection.executemany(_CHANGE, changed), wait=False)

        if changed:
            await self._store.beside(change)
        return bool(changed)

    def _quieten(self, rows: Sequence[tuple[int, str, int, bytes]]) -> list[tuple[str, int, bytes, int]]:
        changed = []
        for position, kind, schema, data in rows:
            event = self._codec.decode(kind, schema, data)
            if isinstance(event, Printed) and (quiet := event.unprinted()) != event:
                changed.append((*self._codec.encode(quiet), position))
        return changed


def to_boundary(rows: Sequence[tuple[int, int, float, str]], before: float, most: int) -> int | None:
    """Return the version up to which a stream may be condensed, None where it is within its bounds.

    ``rows`` are version, size, time and kind of its newest ``KEPT + SLACK`` records, the newest first. One
    that ended by a deletion ``before`` that time is condensed as a whole. ``most`` is how many bytes may
    stay, 0 for any number.
    """
    if rows and rows[0][3] == "container.deleted" and rows[0][2] < before:
        return rows[0][0]
    boundary = rows[KEPT][0] if len(rows) >= KEPT + SLACK else None
    size = 0
    for number, row in enumerate(rows):
        size += row[1]
        if number and size > most > 0:
            return max(row[0], boundary or 0)
    return boundary


def forget(connection: sqlite3.Connection, codec: Codec, now: float) -> int:
    """Forget those that were deleted long ago, before anything reads their streams; return how many."""
    rows = connection.execute(_ENDED, (PREFIX, PREFIX + BEYOND, now - FORGOTTEN)).fetchall()
    gone = [(number, name) for number, name, *stored in rows if _is_deletion(codec, *stored)]

    def work() -> None:
        connection.executemany("DELETE FROM records WHERE stream = ?", [(number,) for number, _ in gone])
        connection.executemany("DELETE FROM streams WHERE id = ?", [(number,) for number, _ in gone])
        servers = [(name.removeprefix(PREFIX),) for _, name in gone]
        connection.executemany("DELETE FROM cursors WHERE stream = ?", servers)

    if gone:
        in_one(connection, work, wait=True)
    return len(gone)


def _is_deletion(codec: Codec, kind: str, schema: int, data: bytes) -> bool:
    try:
        event = codec.decode(kind, schema, data)
    except CorruptStream:
        return False
    phase = event.state.phase if isinstance(event, CondensedContainer) else None
    return isinstance(event, Deleted) or phase is Phase.DELETED
