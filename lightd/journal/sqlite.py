"""The journal in SQLite: WAL, ``synchronous=FULL``, one writer, one fsync for a whole batch.

1. One daemon a journal: whoever opens it holds a lock on a file beside it until the end.
2. Nothing here waits on the disk in Trio's thread: a commit or a read is one hop to a worker thread. The
   two connections are used by one thread at a time, and reads don't wait for a commit that is under way.
3. The WAL is made as long as it ever gets before it is used. A commit then overwrites what is there: its
   fsync has no file to lengthen, and does not wait for what others do to the file system.
4. A batch is one transaction. What SQLite can't do (disk full, I/O error, locked, read-only) rolls it back
   and is ``JournalUnavailable``; the next batch may work again. Where the very fsync failed, the records
   may come to light after a crash all the same, as with any commit whose answer is lost.
5. Positions and versions are written by us, not by SQLite, so that a rollback leaves no gap.
"""

import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import trio

from actors.kernel.journal import (
    Append,
    CorruptStream,
    JournalUnavailable,
    Outcome,
    Recorded,
    VersionConflict,
)
from lightd.journal.codec import Codec
from lightd.journal.migrations import MIGRATIONS
from lightd.journal.reading import Reader, reporting

SCHEMA: Final = 5

T = TypeVar("T")

_FIND_STREAM = """
    SELECT id, (SELECT max(version) FROM records WHERE stream = streams.id) FROM streams WHERE name = ?
"""
_ADD_RECORD = """
    INSERT INTO records (position, stream, version, at, kind, schema, data, cause)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_WAL_FRAMES: Final = 1000  # beyond so many SQLite moves them into the file, by itself as by default


class JournalRefused(Exception):  # noqa: N818 - names what becomes of it, like its siblings
    """The journal can't be used as it is found; an operator has to look at it."""


class JournalInUse(JournalRefused):
    """Another daemon has the journal open."""


class JournalTooNew(JournalRefused):
    """The journal was written by a newer lightd."""


class JournalBroken(JournalRefused):
    """The file is damaged, is no journal, or lies where SQLite can't keep one."""


