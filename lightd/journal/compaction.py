"""Compaction: limits the size of the journal, however many events a container has.

1. The newest ``KEPT`` records of each stream, up to ``KEPT_BYTES``, stay as they are. Older ones are
   *condensed*: replaced by one record, at the position of the newest of them, that contains the state after
   them. Positions and versions do not change; there is a gap before such a record.
2. Of the crashes of a container, only the newest ``KEPT_TEXTS`` keep the lines that were printed before them.
3. A container that was deleted ``SWEEP_EVERY`` seconds ago is condensed to one record of its numbers. That is
   deleted ``FORGOTTEN`` seconds later, when the daemon starts, before its stream is read. No token lives that
   long, so it is no longer needed to tell which tokens are older than the deletion.
4. The newest record of the journal is never deleted, because its position must not be assigned again.
5. It works in steps of ``STEP`` records, each one transaction, and pauses ``PAUSE_FACTOR`` times as long as
   the step took. Commits continue between two steps.
6. Deleted records leave free pages in the file, which are used again: the file neither shrinks nor grows.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

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
from actors.sftp.actor import STREAM as SFTP_STREAM
from actors.sftp.condensed import condense as condense_sftp
from actors.sftp.decider import DECIDER as SFTP
from actors.tokens.actor import STREAM as TOKENS_STREAM
from actors.tokens.condensed import condense as condense_tokens
from actors.tokens.decider import DECIDER as TOKENS
from lightd.journal.codec import Codec
from lightd.journal.reading import BEYOND
from lightd.journal.sqlite import SqliteJournal
from lightd.journal.tables import transaction

logger = logging.getLogger(__name__)

KEPT: Final = 1000
KEPT_BYTES: Final = 2 * 1024 * 1024
SLACK: Final = 250
"""Records beyond ``KEPT`` before anything is condensed, so that a step removes enough."""
KEPT_TEXTS: Final = 5
STEP: Final = 250
EVERY: Final = 30.0
PAUSE_FACTOR: Final = 9.0
SWEEP_EVERY: Final = 86_400.0
FORGOTTEN: Final = 31 * 86_400.0
LONG: Final = 300
"""Bytes; an exit without printed lines is shorter, unless its reason is long."""

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


@attrs.frozen
class Condenser:
    """The decider of a stream, and the function that makes a condensed record of a state."""

    decider: Decider[Any, Any, Any, Any]
    condense: Callable[[Any, float], Condensed]


CONDENSERS: Final[Mapping[str, Condenser]] = MappingProxyType(
    {
        PORTPOOL_STREAM: Condenser(PORTPOOL, condense_portpool),
        SFTP_STREAM: Condenser(SFTP, condense_sftp),
        TOKENS_STREAM: Condenser(TOKENS, condense_tokens),
    }
)
_CONTAINERS: Final = Condenser(CONTAINER, condense_container)


def to_condenser(stream: str) -> Condenser | None:
    """Return how ``stream`` is condensed, None if it is not."""
    return _CONTAINERS if stream.startswith(PREFIX) else CONDENSERS.get(stream)


@attrs.define(eq=False)
class Compactor:
    """Compacts the journal of ``bus`` in the background; ``run`` runs until it is cancelled."""

    _store: SqliteJournal
    _bus: Bus
    _codec: Codec
    _clock: Callable[[], float]

    async def run(self) -> None:
        """Compact every stream soon after the start and each day, and the changed ones in between."""
        while True:
            await trio.sleep(EVERY)  # the start of the daemon comes first
            subscription = self._bus.subscribe(self._bus.head)
            await self._compact_all(await self._bus.streams(""))
            with trio.move_on_after(SWEEP_EVERY):
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
                logger.warning("cannot compact the journal, retrying: %s", outage)
                await trio.sleep(EVERY)
            except CorruptStream:  # reported by its actor; the stream stays as it is
                logger.debug("stream %s is not compacted: it cannot be read", stream)

    async def compact(self, stream: str) -> None:
        """Compact ``stream`` step by step until it is within its limits."""
        condenser = to_condenser(stream)
        while condenser is not None:
            began = time.perf_counter()
            more = (
                await self._condense(stream, condenser, 0)
                or await self._drop_texts(stream)  # before bytes are counted
                or await self._condense(stream, condenser, KEPT_BYTES)
            )
            await trio.sleep((time.perf_counter() - began) * PAUSE_FACTOR)
            if not more:
                return

    async def _condense(self, stream: str, condenser: Condenser, most: int) -> bool:
        """Condense one step of records; return false if there is nothing to condense.

        ``most`` is the number of bytes that can stay, 0 for no limit.
        """
        rows = await self._store.look(_NEWEST, stream, KEPT + SLACK)
        boundary = to_boundary(rows, self._clock() - SWEEP_EVERY, most)
        if boundary is None:
            return False
        page = await self._bus.history(stream, 0, STEP)
        old = [record for record in page if record.version <= boundary]
        if not old or (len(old) == 1 and isinstance(old[0].event, Condensed)):
            return False
        work = await trio.to_thread.run_sync(self._fold, condenser, old)
        await self._store.between_commits(work)
        return True

    def _fold(self, condenser: Condenser, old: Sequence[Recorded]) -> Callable[[sqlite3.Connection], None]:
        """Return a function that replaces the records ``old`` with one."""
        view: View[Any] = View(condenser.decider.initial)
        try:
            for record in old:
                view = advance(condenser.decider, view, record)
        except Exception as error:  # its actor fails on it too and is in quarantine
            raise CorruptStream(f"stream {old[0].stream} cannot be replayed") from error
        row = (*self._codec.encode(condenser.condense(view.state, view.created_at)), view.position)

        def replace(connection: sqlite3.Connection) -> None:
            with transaction(connection, synced=False):
                connection.execute(_REPLACE, row)
                connection.execute(_DROP, (old[-1].stream, view.version))

        return replace

    async def _drop_texts(self, stream: str) -> bool:
        """Remove printed lines from one step of older exits; return false if none has any."""
        rows = await self._store.look(_TEXTS, stream, LONG, STEP, KEPT_TEXTS)
        changed = await trio.to_thread.run_sync(self._without_texts, rows)

        def change(connection: sqlite3.Connection) -> None:
            with transaction(connection, synced=False):
                connection.executemany(_CHANGE, changed)

        if changed:
            await self._store.between_commits(change)
        return bool(changed)

    def _without_texts(
        self, rows: Sequence[tuple[int, str, int, bytes]]
    ) -> list[tuple[str, int, bytes, int]]:
        changed = []
        for position, kind, schema, data in rows:
            event = self._codec.decode(kind, schema, data)
            if isinstance(event, Printed) and (quiet := event.unprinted()) != event:
                changed.append((*self._codec.encode(quiet), position))
        return changed


def to_boundary(rows: Sequence[tuple[int, int, float, str]], before: float, most: int) -> int | None:
    """Return the version up to which a stream can be condensed, None if it is within its limits.

    ``rows`` are version, size, time and kind of its newest ``KEPT + SLACK`` records, the newest first. A
    stream that ended with a deletion ``before`` that time is condensed completely. ``most`` is the number of
    bytes that can stay, 0 for no limit.
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
    """Delete the streams of containers that were deleted long ago; return their number."""
    rows = connection.execute(_ENDED, (PREFIX, PREFIX + BEYOND, now - FORGOTTEN)).fetchall()
    gone = [(number, name) for number, name, *stored in rows if _is_deletion(codec, *stored)]

    if gone:
        with transaction(connection):
            connection.executemany("DELETE FROM records WHERE stream = ?", [(number,) for number, _ in gone])
            connection.executemany("DELETE FROM streams WHERE id = ?", [(number,) for number, _ in gone])
            servers = [(name.removeprefix(PREFIX),) for _, name in gone]
            connection.executemany("DELETE FROM cursors WHERE stream = ?", servers)
    return len(gone)


def _is_deletion(codec: Codec, kind: str, schema: int, data: bytes) -> bool:
    try:
        event = codec.decode(kind, schema, data)
    except CorruptStream:
        return False
    phase = event.state.phase if isinstance(event, CondensedContainer) else None
    return isinstance(event, Deleted) or phase is Phase.DELETED
