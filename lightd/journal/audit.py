"""The tables of the audit, in the journal's own file.

They have no positions or versions, and subscribers of the journal do not see them, so entries can be deleted.
The start of a request is not synced to disk: the write-ahead log keeps the order, so it is present if any
later record is. A request that was executed gets its response only after its entry is synced.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

import attrs

from lightd.audit.entry import INTERRUPTED, Asked, Begun, Ended, Entry, Outcome
from lightd.journal.tables import Writer, transaction

AUDIT: Final = """
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice, also when all are forgotten
    at REAL NOT NULL,             -- Unix seconds: when it was asked for
    token_id TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    status INTEGER,               -- NULL where nobody was answered
    code TEXT,
    subject TEXT,
    operation_id TEXT             -- the cause of the records that it led to
) STRICT;
CREATE TABLE audit_begun (
    number INTEGER PRIMARY KEY,   -- in one life of the daemon
    at REAL NOT NULL,
    token_id TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    method TEXT NOT NULL,
    route TEXT NOT NULL
) STRICT;
"""

_ASKED = "at, token_id, address, request_id, method, route"
_OUTCOME = "status, code, subject, operation_id"
_INTERRUPT = f"""
    INSERT INTO audit ({_ASKED}, code) SELECT {_ASKED}, '{INTERRUPTED}' FROM audit_begun ORDER BY number
"""  # noqa: S608 - made of constants
_BEGIN = f"INSERT INTO audit_begun (number, {_ASKED}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - as above
_END = f"INSERT INTO audit ({_ASKED}, {_OUTCOME}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - as above
_READ = f"SELECT seq, {_ASKED}, {_OUTCOME} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - as above
_PRUNE = """
    DELETE FROM audit WHERE seq IN (SELECT seq FROM audit ORDER BY seq LIMIT ?)
    AND (at < ? OR seq <= (SELECT max(seq) FROM audit) - ?)
"""


@attrs.frozen
class SqliteAudit:
    """A ``Table`` in the file of a journal."""

    _writer: Writer

    async def interrupt(self) -> int:
        """Turn unfinished requests into entries; see ``Table.interrupt``."""

        def interrupt(connection: sqlite3.Connection) -> int:
            found = connection.execute("SELECT count(*) FROM audit_begun").fetchone()[0]
            if found:
                with transaction(connection):
                    connection.execute(_INTERRUPT)
                    connection.execute("DELETE FROM audit_begun")
            return int(found)

        return await self._writer.between_commits(interrupt)

    async def write(self, begun: Sequence[Begun], ended: Sequence[Ended]) -> None:
        """Write requests that begin and that have ended; see ``Table.write``."""
        done = any(not one.outcome.is_refusal for one in ended)

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection, synced=done):
                connection.executemany(_BEGIN, [(one.number, *attrs.astuple(one.asked)) for one in begun])
                rows = [(*attrs.astuple(one.asked), *attrs.astuple(one.outcome)) for one in ended]
                connection.executemany(_END, rows)
                numbers = [(one.number,) for one in ended if one.number is not None]
                connection.executemany("DELETE FROM audit_begun WHERE number = ?", numbers)

        await self._writer.between_commits(write)

    async def read(self, since: int, limit: int) -> Sequence[Entry]:
        """Return entries; see ``Table.read``."""

        def read(connection: sqlite3.Connection) -> list[Entry]:
            rows = connection.execute(_READ, (since, limit)).fetchall()
            return [Entry(row[0], Asked(*row[1:7]), Outcome(*row[7:])) for row in rows]

        return await self._writer.between_commits(read)

    async def prune(self, before: float, most: int, limit: int) -> int:
        """Delete the oldest entries; see ``Table.prune``."""

        def prune(connection: sqlite3.Connection) -> int:
            with transaction(connection, synced=False):
                return connection.execute(_PRUNE, (limit, before, most)).rowcount

        return await self._writer.between_commits(prune)
