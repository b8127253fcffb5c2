"""The journal in SQLite: WAL, ``synchronous=FULL``, one writer, one fsync for each batch.

1. Only one daemon can open a journal: it holds a lock on a file next to it.
2. Trio's thread never waits for the disk: every commit and every read runs in a worker thread. Each of the
   two connections is used by one thread at a time, and reads do not wait for a commit.
3. The WAL file is extended to its full length when the journal is opened. Commits then overwrite it, and
   their fsync does not wait for other activity in the file system.
4. A batch is one transaction. If SQLite fails (disk full, I/O error, locked, read-only), it is rolled back
   and raises ``JournalUnavailable``; the next batch can succeed. If the fsync itself failed, the records can
   still appear after a crash, as with any commit whose response is lost.
5. lightd assigns positions and versions, not SQLite, so that a rollback leaves no gap.
"""

import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Final, TypeVar

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
from lightd.journal.audit import AUDIT
from lightd.journal.codec import Codec
from lightd.journal.cursors import CURSORS
from lightd.journal.reading import Reader, reporting
from lightd.journal.tables import transaction

SCHEMA: Final = 5
MIGRATIONS: Final[Mapping[int, str]] = {
    1: "CREATE INDEX records_by_cause ON records (cause) WHERE cause IS NOT NULL;",  # for operations
    2: CURSORS,
    3: AUDIT,
    4: "CREATE INDEX records_by_stream ON records (stream);",  # by position, which is the rowid
}
"""SQL by the schema number that it migrates from; never edited after a release."""

T = TypeVar("T")

_FIND_STREAM = """
    SELECT id, (SELECT max(version) FROM records WHERE stream = streams.id) FROM streams WHERE name = ?
"""
_ADD_RECORD = """
    INSERT INTO records (position, stream, version, at, kind, schema, data, cause)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_WAL_FRAMES: Final = 1000  # the WAL is checkpointed when it is longer; the default of SQLite


class JournalRefused(Exception):  # noqa: N818 - named like its subclasses
    """The journal cannot be used as it is; an operator has to fix it."""


class JournalInUse(JournalRefused):
    """Another daemon has the journal open."""


class JournalTooNew(JournalRefused):
    """The journal was written by a newer version of lightd."""


class JournalBroken(JournalRefused):
    """The file is damaged, is not a journal, or is on an unsuitable file system."""


@attrs.define(eq=False)
class SqliteJournal(Reader):
    """A ``Journal`` in a database file. Created by ``open_sqlite_journal``."""

    _path: Path
    _clock: Callable[[], float]
    _writer: sqlite3.Connection
    _inode: int
    _head: int
    _writing: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))

    @property
    def head(self) -> int:
        """The position of the last record, 0 if there is none."""
        return self._head

    async def commit(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        """Record a batch durably, in one commit; see ``Journal.commit``.

        A cancellation before the commit began has an effect; after that it waits for the commit.
        """
        return await trio.to_thread.run_sync(self._commit, batch, limiter=self._writing)

    async def between_commits(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return ``work(connection)``, run between two commits; it must leave no transaction open.

        Raises ``JournalUnavailable``.
        """

        def work_safely() -> T:
            with reporting("use"):
                self._check_present()
                return work(self._writer)

        return await trio.to_thread.run_sync(work_safely, limiter=self._writing)

    def _commit(self, batch: Sequence[Append]) -> list[Outcome]:
        at = float(self._clock())
        head = self._head
        outcomes: list[Outcome] = []
        with reporting("write"):
            self._check_present()
            with transaction(self._writer):
                for append in batch:
                    outcome = self._append(append, head, at)
                    if not isinstance(outcome, Exception):
                        head += len(outcome)
                    outcomes.append(outcome)
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
        """Raise if the file was deleted or replaced: SQLite would continue to write to the deleted file."""
        try:
            present = self._path.stat().st_ino == self._inode
        except OSError:
            present = False
        if not present:
            raise JournalUnavailable(
                f"cannot write the journal {self._path}: the file was deleted or replaced; restart lightd"
            )


@asynccontextmanager
async def open_sqlite_journal(
    path: Path, codec: Codec, clock: Callable[[], float]
) -> AsyncIterator[SqliteJournal]:
    """Yield the journal in the file ``path``, created with mode 0600 if it is missing.

    ``clock`` returns Unix seconds and is called in a worker thread. Raises ``JournalRefused`` if the file
    cannot be used as it is, ``JournalUnavailable`` if it cannot be opened. On exit, the WAL is moved into the
    file.
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
    return SqliteJournal(codec, reader, path, clock, writer, inode, head)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of the journal at ``path``: a separate file, because closing a file drops SQLite's locks.

    The lock ends with the process; the empty file stays.
    """
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalInUse(f"the journal {path} is in use by another lightd; stop it first") from error
        yield
    finally:
        os.close(lock)


def _make_private(path: Path) -> int:
    """Create the file if it is missing; -wal and -shm get the same mode. Return its inode."""
    database = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(database, 0o600)
        return os.fstat(database).st_ino
    finally:
        os.close(database)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _set_up(writer: sqlite3.Connection, path: Path) -> None:
    killed = Path(f"{path}-wal").exists()  # it is removed by a regular shutdown
    schema: int = writer.execute("PRAGMA user_version").fetchone()[0]
    if schema > SCHEMA:
        raise JournalTooNew(
            f"the journal {path} has schema {schema}, this version supports up to {SCHEMA}; update lightd"
        )
    if schema == 0 and writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise JournalBroken(f"{path} is a database, but not a journal of lightd")
    if killed and (damage := writer.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise JournalBroken(f"the journal {path} is damaged; restore it from a backup: {damage}")
    if writer.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise JournalBroken(
            f"the journal {path} is on a file system without shared memory; move it to a local one"
        )
    writer.execute("PRAGMA synchronous = FULL")
    _migrate(writer, schema)
    with suppress(sqlite3.OperationalError):  # for example a full disk; later commits are slower then
        _lengthen_wal(writer)


def _lengthen_wal(writer: sqlite3.Connection) -> None:
    """Rewrite one page until the WAL has its full length; commits then start at its beginning.

    All records in the WAL are moved into the file and synced before that; without fsync only this page is
    written.
    """
    writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
    try:
        writer.execute("PRAGMA wal_autocheckpoint = 0")  # it would move records into the file without fsync
        writer.execute("PRAGMA synchronous = OFF")
        for _ in range(_WAL_FRAMES):
            writer.execute(f"PRAGMA user_version = {SCHEMA}")
    finally:
        writer.execute("PRAGMA synchronous = FULL")
        writer.execute(f"PRAGMA wal_autocheckpoint = {_WAL_FRAMES}")
    writer.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _migrate(writer: sqlite3.Connection, schema: int) -> None:
    """Migrate the database from ``schema``, 0 if it is empty, to ``SCHEMA``, in one transaction."""
    steps: list[str] = []
    if schema == 0:
        steps = [resources.files("lightd.journal").joinpath("schema.sql").read_text("utf-8")]
        schema = 1  # that of the file
    steps += [MIGRATIONS[number] for number in range(schema, SCHEMA)]
    if steps:
        script = ["BEGIN IMMEDIATE;", *steps, f"PRAGMA user_version = {SCHEMA};", "COMMIT;"]
        try:
            writer.executescript("\n".join(script))
        finally:
            if writer.in_transaction:
                writer.execute("ROLLBACK")


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise JournalUnavailable(f"cannot open the journal {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise JournalBroken(
            f"the journal {path} is damaged or not a journal; restore it from a backup: {error}"
        ) from error
