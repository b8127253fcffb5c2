"""Reading the journal in SQLite: one connection, one worker thread at a time, one page at a time.

A page is read row by row and ends at ``PAGE_BYTES``, so at most one further row is in memory besides what is
returned.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import attrs
import trio

from actors.kernel.journal import PAGE_BYTES, CorruptStream, JournalUnavailable, Recorded, without_output
from lightd.journal.codec import Codec

Row = tuple[int, str, int, float, str, int, bytes, str | None]

_COLUMNS = "position, name, version, at, kind, schema, data, cause"
_READ_STREAM = f"""
    SELECT {_COLUMNS} FROM streams JOIN records ON records.stream = streams.id
    WHERE name = ? AND version > ? ORDER BY version LIMIT ?
"""  # noqa: S608 - made of a constant
_READ_SINCE = f"""
    SELECT {_COLUMNS} FROM streams JOIN records INDEXED BY records_by_stream ON records.stream = streams.id
    WHERE name = ? AND position > ? ORDER BY position LIMIT ?
"""  # noqa: S608 - made of a constant
_READ_ALL = f"""
    SELECT {_COLUMNS} FROM records JOIN streams ON records.stream = streams.id
    WHERE position > ? ORDER BY position LIMIT ?
"""  # noqa: S608 - made of a constant
_READ_CAUSED = f"""
    SELECT {_COLUMNS} FROM records JOIN streams ON records.stream = streams.id
    WHERE cause = ? ORDER BY position LIMIT 100
"""  # noqa: S608 - made of a constant
_STREAMS = "SELECT name FROM streams WHERE name >= ? AND name < ? ORDER BY id"
BEYOND = "\U0010ffff"  # sorts after all characters of a name


@attrs.define(eq=False)
class Reader:
    """The part of the journal that reads: see ``Journal`` for each method. All raise ``JournalUnavailable``.

    Events that cannot be decoded raise ``CorruptStream``.
    """

    _codec: Codec
    _connection: sqlite3.Connection
    _reading: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    async def read_stream(
        self, stream: str, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return a page of one stream, after a version."""
        return await self._read(_READ_STREAM, (stream, after, limit), printed=printed)

    async def read_since(
        self, stream: str, position: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return a page of one stream, after a position."""
        return await self._read(_READ_SINCE, (stream, position, limit), printed=printed)

    async def read_all(
        self, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return a page of all streams, after a position."""
        return await self._read(_READ_ALL, (after, limit), printed=printed)

    async def read_caused(self, cause: str) -> Sequence[Recorded]:
        """Return the records of one cause."""
        return await self._read(_READ_CAUSED, (cause,), printed=False)

    async def streams(self, prefix: str) -> Sequence[str]:
        """Return the names of streams with a prefix."""
        return [name for (name,) in await self.look(_STREAMS, prefix, prefix + BEYOND)]

    async def look(self, query: str, *values: str | float) -> list[Any]:
        """Return the rows of ``query``; does not wait for commits."""
        return await trio.to_thread.run_sync(self._select, query, values, limiter=self._reading)

    async def _read(self, query: str, values: tuple[str | int, ...], *, printed: bool) -> list[Recorded]:
        read = partial(self._read_records, query, values, printed=printed)
        return await trio.to_thread.run_sync(read, limiter=self._reading)

    def _read_records(self, query: str, values: tuple[str | int, ...], *, printed: bool) -> list[Recorded]:
        found: list[Recorded] = []
        size = 0
        with reporting("read"), closing(self._connection.execute(query, values)) as rows:
            for row in rows:
                record = self._to_recorded(row)
                found.append(record if printed else without_output(record))
                size += record.size
                if size >= PAGE_BYTES:
                    break
        return found

    def _select(self, query: str, values: tuple[str | float, ...]) -> list[Any]:
        with reporting("read"):
            return self._connection.execute(query, values).fetchall()

    def _to_recorded(self, row: Row) -> Recorded:
        position, stream, version, at, kind, schema, data, cause = row
        try:
            event = self._codec.decode(kind, schema, data)
        except CorruptStream as error:
            raise CorruptStream(f"stream {stream}, position {position}: {error}") from error
        return Recorded(position, stream, version, at, event, cause, len(data))


@contextmanager
def reporting(action: str) -> Iterator[None]:
    """Raise ``JournalUnavailable`` for errors of the disk. A violated constraint is a bug, and stays so."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if type(error) in {sqlite3.OperationalError, sqlite3.DatabaseError}:
            raise JournalUnavailable(f"cannot {action} the journal: {error}") from error
        raise
