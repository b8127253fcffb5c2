"""Who tidies up behind clients that left and daemons that were killed: at the start, and every few hours."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import attrs
import trio

from lightd.files.volumes import VolumeFolders

PARTS_KEPT: Final = 24 * 3600.0
"""Seconds for which an upload that broke off may be taken up again."""

TICK: Final = 0.1
"""Seconds by which a file's time may be behind the clock."""

EVERY: Final = 6 * 3600.0


@attrs.define(eq=False)
class Janitor:
    """Sweeps volumes, one after the other; ``known`` tells which there are.

    ``swept`` is called when folders of deleted volumes were taken away.
    """

    _folders: VolumeFolders
    _known: Callable[[], Collection[str]]
    _clock: Callable[[], float]
    _swept: Callable[[], Awaitable[None]]
    _called: trio.Event = attrs.field(factory=trio.Event)

    def call(self) -> None:
        """There is something to take away."""
        self._called.set()

    async def run(self) -> None:
        """Take away deleted volumes now and whenever called, and old parts now and every six hours.

        What a daemon that was killed was writing is taken away now, but for uploads that have a name.
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
            began = 0.0  # the clock may be set back later, and then what is being written would be older
            await trio.sleep(EVERY)
