"""Reads a journal from outside its daemon, without writing to it or delaying its writer.

1. A journal that is not open is one file; it is read without locks, and no file is created next to it.
2. A journal that is open, or whose daemon was killed, has a ``-wal`` file and is read like by any reader of
   SQLite. That needs the permissions of the journal's owner.
3. The check for damage takes long in a large journal; it stops when its time limit is reached.
"""

import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

import attrs

from actors.kernel.journal import CorruptStream
from actors.portpool import decider as portpool
from actors.portpool.condensed import Condensed
from lightd.journal.codec import Codec
from lightd.journal.sqlite import SCHEMA

_POOL: Final = """
    SELECT kind, schema, data FROM records JOIN streams ON records.stream = streams.id
    WHERE name = 'portpool' ORDER BY version
"""
_LAST: Final = """
    SELECT coalesce(max(position), 0), (SELECT at FROM records ORDER BY position DESC LIMIT 1) FROM records
"""
_CONTAINERS: Final = """
    SELECT name, (SELECT kind FROM records WHERE stream = streams.id ORDER BY version DESC LIMIT 1)
    FROM streams WHERE name LIKE 'container-%'
"""
_VOLUMES: Final = """
    SELECT kind, json_extract(CAST(data AS TEXT), '$.volume_id')
    FROM records JOIN streams ON records.stream = streams.id
    WHERE name = 'volumes' AND kind IN ('volumes.volume-created', 'volumes.volume-deleted') ORDER BY version
"""
_STEPS: Final = 10_000  # of SQLite's virtual machine between two checks of the time


class JournalUnreadable(Exception):  # noqa: N818 - names what was found
    """The journal cannot be read; the message says why."""


@attrs.frozen
class Inspected:
    """The result of an inspection. ``damage`` is a sentence or None, ``complete`` whether all was checked.

    ``last_at`` is when the last record was written, in Unix seconds.
    """

    schema: int
    newest_schema: int
    records: int
    last_at: float | None
    damage: str | None
    complete: bool


def inspect(path: Path, seconds: float) -> Inspected:
    """Check the journal for at most ``seconds``; blocks. Raises ``JournalUnreadable``."""
    with closing(_open(path)) as reader:
        try:
            schema = reader.execute("PRAGMA user_version").fetchone()[0]
            records, last_at = reader.execute(_LAST).fetchone()
            damage, complete = _damage(reader, seconds)
        except sqlite3.DatabaseError as error:
            return Inspected(0, SCHEMA, 0, None, str(error), complete=True)
        return Inspected(schema, SCHEMA, records, last_at, damage, complete)


def _damage(reader: sqlite3.Connection, seconds: float) -> tuple[str | None, bool]:
    deadline = time.monotonic() + seconds
    reader.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
    try:
        found = str(reader.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return None, False
    return (None if found == "ok" else found), True


def read_pool(path: Path) -> portpool.State:
    """Return the port pool in the journal; blocks. Raises ``JournalUnreadable``."""
    codec, state = Codec(), portpool.State()
    with closing(_open(path)) as reader:
        try:
            for kind, schema, data in reader.execute(_POOL):
                event = codec.decode(kind, schema, data)
                state = (
                    event.to_state() if isinstance(event, Condensed) else portpool.evolve(state, event)  # type: ignore[arg-type]  # an event of this stream
                )
        except (sqlite3.DatabaseError, CorruptStream) as error:
            raise JournalUnreadable(str(error)) from error
    return state


@attrs.frozen
class Known:
    """What a journal has: the ids of its containers and volumes, and its own id.

    ``adopted`` are the engine ids of containers that it adopted.
    """

    containers: frozenset[str]
    journal_id: str = ""
    adopted: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()


def read_known(path: Path) -> Known:
    """The containers that the journal knows; raises ``JournalUnreadable``. It blocks."""
    with closing(_open(path)) as reader:
        try:
            last = reader.execute(_CONTAINERS).fetchall()
            kinds = {volume_id: kind for kind, volume_id in reader.execute(_VOLUMES)}
            volumes = frozenset(each for each, kind in kinds.items() if kind == "volumes.volume-created")
            tables = {name for (name,) in reader.execute("SELECT name FROM sqlite_master")}
            if not {"identity", "adopted"} <= tables:  # an older lightd wrote it
                return Known(_to_known(last), volumes=volumes)
            journal_id = reader.execute("SELECT journal_id FROM identity").fetchone()
            adopted = frozenset(engine_id for (engine_id,) in reader.execute("SELECT engine_id FROM adopted"))
        except sqlite3.DatabaseError as error:
            raise JournalUnreadable(str(error)) from error
    return Known(_to_known(last), "" if journal_id is None else journal_id[0], adopted, volumes)


def _to_known(rows: Iterable[tuple[str, str]]) -> frozenset[str]:
    return frozenset(name.removeprefix("container-") for name, kind in rows if kind != "container.deleted")


def _open(path: Path) -> sqlite3.Connection:
    if not os.access(path, os.R_OK):
        reason = "permission denied" if path.exists() else "the file does not exist"
        raise JournalUnreadable(reason)
    alone = not Path(f"{path}-wal").exists()
    mode = "mode=ro&immutable=1" if alone else "mode=ro"
    try:
        reader = sqlite3.connect(
            f"file:{quote(str(path))}?{mode}",
            uri=True,
            isolation_level=None,
            timeout=1,
            check_same_thread=False,
        )
        reader.execute("PRAGMA query_only = ON")
    except sqlite3.DatabaseError as error:
        raise JournalUnreadable(str(error)) from error
    return reader


def holder(path: Path, proc: Path = Path("/proc")) -> int | None:
    """Return the process id of the daemon that has the journal open, None if there is none or it is unknown.

    Read from ``/proc/locks`` (proc_locks(5)), because taking the lock could prevent a daemon from starting.
    """
    try:
        lock = Path(f"{path}.lock").stat()
        locks = (proc / "locks").read_text()
    except OSError:
        return None
    file = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}"
    for line in locks.splitlines():
        match line.split():
            case [_, "FLOCK", "ADVISORY", "WRITE", number, where, *_] if where == file:
                return int(number)
    return None
