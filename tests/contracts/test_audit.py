"""The contract of audit tables, over the double and the one beside the journal; and what only a disk does."""

import subprocess
import sys

import pytest
import trio

from actors.kernel.journal import Append, JournalUnavailable
from lightd.audit.entry import Begun
from lightd.journal import sqlite
from lightd.journal.audit import SqliteAudit
from lightd.journal.codec import Codec
from tests.contracts import audit_checks
from tests.contracts.audit_checks import asked, ended
from tests.contracts.journal_checks import starts
from tests.support.doubles.audit import MemoryTable

CHECKS = {name: check for name, check in vars(audit_checks).items() if name.startswith("check_")}


def open_journal(path):
    return sqlite.open_sqlite_journal(path, Codec(), lambda: 1.0)


@pytest.mark.parametrize("name", CHECKS)
async def test_audits_in_memory(name):
    await CHECKS[name](MemoryTable())


@pytest.mark.parametrize("name", CHECKS)
async def test_audits_beside_the_journal(name, journal_path):
    async with open_journal(journal_path) as journal:
        await CHECKS[name](SqliteAudit(journal))


async def test_audit_is_no_part_of_the_records_and_leaves_their_positions_alone(journal_path):
    async with open_journal(journal_path) as journal:
        table = SqliteAudit(journal)
        await journal.commit([Append("a", 0, starts(1, 1))])
        await table.write([Begun(1, asked())], [ended(1), ended()])
        await journal.commit([Append("a", 1, starts(2, 1))])
        assert await table.prune(100.0, 1, 100) == 2
        await journal.commit([Append("b", 0, starts(1, 1))])
    async with open_journal(journal_path) as journal:
        assert journal.head == 3
        assert [one.position for one in await journal.read_all()] == [1, 2, 3]
        assert list(await journal.streams("")) == ["a", "b"]


async def test_journal_from_before_there_was_an_audit_gets_a_place_for_it(journal_path, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(sqlite, "SCHEMA", 3)
        async with open_journal(journal_path) as journal:
            await journal.commit([Append("a", 0, starts(1, 2))])
    async with open_journal(journal_path) as journal:
        await audit_checks.check_entry_is_read_back_as_it_was(SqliteAudit(journal))
        assert journal.head == 2


@pytest.mark.parametrize(("status", "synced"), [(200, True), (404, False), (None, True)])
async def test_only_what_was_carried_out_waits_for_the_disk(journal_path, status, synced):
    async with open_journal(journal_path) as journal:
        said = []
        journal._writer.set_trace_callback(said.append)
        await SqliteAudit(journal).write([], [ended(status=status)])
        assert ("PRAGMA synchronous = NORMAL" in said) is not synced
        assert journal._writer.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_full_disk_is_an_outage_that_leaves_nothing_half_written_and_passes(journal_path):
    async with open_journal(journal_path) as journal:
        table = SqliteAudit(journal)
        await table.write([Begun(1, asked())], [])
        pages = journal._writer.execute("PRAGMA page_count").fetchone()[0]
        journal._writer.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalUnavailable, match="full"):
            await table.write([], [ended(1), *[ended() for _ in range(5000)]])
        assert list(await table.read(0, 10)) == []
        assert journal._writer.execute("PRAGMA synchronous").fetchone() == (2,)
        journal._writer.execute("PRAGMA max_page_count = 1000000")
        await table.write([], [ended(1)])
        assert await table.interrupt() == 0


async def test_call_of_a_killed_process_is_told_by_the_next_one(journal_path):
    story = """
import os, sys, time, trio
from pathlib import Path
from lightd.audit.entry import Begun
from lightd.journal.audit import SqliteAudit
from lightd.journal.codec import Codec
from lightd.journal.sqlite import open_sqlite_journal
from tests.contracts.audit_checks import asked

async def main():
    async with open_sqlite_journal(Path(sys.argv[1]), Codec(), time.time) as journal:
        await SqliteAudit(journal).write([Begun(1, asked())], [])
        os.kill(os.getpid(), 9)

trio.run(main)
"""
    await trio.run_process(
        [sys.executable, "-c", story, journal_path], check=False, stderr=subprocess.DEVNULL
    )
    async with open_journal(journal_path) as journal:
        assert await SqliteAudit(journal).interrupt() == 1


async def test_commits_go_on_while_many_are_forgotten(journal_path):
    async with open_journal(journal_path) as journal:
        table = SqliteAudit(journal)
        await table.write([], [ended(at=0.0) for _ in range(5000)])
        committed = []

        async def prune():
            while await table.prune(100.0, 10**6, 500) == 500:
                committed.append(journal.head)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(prune)
            for version in range(20):
                await journal.commit([Append("a", version, starts(version, 1))])
        assert len(set(committed)) > 1
        assert list(await table.read(0, 1)) == []
