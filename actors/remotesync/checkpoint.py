"""The ledger: what is done is noted at once and saved in the background, all that waits at a time.

Every note has a number. Nobody has to wait until theirs is saved: who goes on tells at most a few things
again after the process was killed. What can't be saved is kept, and tried again each second.
"""

import logging

import attrs
import trio

from actors.kernel.ephemeral import Wake
from actors.kernel.journal import JournalUnavailable
from actors.remotesync.cursors import Cursors

logger = logging.getLogger(__name__)

RETRY = 1.0
LAST = 2.0
FAR = 10_000
"""Records that the mark may move on with nothing to tell, before it is saved all the same."""


@attrs.frozen
class _Note:
    number: int
    version: int | None


@attrs.define(eq=False)
class Checkpoints:
    """The cursor of ``name``: as it is, and how it is saved. ``run`` saves until it is cancelled."""

    name: str
    mark: int
    _cursors: Cursors
    _notes: dict[str, _Note] = attrs.field(factory=dict)
    _number: int = 0
    _saved: int = 0
    _saved_mark: int = attrs.field(init=False)
    _wake: Wake = attrs.field(factory=Wake)
    _work: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self._saved_mark = self.mark

    def note(self, server: str, version: int | None) -> int:
        """Note how far ``server`` is, None where it no longer lags; return the number of the note."""
        self._number += 1
        self._notes[server] = _Note(self._number, version)
        self._work.set()
        return self._number

    def advance(self, mark: int) -> None:
        """Move the mark on. By itself that isn't worth a save: what lies between is passed over again."""
        self.mark = mark
        if mark - self._saved_mark >= FAR:
            self._work.set()

    async def wait_saved(self, number: int) -> None:
        """Wait until the note of that number is saved."""
        while self._saved < number:
            await self._wake.wait()

    async def run(self) -> None:
        """Save what is noted, for ever; what is left at the end is saved then."""
        try:
            while True:
                await self._work.wait()
                if not await self._save():
                    await trio.sleep(RETRY)
        finally:
            with trio.move_on_after(LAST, shield=True):
                await self._save()

    async def _save(self) -> bool:
        """Save all notes that there are; false where they can't be saved now."""
        self._work = trio.Event()
        mark, number = self.mark, self._number
        changed = {server: note.version for server, note in self._notes.items()}
        try:
            await self._cursors.save(self.name, mark, changed)
        except JournalUnavailable as outage:
            logger.warning("how far the panel has been told can't be saved: %s", outage)
            self._work.set()
            return False
        self._notes = {server: note for server, note in self._notes.items() if note.number > number}
        self._saved, self._saved_mark = number, mark
        self._wake.notify()
        return True