@attrs.define(eq=False)
class SqliteJournal:
    """A ``Journal`` in a database file. Made by ``open_sqlite_journal``."""

    _path: Path
    _codec: Codec
    _clock: Callable[[], float]
    _writer: sqlite3.Connection
    _reader: Reader
    _inode: int
    _head: int
    _writing: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))

    @property
    def head(self) -> int:
        """The position of the last record, 0 when there is none."""
        return self._head

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        """Record a batch durably, in one commit; see ``Journal.commit``.

        Cancelled before it began it does nothing; once begun it is waited for, and answers.
        """
        return await trio.to_thread.run_sync(self._commit, batch, limiter=self._writing)

    async def read_stream(
        self, stream: str, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return records of one stream; see ``Journal.read_stream``. Raises ``CorruptStream``."""
        return await self._reader.read_stream(stream, after, limit, printed=printed)

    async def read_since(
        self, stream: str, position: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return records of one stream; see ``Journal.read_since``. Raises ``CorruptStream``."""
        return await self._reader.read_since(stream, position, limit, printed=printed)

    async def read_all(
        self, after: int = 0, limit: int = 1000, *, printed: bool = True
    ) -> Sequence[Recorded]:
        """Return records of all streams; see ``Journal.read_all``. Raises ``CorruptStream``."""
        return await self._reader.read_all(after, limit, printed=printed)

    async def read_caused(self, cause: str) -> Sequence[Recorded]:
        """Return records of one cause; see ``Journal.read_caused``. Raises ``CorruptStream``."""
        return await self._reader.read_caused(cause)

    async def streams(self, prefix: str) -> Sequence[str]:
        """Return the streams that start with ``prefix``; see ``Journal.streams``."""
        return await self._reader.streams(prefix)

    async def look(self, query: str, *values: str | float) -> list[Any]:
        """Return the rows that ``query`` finds, in nobody's way who writes; raises ``JournalUnavailable``."""
        return await self._reader.look(query, values)

    async def beside(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return ``work(connection)``, done between two commits; it leaves no transaction open.

        Raises ``JournalUnavailable``.
        """

        def work_safely() -> T:
            with reporting("used"):
                self._check_present()
                return work(self._writer)

        return await trio.to_thread.run_sync(work_safely, limiter=self._writing)

    def _commit(self, batch: Sequence[Append]) -> list[Outcome]:
        at = float(self._clock())
        head = self._head
        outcomes: list[Outcome] = []
        with reporting("written"):
            self._check_present()
            with _rolled_back_on_error(self._writer):
                self._writer.execute("BEGIN IMMEDIATE")
                for append in batch:
                    outcome = self._append(append, head, at)
                    if not isinstance(outcome, Exception):
                        head += len(outcome)
                    outcomes.append(outcome)
                self._writer.execute("COMMIT")
        self._head = head
        return outcomes

    def _append(self, append: Append, head: int, at: float) -> Outcome:
        try:
            encoded = [self._codec.encode(event) for event in append.events]
            f"{append.stream}{append.cause}".encode()
        except (CorruptStream, UnicodeEncodeError) as error:
            return CorruptStream(f"stream {append.stream!r}: {error}")
        row = self._writer.execute(_FIND_STREAM, (append.stream,)).fetchone()
        stream, version = row or (None, 0)
        if version != append.after:
            return VersionConflict(append.stream, append.after, version)
        if not append.events:
            return ()
        if stream is None:
            stream = self._writer.execute("INSERT INTO streams (name) VALUES (?)", (append.stream,)).lastrowid
        recorded = tuple(
            Recorded(head + n, append.stream, version + n, at, event, append.cause, len(data))
            for n, (event, (_, _, data)) in enumerate(zip(append.events, encoded, strict=True), start=1)
        )
        self._writer.executemany(
            _ADD_RECORD,
            [
                (record.position, stream, record.version, at, kind, schema, data, record.cause)
                for record, (kind, schema, data) in zip(recorded, encoded, strict=True)
            ],
        )
        return recorded

    def _check_present(self) -> None:
        """Raise where the file was deleted or replaced: SQLite would go on writing to what is gone."""
        try:
            present = self._path.stat().st_ino == self._inode
        except OSError:
            present = False
        if not present:
            raise JournalUnavailable(f"the journal can't be written: {self._path} is gone")


@asynccontextmanager
async def open_sqlite_journal(
    path: Path, codec: Codec, clock: Callable[[], float]
) -> AsyncIterator[SqliteJournal]:
    """Yield the journal in the file ``path``, made where it is missing, readable by its owner alone.

    ``clock`` returns Unix seconds and is called in a worker thread. Raises ``JournalRefused`` where the
    file can't be used as it is, ``JournalUnavailable`` where it can't be opened. On leaving, what the WAL
    has is moved into the file.
    """
    stack = ExitStack()
    try:
        yield await trio.to_thread.run_sync(_open, stack, path, codec, clock)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(stack.close)


def _open(stack: ExitStack, path: Path, codec: Codec, clock: Callable[[], float]) -> SqliteJournal:
    path = path.resolve()
    with _opening(path):
        stack.enter_context(_locked(path))
        inode = _make_private(path)
        writer = stack.enter_context(closing(_connect(path)))
        _set_up(writer, path)
        head = writer.execute("SELECT coalesce(max(position), 0) FROM records").fetchone()[0]
        reader = stack.enter_context(closing(_connect(path)))
        reader.execute("PRAGMA query_only = ON")
    return SqliteJournal(path, codec, clock, writer, Reader(codec, reader), inode, head)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside ``path``. It is a file of its own, for SQLite's locks die when a file is closed.

    It ends with the process, however that ends, and the empty file stays.
    """
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalInUse(f"the journal {path} is in use by another lightd") from error
        yield
    finally:
        os.close(lock)


def _make_private(path: Path) -> int:
    """Make the file where it is missing; its -wal and -shm take their mode from it. Return its inode."""
    database = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(database, 0o600)
        return os.fstat(database).st_ino
    finally:
        os.close(database)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _set_up(writer: sqlite3.Connection, path: Path) -> None:
    killed = Path(f"{path}-wal").exists()  # a clean end leaves none
    schema: int = writer.execute("PRAGMA user_version").fetchone()[0]
    if schema > SCHEMA:
        raise JournalTooNew(f"the journal {path} has schema {schema}, this lightd knows {SCHEMA}: update it")
    if schema == 0 and writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise JournalBroken(f"{path} is a database, but no journal")
    if killed and (damage := writer.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise JournalBroken(f"the journal {path} is damaged: {damage}")
    if writer.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise JournalBroken(f"the journal {path} lies on a file system that can't share memory")
    writer.execute("PRAGMA synchronous = FULL")
    _migrate(writer, schema)
    with suppress(sqlite3.OperationalError):  # a full disk, say: it only makes later commits slower
        _lengthen_wal(writer)


def _lengthen_wal(writer: sqlite3.Connection) -> None:
    """Write a page of the file over and over until the WAL has its full length; commits then begin it anew.

    What the WAL holds is in the file before that, and safely there: without fsync nothing else is written.
    """
    writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
    try:
        writer.execute("PRAGMA wal_autocheckpoint = 0")  # it would move records without fsync
        writer.execute("PRAGMA synchronous = OFF")
        for _ in range(_WAL_FRAMES):
            writer.execute(f"PRAGMA user_version = {SCHEMA}")
    finally:
        writer.execute("PRAGMA synchronous = FULL")
        writer.execute(f"PRAGMA wal_autocheckpoint = {_WAL_FRAMES}")
    writer.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _migrate(writer: sqlite3.Connection, schema: int) -> None:
    """Bring the database from ``schema``, 0 where it is empty, to ``SCHEMA``: wholly or not at all."""
    steps: list[str] = []
    if schema == 0:
        steps = [resources.files("lightd.journal").joinpath("schema.sql").read_text("utf-8")]
        schema = 1  # what that file makes
    steps += [MIGRATIONS[number] for number in range(schema, SCHEMA)]
    if steps:
        with _rolled_back_on_error(writer):
            script = ["BEGIN IMMEDIATE;", *steps, f"PRAGMA user_version = {SCHEMA};", "COMMIT;"]
            writer.executescript("\n".join(script))


@contextmanager
def _rolled_back_on_error(writer: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    finally:
        if writer.in_transaction:  # SQLite itself has rolled back after some errors
            writer.execute("ROLLBACK")


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise JournalUnavailable(f"the journal {path} can't be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        raise JournalBroken(f"the journal {path} is damaged or is none: {error}") from error
