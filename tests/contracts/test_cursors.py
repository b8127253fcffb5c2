"""The contract of cursors, over those in memory and those beside the journal; and what only a disk does."""

import sqlite3
import subprocess
import sys

import pytest
import trio

from actors.kernel.journal import Append, JournalUnavailable
from actors.remotesync.cursors import Cursor
from lightd.journal import sqlite
from lightd.journal.codec import Codec
from lightd.journal.cursors import SqliteCursorStore
from tests.contracts import cursor_checks
from tests.contracts.journal_checks import starts
from tests.support.doubles.memory import MemoryCursorStore

CHECKS = {name: check for name, check in vars(cursor_checks).items() if name.startswith("check_")}


def open_journal(path):
    return sqlite.open_sqlite_journal(path, Codec(), lambda: 1.0)


@pytest.mark.parametrize("name", CHECKS)
async def test_cursors_in_memory(name):
    await CHECKS[name](MemoryCursorStore())


@pytest.mark.parametrize("name", CHECKS)
async def test_cursors_beside_the_journal(name, journal_path):
    async with open_journal(journal_path) as journal:
        await CHECKS[name](SqliteCursorStore(journal))


async def test_cursor_is_there_when_the_journal_is_opened_again(journal_path):
    async with open_journal(journal_path) as journal:
        await SqliteCursorStore(journal).save("panel", 3, {"a": 1})
    async with open_journal(journal_path) as journal:
        assert await SqliteCursorStore(journal).load("panel") == Cursor(3, {"a": 1})


async def test_journal_from_before_there_were_cursors_gets_a_place_for_them(journal_path, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(sqlite, "SCHEMA", 1)
        async with open_journal(journal_path) as journal:
            await journal.commit([Append("a", 0, starts(1, 2))])
    async with open_journal(journal_path) as journal:
        assert await SqliteCursorStore(journal).load("panel") is None
        await cursor_checks.check_save_leaves_the_versions_that_it_does_not_name(SqliteCursorStore(journal))
        assert journal.head == 2


async def test_commit_after_a_save_waits_for_the_disk_as_ever(journal_path):
    async with open_journal(journal_path) as journal:
        await SqliteCursorStore(journal).save("panel", 1, {})
        assert journal._writer.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_save_beside_commits_disturbs_neither(journal_path):
    async with open_journal(journal_path) as journal, trio.open_nursery() as nursery:
        cursors = SqliteCursorStore(journal)

        async def save():
            for position in range(1, 51):
                await cursors.save("panel", position, {"a": position})

        nursery.start_soon(save)
        for version in range(50):
            await journal.commit([Append("a", version, starts(version, 1))])
    async with open_journal(journal_path) as journal:
        assert journal.head == 50
        assert await SqliteCursorStore(journal).load("panel") == Cursor(50, {"a": 50})


async def test_save_on_a_full_disk_is_an_outage_that_leaves_the_old_cursor_and_passes(journal_path):
    async with open_journal(journal_path) as journal:
        cursors = SqliteCursorStore(journal)
        await cursors.save("panel", 1, {"a": 1})
        pages = journal._writer.execute("PRAGMA page_count").fetchone()[0]
        journal._writer.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalUnavailable, match="full"):
            await cursors.save("panel", 2, {f"server-{number}": number for number in range(5000)})
        assert await cursors.load("panel") == Cursor(1, {"a": 1})
        assert journal._writer.execute("PRAGMA synchronous").fetchone() == (2,)
        journal._writer.execute("PRAGMA max_page_count = 1000000")
        await cursors.save("panel", 2, {})
        assert await cursors.load("panel") == Cursor(2, {"a": 1})


async def test_database_that_a_stranger_locks_is_an_outage(journal_path):
    async with open_journal(journal_path) as journal:
        journal._writer.execute("PRAGMA busy_timeout = 1")
        stranger = sqlite3.connect(journal_path, isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match="locked"):
            await SqliteCursorStore(journal).save("panel", 1, {})
        stranger.close()


async def test_cursor_outlives_a_process_that_was_killed(journal_path):
    story = """
import os, sys, time, trio
from pathlib import Path
from lightd.journal.codec import Codec
from lightd.journal.cursors import SqliteCursorStore
from lightd.journal.sqlite import open_sqlite_journal

async def main():
    async with open_sqlite_journal(Path(sys.argv[1]), Codec(), time.time) as journal:
        await SqliteCursorStore(journal).save("panel", 5, {"a": 4})
        os.kill(os.getpid(), 9)

trio.run(main)
"""
    await trio.run_process(
        [sys.executable, "-c", story, journal_path], check=False, stderr=subprocess.DEVNULL
    )
    async with open_journal(journal_path) as journal:
        assert await SqliteCursorStore(journal).load("panel") == Cursor(5, {"a": 4})
