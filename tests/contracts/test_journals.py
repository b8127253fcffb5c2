"""The journal contract, over the journal in memory and the one on disk; and what only a disk does."""

import itertools
import sqlite3
import stat
import subprocess
import sys
import tracemalloc
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from actors.container.events import Exited, StartFailed, StartRequested
from actors.kernel.journal import Append, CorruptStream, JournalUnavailable, is_last
from lightd.journal import sqlite
from lightd.journal.codec import Codec, Kind
from lightd.journal.sqlite import open_sqlite_journal
from tests.contracts import journal_checks
from tests.contracts.journal_checks import starts
from tests.support.doubles.memory import MemoryJournal

CHECKS = {name: check for name, check in vars(journal_checks).items() if name.startswith("check_")}
WRITTEN = {name for name in CHECKS if "cannot_be_written" in name or "no_text" in name}


def ticking():
    """A clock that is a second further at every look."""
    return partial(next, itertools.count(1_700_000_000.25))


@asynccontextmanager
async def open_on_disk(path):
    async with open_sqlite_journal(path, Codec(), ticking()) as journal:
        yield journal


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in WRITTEN])
async def test_journal_in_memory(name):
    await CHECKS[name](MemoryJournal(ticking()))


@pytest.mark.parametrize("name", CHECKS)
async def test_journal_on_disk(name, journal_path):
    async with open_on_disk(journal_path) as journal:
        await CHECKS[name](journal)


async def test_journal_is_the_same_when_it_is_opened_again(journal_path):
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("b", 0, starts(1, 3), "cause"), Append("a", 0, starts(1, 2))])
        recorded = await journal.read_all()
    async with open_on_disk(journal_path) as journal:
        assert journal.head == 5
        assert await journal.read_all() == recorded
        assert await journal.streams("") == ["b", "a"]
        [[one]] = await journal.commit([Append("b", 3, starts(4, 1))])
        assert (one.position, one.version) == (6, 4)


async def test_journal_is_its_owners_alone_from_the_first_moment(journal_path):
    journal_path.parent.chmod(0o777)
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, starts(1, 1))])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in journal_path.parent.iterdir()}
    assert modes == dict.fromkeys(
        ["journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"], 0o600
    )


async def test_journal_that_others_could_read_is_closed_to_them(journal_path):
    journal_path.touch(0o644)
    async with open_on_disk(journal_path):
        assert stat.S_IMODE(journal_path.stat().st_mode) == 0o600


async def test_every_commit_is_on_the_disk_before_it_is_answered(journal_path):
    async with open_on_disk(journal_path) as journal:
        settings = [
            journal._writer.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "wal_autocheckpoint")
        ]
    assert settings == ["wal", 2, 1000]


async def test_second_daemon_on_the_journal_is_refused(journal_path):
    async with open_on_disk(journal_path) as journal:
        with pytest.raises(sqlite.JournalInUse, match=r"journal\.db is in use by another lightd"):
            async with open_on_disk(journal_path):
                pass
        await journal.commit([Append("a", 0, starts(1, 1))])
    async with open_on_disk(journal_path) as journal:
        assert journal.head == 1


async def test_second_daemon_is_refused_by_whatever_path_it_comes(journal_path):
    link = journal_path.parent / "link"
    async with open_on_disk(journal_path):
        link.symlink_to(journal_path)
        with pytest.raises(sqlite.JournalInUse):
            async with open_on_disk(link):
                pass


async def test_journal_of_a_newer_lightd_is_refused_and_left_as_it_is(journal_path):
    async with open_on_disk(journal_path):
        pass
    with sqlite3.connect(journal_path) as connection:
        connection.execute(f"PRAGMA user_version = {sqlite.SCHEMA + 1}")
    connection.close()
    before = journal_path.read_bytes()
    with pytest.raises(sqlite.JournalTooNew, match=f"has schema {sqlite.SCHEMA + 1}"):
        async with open_on_disk(journal_path):
            pass
    assert journal_path.read_bytes() == before


async def test_journal_of_an_older_lightd_is_migrated_step_by_step(journal_path, monkeypatch):
    known = sqlite.SCHEMA
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, starts(1, 1))])
    monkeypatch.setattr(sqlite, "SCHEMA", known + 2)
    monkeypatch.setattr(
        sqlite,
        "MIGRATIONS",
        {
            known: "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('from 1; to 2');",
            known + 1: "ALTER TABLE notes ADD COLUMN number INTEGER DEFAULT 3;",
        },
    )
    async with open_on_disk(journal_path) as journal:
        assert journal.head == 1
        assert journal._writer.execute("SELECT * FROM notes").fetchall() == [("from 1; to 2", 3)]
        assert journal._writer.execute("PRAGMA user_version").fetchone() == (known + 2,)


async def test_journal_of_the_first_schema_becomes_what_a_new_one_is(journal_path):
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, starts(1, 1), "mine")])
        expected = shape_of(journal)
        for index in ("records_by_cause", "records_by_stream"):
            journal._writer.execute(f"DROP INDEX {index}")
        for table in ("cursors", "audit", "audit_begun"):
            journal._writer.execute(f"DROP TABLE {table}")
        journal._writer.execute("PRAGMA user_version = 1")
    async with open_on_disk(journal_path) as journal:
        assert shape_of(journal) == expected
        assert len(await journal.read_caused("mine")) == 1


