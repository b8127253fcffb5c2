"""Tables in the journal's file that are not part of the journal: cursors and the audit."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Writer(Protocol):
    """The open journal."""

    async def between_commits(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return ``work(connection)``, run between two commits. Raises ``JournalUnavailable``."""


@contextmanager
def transaction(connection: sqlite3.Connection, *, synced: bool = True) -> Iterator[None]:
    """Run the block in one transaction; it is on disk after the block if ``synced``."""
    if not synced:
        connection.execute("PRAGMA synchronous = NORMAL")
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # SQLite rolls back by itself after some errors
            connection.execute("ROLLBACK")
        if not synced:
            connection.execute("PRAGMA synchronous = FULL")
