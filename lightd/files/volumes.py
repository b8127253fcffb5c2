"""Where the volumes' folders are, and the jailed way into each.

All work is done in threads, which the volumes share (``lightd.files.shares``): one whose disk hangs, or whose
tenant asks for all that he can, holds a few, and whoever asks for another has the rest.

- Quick work is on one file or one folder. Where it takes longer than ``QUICK`` it goes on as long work.
- Pieces are what transfers of files are made of; they are short, and the transfers themselves are counted.
- Long work is on trees. It gives its turn away every ``SLICE`` where somebody waits for it.
- Archives are made and unpacked by processes, one at a time in a volume.

Work that calls its pace ends there, within ``SLICE``, once its caller was cancelled. Work that doesn't is
done to its end, whatever becomes of the caller.

A volume is deleted by renaming its folder to ``.deleted-<id>``, recording that, and then taking away what is
in it. A crash before the record is undone by ``restore``, one after it is finished by ``sweep_deleted``.
"""

import logging
import math
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import attrs
import trio

from lightd.files import errors
from lightd.files.charging import Charge, free
from lightd.files.deleting import Pace, delete_at
from lightd.files.jail import Guard, Jail, held, open_jail
from lightd.files.quota.allowance import Allowance, unlimited
from lightd.files.resolve import LOOK
from lightd.files.shares import FAVOURED, Share, Turn
from lightd.files.uploads import sweep_parts

T = TypeVar("T")

logger = logging.getLogger(__name__)

QUICK: Final = 0.02
"""Seconds after which quick work goes on as long work: thousands of names are listed by then."""

SLICE: Final = 0.1
"""Seconds after which long work looks whether others wait."""

BURST: Final = 0.002
"""Seconds that long work goes on for before it rests: all of it together has Python's lock for half of the
time at most, and the loop for the rest."""

QUICK_IN_ONE: Final = 4
LONG_IN_ONE: Final = 2
WAITING: Final = 64
"""Requests of a kind that wait for one volume: each holds a connection, and may hold 2 MiB of a body."""

ANY_NUMBER: Final = 2**31
"""Transfers hold no thread: there are as many as there are connections. One volume has its bounds."""

OURS: Final = ""
"""The volume for which the daemon works by itself: it tidies up."""

DELETED: Final = ".deleted-"


@attrs.define(eq=False)
class Shares:
    """Who may do what; the numbers are of threads, but of processes for archives."""

    quick: Share = attrs.field(factory=lambda: Share("file operations", 32, QUICK_IN_ONE, WAITING, 4))
    pieces: Share = attrs.field(factory=lambda: Share("pieces of transfers", 16, 4, WAITING, 2))
    long: Share = attrs.field(factory=lambda: Share("operations on trees", 8, LONG_IN_ONE, WAITING, 2))
    archives: Share = attrs.field(factory=lambda: Share("archives", 4, 1, 2, 1, whole=True))
    uploads: Share = attrs.field(factory=lambda: Share("uploads", ANY_NUMBER, 32, WAITING))
    downloads: Share = attrs.field(factory=lambda: Share("downloads", ANY_NUMBER, 64, WAITING))


@attrs.frozen(eq=False)
class Lane:
    """A volume, for who transfers a file: his turns are ``favoured``, or not."""

    volume_id: str
    favoured: bool


@attrs.define(eq=False)
class _Pacer:
    """The pace of one piece of work in a thread: whoever waits has its ``turn`` now and then.

    Raises ``Cancelled`` once nobody waits for the work any more.
    """

    turn: Turn
    long: Share
    _due: float = attrs.field(factory=lambda: time.monotonic() + QUICK)
    _tired: float = math.inf

    def __call__(self, _: int) -> None:
        now = time.monotonic()
        if now >= self._due:
            trio.from_thread.run(self._step)
            self._due = time.monotonic() + SLICE
        elif now >= self._tired:
            time.sleep(BURST * (2 * self.long.held - 1))
        elif self._tired < math.inf or self.turn.share is not self.long:
            return
        self._tired = time.monotonic() + BURST

    async def _step(self) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.turn.share is not self.long:
            row, short = self.turn.row, self.turn
            self.turn = self.long.join(row.volume_id, favoured=row.favoured)
            short.leave()
            await self.turn.wait()
        elif self.long.is_wanted(self.turn):
            await self.turn.pass_on()


Writing = Callable[[str, int | None], AbstractAsyncContextManager[Allowance]]


@asynccontextmanager
async def unbounded(_volume_id: str, _count: int | None) -> AsyncIterator[Allowance]:
    """There is always room: nobody accounts for what is in a volume."""
    yield unlimited()