def shape_of(journal):
    return set(journal._writer.execute("SELECT type, name, tbl_name FROM sqlite_schema").fetchall())


async def test_migration_that_fails_leaves_the_journal_as_it_was(journal_path, monkeypatch):
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, starts(1, 1))])
    with monkeypatch.context() as later:
        present = sqlite.SCHEMA
        later.setattr(sqlite, "SCHEMA", present + 2)
        broken = {present: "CREATE TABLE notes (text TEXT);", present + 1: "DROP TABLE lost;"}
        later.setattr(sqlite, "MIGRATIONS", broken)
        with pytest.raises(JournalUnavailable, match="no such table: lost"):
            async with open_on_disk(journal_path):
                pass
    async with open_on_disk(journal_path) as journal:
        assert journal.head == 1
        assert journal._writer.execute("SELECT name FROM sqlite_schema WHERE name = 'notes'").fetchall() == []


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4080])
async def test_file_that_is_no_database_is_refused(journal_path, content):
    journal_path.write_bytes(content)
    with pytest.raises(sqlite.JournalBroken, match=r"journal\.db is damaged or not a journal"):
        async with open_on_disk(journal_path):
            pass
    assert journal_path.read_bytes() == content


async def test_database_that_is_no_journal_is_refused(journal_path):
    with sqlite3.connect(journal_path) as connection:
        connection.execute("CREATE TABLE recipes (text TEXT)")
    connection.close()
    with pytest.raises(sqlite.JournalBroken, match="is a database, but not a journal"):
        async with open_on_disk(journal_path):
            pass


async def test_journal_that_lost_its_end_is_refused(journal_path):
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, starts(1, 1000))])
    with journal_path.open("r+b") as file:
        file.truncate(journal_path.stat().st_size - 8192)
    with pytest.raises(sqlite.JournalBroken):
        async with open_on_disk(journal_path):
            pass


async def test_journal_damaged_within_is_refused_after_a_crash(journal_path):
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, starts(1, 1000))])
    with journal_path.open("r+b") as file:
        file.seek(journal_path.stat().st_size - 3 * 4096)
        file.write(b"\xa5" * 4096)
    journal_path.with_name("journal.db-wal").touch()
    with pytest.raises(sqlite.JournalBroken, match="is damaged"):
        async with open_on_disk(journal_path):
            pass


async def test_damage_that_is_met_later_is_told_when_it_is_read(journal_path):
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, starts(1, 1000))])
    with journal_path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (journal_path.stat().st_size - 2 * 4096 - 4096))
    with pytest.raises((sqlite.JournalBroken, JournalUnavailable), match=r"damaged|cannot read"):
        async with open_on_disk(journal_path) as journal:
            await journal.read_all()


async def test_file_system_where_wal_can_not_be_is_refused(journal_path, monkeypatch):
    in_memory = partial(sqlite3.connect, ":memory:", isolation_level=None, check_same_thread=False)
    monkeypatch.setattr(sqlite, "_connect", lambda _: in_memory())
    with pytest.raises(sqlite.JournalBroken, match="without shared memory"):
        async with open_on_disk(journal_path):
            pass


@pytest.mark.parametrize("place", ["missing/journal.db", "."])
async def test_place_where_no_file_can_be_is_an_outage(tmp_path, place):
    with pytest.raises(JournalUnavailable, match="cannot open"):
        async with open_on_disk(tmp_path / place):
            pass


def heavy(count):
    return tuple(StartFailed(run, "x" * 300_000) for run in range(count))


async def test_page_ends_with_the_record_that_makes_it_a_mebibyte(journal_path):
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, heavy(9))])
        sizes = []
        for read in (journal.read_all, partial(journal.read_stream, "a"), partial(journal.read_since, "a")):
            after, pages = 0, []
            while page := await read(after, 1000):
                pages.append(len(page))
                after = page[-1].position
                sizes += [one.size for one in page]
                assert is_last(page, 1000) is (after == 9 and len(page) < 4)
            assert pages == [4, 4, 1]
        assert set(sizes) == {300_000 + len('{"run":0,"reason":""}')}


async def test_page_of_a_journal_of_crashes_takes_the_memory_of_that_page(journal_path):
    crash = Exited(1, 1, False, False, 1.0, 2.0, "it ended", tuple("w" * 500 for _ in range(20)))
    async with open_on_disk(journal_path) as journal:
        for version in range(0, 10_000, 1000):
            await journal.commit([Append("a", version, (crash,) * 1000)])
        tracemalloc.start()
        try:
            after, count = 0, 0
            while page := await journal.read_since("a", after, 1000, printed=False):
                after, count = page[-1].position, count + len(page)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert count == 10_000
    assert peak < 5_000_000  # the records have a hundred million bytes of texts


