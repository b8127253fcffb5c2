"""The id of a journal, and the containers that it took over: kept in its file."""

import sqlite3
import time
from contextlib import closing

from lightd.journal import identity
from lightd.journal.codec import Codec
from lightd.journal.sqlite import open_sqlite_journal


async def look(path, *adopted):
    async with open_sqlite_journal(path, Codec(), time.time) as journal:
        await identity.load(journal)
        for engine_id in adopted:
            await identity.adopt(journal, engine_id)
        return await identity.load(journal)


async def test_journal_keeps_its_id_and_every_journal_has_another(tmp_path):
    first = await look(tmp_path / "one.db")
    assert await look(tmp_path / "one.db") == first
    assert len(first.journal_id) == 32
    assert (await look(tmp_path / "two.db")).journal_id != first.journal_id


async def test_adopted_containers_are_kept(tmp_path):
    await look(tmp_path / "one.db")
    found = await look(tmp_path / "one.db", "c1", "c2", "c1")
    assert found.adopted == {"c1", "c2"}
    assert await look(tmp_path / "one.db") == found


async def test_copy_of_a_journal_has_its_id(tmp_path):
    found = await look(tmp_path / "one.db", "c1")
    with (
        closing(sqlite3.connect(tmp_path / "one.db")) as one,
        closing(sqlite3.connect(tmp_path / "copy.db")) as copy,
    ):
        one.backup(copy)
    (tmp_path / "copy.db").chmod(0o600)
    assert await look(tmp_path / "copy.db") == found