@attrs.define(eq=False)
class VolumeFolders:
    """The folder of each volume beneath ``root``.

    ``writing(volume_id, count)`` is the block in which all that a client adds to a volume is added: an entry
    and ``count`` bytes, and what else its allowance is asked for; perhaps nothing where ``count`` is None. It
    raises ``NoSpace``. The allowance's ``charge`` is for ``run``, ``charge_waiting`` for ``run_long``.
    """

    root: Path
    writing: Writing = unbounded
    shares: Shares = attrs.field(factory=Shares)
    _threads: trio.CapacityLimiter = attrs.field(
        factory=lambda: trio.CapacityLimiter(math.inf)
    )  # the shares limit
    _placing: WeakValueDictionary[str, Any] = attrs.field(factory=WeakValueDictionary)

    def path_of(self, volume_id: str) -> Path:
        """Return the host's path of a volume; ``volume_id`` is a checked UUID."""
        return self.root / volume_id

    # A volume's life

    async def set_aside(self, volume_id: str) -> None:
        """The volume's folder is out of the way, to be swept once its end is recorded; raises ``OSError``.

        A folder that is missing is no hindrance.
        """
        await self._move(volume_id, self.path_of(volume_id), self._aside(volume_id))

    async def put_back(self, volume_id: str) -> None:
        """Undo ``set_aside``."""
        await self._move(volume_id, self._aside(volume_id), self.path_of(volume_id))

    async def _move(self, volume_id: str, source: Path, target: Path) -> None:
        await self._work(self.shares.quick.join(volume_id, begun=True), lambda _: _move(source, target))

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
        names = await self._work(self.shares.quick.join(OURS, begun=True), lambda _: os.listdir(self.root))
        return [name.removeprefix(DELETED) for name in names if name.startswith(DELETED)]

    async def sweep_deleted(self, known: Callable[[], Collection[str]]) -> None:
        """Volumes that were deleted take no more room; what can't be done now is logged and left."""
        async with trio.open_nursery() as nursery:  # a huge one keeps no other waiting
            for volume_id in await self._set_aside():
                if volume_id not in known():
                    work = partial(self._remove, self._aside(volume_id))
                    nursery.start_soon(self._attempt, volume_id, work)

    async def sweep_parts(
        self, known: Callable[[], Collection[str]], before: float, began: float = 0
    ) -> None:
        """As ``uploads.sweep_parts`` in each volume; what can't be done now is logged and left."""
        for volume_id in tuple(known()):
            sweep = partial(self._sweep_parts, self.path_of(volume_id), before, began)
            await self._attempt(volume_id, sweep)

    async def _attempt(self, volume_id: str, work: Callable[[Pace], None]) -> None:
        try:
            await self._work(self.shares.long.join(OURS, begun=True), work)
        except (OSError, errors.FileRefused) as error:
            logger.warning("volume %s could not be tidied up: %s", volume_id, error)

    def _remove(self, path: Path, pace: Pace) -> None:
        with held(os.open(path.parent, LOOK | os.O_DIRECTORY)) as folder:
            delete_at(folder, path.name, pace)

    def _sweep_parts(self, path: Path, before: float, began: float, pace: Pace) -> None:
        with open_jail(path) as jail:
            sweep_parts(jail, before, pace, began)

    # Work in a volume

    async def run(self, volume_id: str, work: Callable[[Jail], T], charge: Charge = free) -> T:
        """Return ``work(jail)`` from a thread, in the jail of the volume; raises ``FileRefused``."""
        turn = self.shares.quick.join(volume_id)
        return await self._work(turn, self._in_jail(volume_id, work, charge))

    async def run_long(self, volume_id: str, work: Callable[[Jail, Pace], T], charge: Charge = free) -> T:
        """As ``run``, for work that takes its time, and calls its pace."""

        def in_jail(jail: Jail) -> T:
            return work(jail, jail.pace)

        turn = self.shares.long.join(volume_id)
        return await self._work(turn, self._in_jail(volume_id, in_jail, charge))

    async def run_piece(self, lane: Lane, work: Callable[[], T]) -> T:
        """Return ``work()`` from a thread: a piece of a transfer, whose descriptors are open already."""
        turn = self.shares.pieces.join(lane.volume_id, favoured=lane.favoured, begun=True)
        return await self._work(turn, lambda _: work())

    def lane(self, volume_id: str) -> Lane:
        """What ``run_piece`` needs to know of a transfer, which may go on where its request isn't known."""
        return Lane(volume_id, FAVOURED.get())

    @asynccontextmanager
    async def open_for_archive(self, volume_id: str) -> AsyncIterator[tuple[Jail, Turn]]:
        """Yield the jail of the volume once it's this archive's turn, and that turn."""
        opened = open_jail(self.path_of(volume_id), placing=self._guard(volume_id))
        with ExitStack() as stack:
            turn = self.shares.archives.join(volume_id, begun=True)  # the jobs are counted
            stack.callback(turn.leave)
            await turn.wait()
            joined = self.shares.quick.join(volume_id, begun=True)
            yield await self._work(joined, lambda _: stack.enter_context(opened)), turn

    @asynccontextmanager
    async def uploading(self, volume_id: str) -> AsyncIterator[None]:
        """In the block a file is uploaded: there are not too many."""
        turn = self.shares.uploads.join(volume_id)
        try:
            await turn.wait()
            yield
        finally:
            turn.leave()

    async def _work(self, turn: Turn, work: Callable[[Pace], T]) -> T:
        pacer = _Pacer(turn, self.shares.long)
        try:
            await turn.wait()
            return await trio.to_thread.run_sync(work, pacer, limiter=self._threads)
        finally:
            pacer.turn.leave()

    def _in_jail(self, volume_id: str, work: Callable[[Jail], T], charge: Charge) -> Callable[[Pace], T]:
        path, guard = self.path_of(volume_id), self._guard(volume_id)

        def in_jail(pace: Pace) -> T:
            with open_jail(path, placing=guard, pace=pace, charge=charge) as jail:
                return work(jail)

        return in_jail

    def _guard(self, volume_id: str) -> Guard:
        """The lock of the volume, the same for all who use it at one time."""
        guard: Guard = self._placing.setdefault(volume_id, threading.Lock())
        return guard


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except FileNotFoundError:
        return
