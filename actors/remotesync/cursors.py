"""How far a subscriber has followed the journal, and the Protocol of the store that keeps it. Pure.

One position alone would be held back by a single server whose updates the panel does not accept, and after a
restart all later updates of other servers would be sent again. So a cursor has one position for all servers,
and a version for each server with pending updates: what is recorded up to the position is sent, except for
these servers.
"""

from collections.abc import Mapping
from typing import Protocol

import attrs


@attrs.frozen
class Cursor:
    """``position`` is one of the journal; ``pending`` has the version up to which each stream is sent."""

    position: int
    pending: Mapping[str, int] = attrs.field(factory=dict)


class CursorStore(Protocol):
    """Keeps cursors by name. ``tests/contracts/cursor_checks.py`` is the complete contract."""

    async def load(self, name: str) -> Cursor | None:
        """Return the cursor, None if none was saved. Raises ``JournalUnavailable``."""

    async def save(self, name: str, position: int, changed: Mapping[str, int | None]) -> None:
        """Set the position and the versions of the servers in ``changed``; None removes one. All or nothing.

        What was saved survives the end of the process; a power failure can take back the newest saves, in
        order. Raises ``JournalUnavailable`` if nothing was saved.
        """