async def test_full_disk_is_an_outage_that_leaves_nothing_and_passes(journal_path):
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, starts(1, 1))])
        pages = journal._writer.execute("PRAGMA page_count").fetchone()[0]
        journal._writer.execute(f"PRAGMA max_page_count = {pages}")
        for _ in range(3):
            with pytest.raises(JournalUnavailable, match="full"):
                await journal.commit([Append("b", 0, starts(1, 1)), Append("a", 1, starts(2, 1000))])
        assert journal.head == 1
        assert await journal.streams("") == ["a"]
        journal._writer.execute("PRAGMA max_page_count = 1000000")
        [[one], _] = await journal.commit([Append("b", 0, starts(1, 1)), Append("a", 1, starts(2, 1000))])
        assert one.position == 2
        assert len(await journal.read_all(0, 2000)) == journal.head == 1002


async def test_database_that_refuses_to_be_written_is_an_outage_that_passes(journal_path):
    async with open_on_disk(journal_path) as journal:
        journal._writer.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalUnavailable, match="readonly"):
            await journal.commit([Append("a", 0, starts(1, 1))])
        journal._writer.execute("PRAGMA query_only = OFF")
        [[one]] = await journal.commit([Append("a", 0, starts(1, 1))])
        assert one.position == 1


async def test_stranger_who_locks_the_database_is_an_outage_that_passes(journal_path):
    async with open_on_disk(journal_path) as journal:
        journal._writer.execute("PRAGMA busy_timeout = 1")
        stranger = sqlite3.connect(journal_path, isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match="locked"):
            await journal.commit([Append("a", 0, starts(1, 1))])
        assert await journal.read_all() == []
        stranger.close()
        assert journal.head == 0
        await journal.commit([Append("a", 0, starts(1, 1))])
        assert journal.head == 1


async def test_file_that_is_gone_is_an_outage_and_not_written_to(journal_path):
    async with open_on_disk(journal_path) as journal:
        away = journal_path.rename(journal_path.with_name("away"))
        with pytest.raises(JournalUnavailable, match="was deleted or replaced"):
            await journal.commit([Append("a", 0, starts(1, 1))])
        journal_path.touch()
        with pytest.raises(JournalUnavailable, match="was deleted or replaced"):
            await journal.commit([Append("a", 0, starts(1, 1))])
        away.rename(journal_path)
        await journal.commit([Append("a", 0, starts(1, 1))])
        assert journal.head == 1


async def test_writer_who_passed_by_the_lock_is_a_crash_not_a_second_truth(journal_path):
    async with open_on_disk(journal_path) as journal:
        await journal.commit([Append("a", 0, starts(1, 1))])
        stranger = sqlite3.connect(journal_path, isolation_level=None)
        stranger.execute(
            "INSERT INTO records SELECT 2, stream, 2, at, kind, schema, data, cause FROM records"
        )
        stranger.close()
        for _ in range(2):
            with pytest.raises(sqlite3.IntegrityError):
                await journal.commit([Append("b", 0, starts(1, 1))])
        assert [one.position for one in await journal.read_all()] == [1, 2]


async def test_event_that_nobody_knows_names_its_place(journal_path):
    old = Codec([Kind("container.start-failed", StartFailed), Kind("container.sang", StartRequested)])
    async with open_sqlite_journal(journal_path, old, ticking()) as journal:
        await journal.commit([Append("a", 0, (StartFailed(1, "no"), StartRequested(1)))])
    async with open_on_disk(journal_path) as journal:
        with pytest.raises(CorruptStream, match=r"stream a, position 2: container\.sang is not a known kind"):
            await journal.read_stream("a")
        assert len(await journal.read_all(0, 1)) == 1


async def test_cancelled_commit_has_ended_before_the_cancellation_is_felt(journal_path):
    async with open_on_disk(journal_path) as journal:
        scope = trio.CancelScope()

        def clock():
            trio.from_thread.run_sync(scope.cancel)
            return 1.0

        journal._clock = clock
        with scope:
            outcomes = await journal.commit([Append("a", 0, starts(1, 1))])
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert len(outcomes) == journal.head == 1


async def test_write_ahead_log_of_a_killed_process_is_read(journal_path):
    story = """
import os, sys, time, trio
from pathlib import Path
from actors.container.events import StartRequested
from actors.kernel.journal import Append
from lightd.journal.codec import Codec
from lightd.journal.sqlite import open_sqlite_journal

async def main():
    async with open_sqlite_journal(Path(sys.argv[1]), Codec(), time.time) as journal:
        await journal.commit([Append("a", 0, (StartRequested(1), StartRequested(2)))])
        os.kill(os.getpid(), 9)

trio.run(main)
"""
    await trio.run_process(
        [sys.executable, "-c", story, journal_path], check=False, stderr=subprocess.DEVNULL
    )
    assert journal_path.with_name("journal.db-wal").stat().st_size > 0
    async with open_on_disk(journal_path) as journal:
        assert journal.head == 2
        assert [one.event for one in await journal.read_all()] == [StartRequested(1), StartRequested(2)]
    assert not journal_path.with_name("journal.db-wal").exists()
