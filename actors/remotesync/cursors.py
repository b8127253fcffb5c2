"""How far a follower of the journal has come, and the Protocol of the place that keeps it. Pure.

A mark alone would be held up by the one server whose updates the panel won't take now, and all that others
were told beyond it would be told again after a restart. So there is a mark for all, and beside it one place
for each server that lags: what is recorded up to the mark is done, but for the servers that have a place.
"""

from collections.abc import Mapping
from typing import Protocol

import attrs


@attrs.frozen
class Cursor:
    """``mark`` is a position of the journal; ``lagging`` has the version up to which each stream is done."""

    mark: int
    lagging: Mapping[str, int] = attrs.field(factory=dict)


class Cursors(Protocol):
    """Where cursors are kept, by name. ``tests/contracts/cursor_checks.py`` is the contract in full."""

    async def load(self, name: str) -> Cursor | None:
        """Return the cursor, None where none was saved. Raises ``JournalUnavailable``."""

    async def save(self, name: str, mark: int, changed: Mapping[str, int | None]) -> None:
        """Set the mark, and the places of the servers in ``changed``; None takes one away. All or nothing.

        Once this returns it survives the end of the process, however that ends; a power loss may take the
        newest of it back, in order. Raises ``JournalUnavailable`` where nothing was saved.
        """


@attrs.define(eq=False)
class MemoryCursors:
    """Cursors that live as long as the process."""

    kept: dict[str, Cursor] = attrs.field(factory=dict)

    async def load(self, name: str) -> Cursor | None:
        """Return the cursor; see ``Cursors.load``."""
        return self.kept.get(name)

    async def save(self, name: str, mark: int, changed: Mapping[str, int | None]) -> None:
        """Set the mark and some places; see ``Cursors.save``."""
        before = self.kept.get(name, Cursor(0)).lagging
        lagging = {**before, **changed}
        self.kept[name] = Cursor(mark, {key: at for key, at in lagging.items() if at is not None})
