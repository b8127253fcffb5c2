"""Where followers of the journal keep how far they have come: a small table beside the records.

It lies in the journal's own file, so a copy of the journal has the cursors that belong to it. A save waits
for no disk: what the kernel has outlives the process. A power loss takes back the newest saves, never a
record that they speak of, because the log that both are written to is in one order.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import attrs

from actors.remotesync.cursors import Cursor

CURSORS = """
CREATE TABLE cursors (
    name TEXT NOT NULL,           -- of the follower
    stream TEXT NOT NULL,         -- of a server that lags; empty for the mark
    place INTEGER NOT NULL,       -- the version up to which it is done; for the mark, the position
    PRIMARY KEY (name, stream)
) STRICT, WITHOUT ROWID;
"""

T = TypeVar("T")


class Writer(Protocol):
    """Whoever has the journal open for writing."""

    async def beside(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return ``work(connection)``, done between two commits; raises ``JournalUnavailable``."""


@attrs.frozen
class SqliteCursors:
    """``Cursors`` in the file of a journal."""

    _writer: Writer

    async def load(self, name: str) -> Cursor | None:
        """Return the cursor; see ``Cursors.load``."""

        def load(connection: sqlite3.Connection) -> dict[str, int]:
            query = "SELECT stream, place FROM cursors WHERE name = ?"
            return dict(connection.execute(query, (name,)).fetchall())

        found = await self._writer.beside(load)
        mark = found.pop("", None)
        return None if mark is None else Cursor(mark, found)

    async def save(self, name: str, mark: int, changed: Mapping[str, int | None]) -> None:
        """Set the mark and some places; see ``Cursors.save``."""
        places = {"": mark, **changed}
        kept = [(name, stream, place) for stream, place in places.items() if place is not None]
        gone = [(name, stream) for stream, place in places.items() if place is None]

        def save(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA synchronous = NORMAL")
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", kept)
                connection.executemany("DELETE FROM cursors WHERE name = ? AND stream = ?", gone)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                connection.execute("PRAGMA synchronous = FULL")

        await self._writer.beside(save)
