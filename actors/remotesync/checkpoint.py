"""Checkpoints: how far updates were sent, set at once and saved in the background, all unsaved ones together.

Each checkpoint has a number, by which a task can wait until it is saved. A checkpoint that cannot be saved is
kept and tried again after ``RETRY`` seconds.
"""

import logging

import attrs
import trio

from actors.kernel.ephemeral import Wake
from actors.kernel.journal import JournalUnavailable
from actors.remotesync.cursors import CursorStore

logger = logging.getLogger(__name__)

RETRY = 1.0
SHUTDOWN_SAVE = 2.0
"""Seconds that the last save can take after a cancellation."""
SAVE_EVERY = 10_000
"""Records by which the position can advance without an update before it is saved."""


@attrs.frozen
class _Checkpoint:
    number: int
    version: int | None


@attrs.define(eq=False)
class Checkpoints:
    """The current cursor of ``name``; ``run`` saves it until it is cancelled."""

    name: str
    position: int
    _cursors: CursorStore
    _unsaved: dict[str, _Checkpoint] = attrs.field(factory=dict)
    _number: int = 0
    _saved: int = 0
    _saved_position: int = attrs.field(init=False)
    _wake: Wake = attrs.field(factory=Wake)
    _work: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self._saved_position = self.position

    def set(self, server: str, version: int | None) -> int:
        """Set how far the updates of ``server`` are sent, None if none is pending; return its number."""
        self._number += 1
        self._unsaved[server] = _Checkpoint(self._number, version)
        self._work.set()
        return self._number

    def advance(self, position: int) -> None:
        """Advance the position. It is saved with the next checkpoint, or after ``SAVE_EVERY`` records."""
        self.position = position
        if position - self._saved_position >= SAVE_EVERY:
            self._work.set()

    async def wait_saved(self, number: int) -> None:
        """Wait until the checkpoint of that number is saved."""
        while self._saved < number:
            await self._wake.wait()

    async def run(self) -> None:
        """Save checkpoints until cancelled, and the remaining ones then."""
        try:
            while True:
                await self._work.wait()
                if not await self._save():
                    await trio.sleep(RETRY)
        finally:
            with trio.move_on_after(SHUTDOWN_SAVE, shield=True):
                await self._save()

    async def _save(self) -> bool:
        """Save all checkpoints; return false if they cannot be saved now."""
        self._work = trio.Event()
        position, number = self.position, self._number
        changed = {server: checkpoint.version for server, checkpoint in self._unsaved.items()}
        try:
            await self._cursors.save(self.name, position, changed)
        except JournalUnavailable as outage:
            logger.warning("cannot save the cursor of %s, retrying: %s", self.name, outage)
            self._work.set()
            return False
        self._unsaved = {
            server: checkpoint for server, checkpoint in self._unsaved.items() if checkpoint.number > number
        }
        self._saved, self._saved_position = number, position
        self._wake.notify()
        return True
