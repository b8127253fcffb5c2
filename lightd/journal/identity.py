"""Which journal this is: a random id in its file, and the containers of other journals that it took over.

The id tells the containers of two daemons on one engine apart, whatever their configurations say. It is a
part of the journal, not of the configuration: a daemon that lost its journal knows none of its containers and
must not take them for its own leftovers. The tables are not in the schema: an older lightd opens the file.
"""

import sqlite3
import uuid
from collections.abc import Set as AbstractSet

import attrs

from lightd.journal.tables import Writer

_TABLE = """
CREATE TABLE IF NOT EXISTS identity (
    journal_id TEXT PRIMARY KEY   -- one row: this journal
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS adopted (
    engine_id TEXT PRIMARY KEY    -- a container whose label has the id of another journal
) STRICT, WITHOUT ROWID;
"""


@attrs.frozen
class Identity:
    """The id of a journal, and the engine ids of the containers that were adopted."""

    journal_id: str
    adopted: AbstractSet[str]


async def load(writer: Writer) -> Identity:
    """Return the identity of an open journal, which gets one if it has none.

    Raises ``JournalUnavailable``.
    """

    def load_or_create(connection: sqlite3.Connection) -> Identity:
        connection.executescript(_TABLE)
        connection.execute(
            "INSERT INTO identity SELECT ? WHERE NOT EXISTS (SELECT * FROM identity)", (uuid.uuid4().hex,)
        )
        ((journal_id,),) = connection.execute("SELECT journal_id FROM identity").fetchall()
        rows = connection.execute("SELECT engine_id FROM adopted").fetchall()
        return Identity(journal_id, {engine_id for (engine_id,) in rows})

    return await writer.between_commits(load_or_create)


async def adopt(writer: Writer, engine_id: str) -> None:
    """Record that a container of another journal is this one's. Raises ``JournalUnavailable``."""
    await writer.between_commits(
        lambda connection: connection.execute("INSERT OR IGNORE INTO adopted VALUES (?)", (engine_id,))
    )
