"""Tables in the journal's file that are not part of the journal: cursors and the audit."""

import sqlite3
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Writer(Protocol):
    """The open journal."""

    async def between_commits(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return ``work(connection)``, run between two commits. Raises ``JournalUnavailable``."""


def in_transaction(connection: sqlite3.Connection, work: Callable[[], T], *, synced: bool) -> T:
    """Run ``work`` in one transaction and return its result; ``synced``: the data is on disk then."""
    if not synced:
        connection.execute("PRAGMA synchronous = NORMAL")
    try:
        connection.execute("BEGIN IMMEDIATE")
        result = work()
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if not synced:
            connection.execute("PRAGMA synchronous = FULL")
    return result
