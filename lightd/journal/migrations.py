"""What leads from one schema of the journal's file to the next: never edited once a lightd had it."""

from collections.abc import Mapping
from typing import Final

from lightd.journal.audit import AUDIT
from lightd.journal.cursors import CURSORS

MIGRATIONS: Final[Mapping[int, str]] = {
    1: "CREATE INDEX records_by_cause ON records (cause) WHERE cause IS NOT NULL;",  # finds operations
    2: CURSORS,
    3: AUDIT,
    4: "CREATE INDEX records_by_stream ON records (stream);",  # and by position, which is the rowid
}
"""SQL by the number of the schema that it leads away from."""
