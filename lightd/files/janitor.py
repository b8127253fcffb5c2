"""Removes what clients that disconnected and killed daemons left: at the start, and every few hours."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import attrs
import trio

from lightd.files.volumes import VolumeFolders

PARTS_KEPT: Final = 24 * 3600.0
"""Seconds during which an interrupted upload can be resumed."""

TICK: Final = 0.1
"""Seconds by which a file's time can be behind the clock."""

EVERY: Final = 6 * 3600.0


@attrs.define(eq=False)
class Janitor:
    """Sweeps volumes, one after the other; ``known`` returns their ids.

    ``swept`` is called after folders of deleted volumes were removed.
    """

    _folders: VolumeFolders
    _known: Callable[[], Collection[str]]
    _clock: Callable[[], float]
    _swept: Callable[[], Awaitable[None]]
    _called: trio.Event = attrs.field(factory=trio.Event)

    def call(self) -> None:
        """Notify the janitor that there is something to remove."""
        self._called.set()

    async def run(self) -> None:
        """Remove deleted volumes now and whenever called, and old parts now and every six hours.

        What a killed daemon was writing is removed now, except uploads with a name.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sweep_parts)
            while True:
                self._called = trio.Event()
                await self._folders.sweep_deleted(self._known)
                await self._swept()
                with trio.move_on_after(EVERY):
                    await self._called.wait()

    async def _sweep_parts(self) -> None:
        began = self._clock() - TICK
        while True:
            await self._folders.sweep_parts(self._known, self._clock() - PARTS_KEPT, began)
            began = 0.0  # if the clock is set back later, current files would appear to be older
            await trio.sleep(EVERY)
