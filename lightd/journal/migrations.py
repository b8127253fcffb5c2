"""Migrations of the journal's file from one schema to the next; never edited after a release."""

from collections.abc import Mapping
from typing import Final

from lightd.journal.audit import AUDIT
from lightd.journal.cursors import CURSORS

MIGRATIONS: Final[Mapping[int, str]] = {
    1: "CREATE INDEX records_by_cause ON records (cause) WHERE cause IS NOT NULL;",  # for operations
    2: CURSORS,
    3: AUDIT,
    4: "CREATE INDEX records_by_stream ON records (stream);",  # by position, which is the rowid
}
"""SQL by the schema number that it migrates from."""
