"""The cursors of the journal's subscribers: a small table in the journal's own file.

A copy of the journal therefore has the cursors that belong to it. A save is not synced to disk: it survives
the end of the process, but a power failure can take back the newest saves. It never takes back a record that
a saved cursor refers to, because both are written to the same write-ahead log, in order.
"""

import sqlite3
from collections.abc import Mapping

import attrs

from actors.remotesync.cursors import Cursor
from lightd.journal.tables import Writer, transaction

CURSORS = """
CREATE TABLE cursors (
    name TEXT NOT NULL,           -- of the follower
    stream TEXT NOT NULL,         -- of a server that lags; empty for the mark
    place INTEGER NOT NULL,       -- the version up to which it is done; for the mark, the position
    PRIMARY KEY (name, stream)
) STRICT, WITHOUT ROWID;
"""


@attrs.frozen
class SqliteCursorStore:
    """A ``CursorStore`` in the file of a journal."""

    _writer: Writer

    async def load(self, name: str) -> Cursor | None:
        """Return the cursor; see ``CursorStore.load``."""

        def load(connection: sqlite3.Connection) -> dict[str, int]:
            query = "SELECT stream, place FROM cursors WHERE name = ?"
            return dict(connection.execute(query, (name,)).fetchall())

        found = await self._writer.between_commits(load)
        position = found.pop("", None)
        return None if position is None else Cursor(position, found)

    async def save(self, name: str, position: int, changed: Mapping[str, int | None]) -> None:
        """Set the position and some versions; see ``CursorStore.save``."""
        values = {"": position, **changed}
        kept = [(name, stream, value) for stream, value in values.items() if value is not None]
        gone = [(name, stream) for stream, value in values.items() if value is None]

        def save(connection: sqlite3.Connection) -> None:
            with transaction(connection, synced=False):
                connection.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", kept)
                connection.executemany("DELETE FROM cursors WHERE name = ? AND stream = ?", gone)

        await self._writer.between_commits(save)
