"""Where the volumes' folders are, and the jailed way into each.

All work is done in threads, and each volume has its own bounds beneath the daemon's: a volume whose disk
hangs holds a few threads, and whoever asks for another volume has the rest.

- Quick work (one file, one folder, one piece of a transfer): ``QUICK`` at once, ``QUICK_IN_ONE`` in a volume.
- Long work (trees) gets a pace, which ends it when its caller is cancelled: ``LONG``, ``LONG_IN_ONE``.
- Archives are made and unpacked by processes: ``ARCHIVES`` at once, one in a volume.
- What waits at a bound waits in the order in which it came, and holds no thread.

A volume is deleted by renaming its folder to ``.deleted-<id>``, recording that, and then taking away what is
in it. A crash before the record is undone by ``restore``, one after it is finished by ``sweep_deleted``.
"""

import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import attrs
import trio

from lightd.files import errors
from lightd.files.deleting import Pace, delete_at
from lightd.files.jail import Guard, Jail, held, open_jail
from lightd.files.resolve import LOOK
from lightd.files.uploads import sweep_parts

T = TypeVar("T")

logger = logging.getLogger(__name__)

QUICK: Final = 32
QUICK_IN_ONE: Final = 4
LONG: Final = 8
LONG_IN_ONE: Final = 2
ARCHIVES: Final = 4
DELETED: Final = ".deleted-"


@attrs.define(eq=False)
class Lane:
    """The bounds of one volume."""

    quick: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(QUICK_IN_ONE))
    long: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(LONG_IN_ONE))
    archive: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))
    placing: Guard = attrs.field(factory=threading.Lock)


Writing = Callable[[str, int], AbstractAsyncContextManager[Any]]


def unbounded(_volume_id: str, _count: int) -> AbstractAsyncContextManager[Any]:
    """There is always room: nobody accounts for what is in a volume."""
    return nullcontext()


@attrs.define(eq=False)
class VolumeFolders:
    """The folder of each volume beneath ``root``.

    ``writing(volume_id, count)`` is the block in which all that a client adds to a volume is added, ``count``
    bytes or, where that is 0, nobody knows how many; it raises ``NoSpace`` where they may not be.
    """

    root: Path
    writing: Writing = unbounded
    _quick: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(QUICK))
    _long: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(LONG))
    _archives: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(ARCHIVES))
    _lanes: WeakValueDictionary[str, Lane] = attrs.field(factory=WeakValueDictionary)

    def path_of(self, volume_id: str) -> Path:
        """Return the host's path of a volume; ``volume_id`` is a checked UUID."""
        return self.root / volume_id

    # A volume's life

    async def set_aside(self, volume_id: str) -> None:
        """The volume's folder is out of the way, to be swept once its end is recorded; raises ``OSError``.

        A folder that is missing is no hindrance.
        """
        await trio.to_thread.run_sync(
            _move, self.path_of(volume_id), self._aside(volume_id), limiter=self._quick
        )

    async def put_back(self, volume_id: str) -> None:
        """Undo ``set_aside``."""
        await trio.to_thread.run_sync(
            _move, self._aside(volume_id), self.path_of(volume_id), limiter=self._quick
        )

    def _aside(self, volume_id: str) -> Path:
        return self.root / f"{DELETED}{volume_id}"

    async def restore(self, known: Collection[str]) -> None:
        """Volumes that are set aside and ``known`` are back in their place. Before anything is served."""
        for volume_id in await self._set_aside():
            if volume_id in known:
                try:
                    await self.put_back(volume_id)
                except OSError as error:
                    logger.warning("volume %s could not be put back: %s", volume_id, error)

    async def _set_aside(self) -> list[str]:
        names = await trio.to_thread.run_sync(os.listdir, self.root, limiter=self._quick)
        return [name.removeprefix(DELETED) for name in names if name.startswith(DELETED)]

    async def sweep_deleted(self, known: Callable[[], Collection[str]]) -> None:
        """Volumes that were deleted take no more room; what can't be done now is logged and left."""
        for volume_id in await self._set_aside():
            if volume_id not in known():
                await self._attempt(volume_id, partial(self._remove, self._aside(volume_id)))

    async def sweep_parts(self, known: Callable[[], Collection[str]], before: float) -> None:
        """Parts that nobody wrote to since ``before`` are gone; what can't be done now is logged and left."""
        for volume_id in tuple(known()):
            await self._attempt(volume_id, partial(self._sweep_parts, self.path_of(volume_id), before))

    async def _attempt(self, volume_id: str, work: Callable[[], None]) -> None:
        try:
            await trio.to_thread.run_sync(work, limiter=self._long)
        except (OSError, errors.FileRefused) as error:
            logger.warning("volume %s could not be tidied up: %s", volume_id, error)

    def _remove(self, path: Path) -> None:
        with held(os.open(path.parent, LOOK | os.O_DIRECTORY)) as folder:
            delete_at(folder, path.name, _keep_going)

    def _sweep_parts(self, path: Path, before: float) -> None:
        with open_jail(path) as jail:
            sweep_parts(jail, before, _keep_going)

    # Work in a volume

    async def run(self, volume_id: str, work: Callable[[Jail], T]) -> T:
        """Return ``work(jail)`` from a thread, in the jail of the volume; raises ``FileRefused``.

        Once it has begun it is done, whatever becomes of the caller.
        """
        lane = self.lane(volume_id)
        return await self.run_piece(lane, partial(self._in_jail, volume_id, lane, work))

    async def run_long(self, volume_id: str, work: Callable[[Jail, Pace], T]) -> T:
        """As ``run``, for work that takes its time, and ends early when the caller is cancelled."""
        lane = self.lane(volume_id)
        in_jail = partial(self._in_jail, volume_id, lane, lambda jail: work(jail, _keep_going))
        async with lane.long:
            return await trio.to_thread.run_sync(in_jail, limiter=self._long)

    @asynccontextmanager
    async def open_for_archive(self, volume_id: str) -> AsyncIterator[Jail]:
        """Yield the jail of the volume once it's this archive's turn."""
        lane = self.lane(volume_id)
        async with lane.archive, self._archives:
            with ExitStack() as stack:
                opened = open_jail(self.path_of(volume_id), placing=lane.placing)
                yield await self.run_piece(lane, partial(stack.enter_context, opened))

    async def run_piece(self, lane: Lane, work: Callable[[], T]) -> T:
        """Return ``work()`` from a thread: a piece of a transfer, whose descriptors are open already."""
        async with lane.quick:
            return await trio.to_thread.run_sync(work, limiter=self._quick)

    def lane(self, volume_id: str) -> Lane:
        """The bounds of the volume, the same for all who use it at one time."""
        lane = self._lanes.get(volume_id)
        if lane is None:
            lane = self._lanes[volume_id] = Lane()
        return lane

    def _in_jail(self, volume_id: str, lane: Lane, work: Callable[[Jail], T]) -> T:
        with open_jail(self.path_of(volume_id), placing=lane.placing) as jail:
            return work(jail)


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except FileNotFoundError:
        return


def _keep_going(_: int) -> None:
    trio.from_thread.check_cancelled()
