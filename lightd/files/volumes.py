"""The folders of volumes, and access to each through its jail.

All work is done in threads, which the volumes share (``lightd.files.shares``): if the disk of a volume
hangs, or its tenant sends many requests, it occupies only a few, and the rest is available to other volumes.

- Short work concerns one file or one folder. If it takes longer than ``QUICK``, it continues as long work.
- Transfers of files consist of pieces, which are short; the transfers themselves are counted.
- Long work concerns trees. It gives its turn away every ``SLICE`` if other work waits.
- Archives are packed and unpacked by processes, one at a time in a volume.

Work that calls its pace ends within ``SLICE`` after its caller was cancelled. Other work is completed even
if its caller is cancelled.

A volume is deleted by renaming its folder to ``.deleted-<id>``, recording that, and then removing its
contents. A deletion that a crash interrupts before the record is undone by ``restore``, after it by
``sweep_deleted``.
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
from lightd.files.denying import NOTHING_DENIED, DenyList
from lightd.files.jail import Guard, Jail, OpenFiles, held, open_jail
from lightd.files.quota.allowance import Allowance, unlimited
from lightd.files.resolve import LOOK
from lightd.files.shares import PRIVILEGED, Share, Turn
from lightd.files.uploads import sweep_parts

T = TypeVar("T")

logger = logging.getLogger(__name__)

QUICK: Final = 0.02
"""Seconds after which short work continues as long work: enough to list thousands of names."""

SLICE: Final = 0.1
"""Seconds after which long work checks whether other work waits."""

BURST: Final = 0.002
"""Seconds that long work runs before it pauses: all long work together holds Python's lock for at most half
of the time, and the event loop has the rest.
"""

QUICK_IN_ONE: Final = 4
LONG_IN_ONE: Final = 2
WAITING: Final = 64
"""Requests of a kind that can wait for one volume: each has a connection, and up to 2 MiB of a body."""

ANY_NUMBER: Final = 2**31
"""Transfers occupy no thread, so their number is only limited by the connections and for each volume."""

OURS: Final = ""
"""The volume id for the daemon's own work."""

DELETED: Final = ".deleted-"


@attrs.define(eq=False)
class Shares:
    """The limits for each kind of work: numbers of threads, but of processes for archives."""

    quick: Share = attrs.field(factory=lambda: Share("file operations", 32, QUICK_IN_ONE, WAITING, 4))
    pieces: Share = attrs.field(factory=lambda: Share("pieces of transfers", 16, 4, WAITING, 2))
    long: Share = attrs.field(factory=lambda: Share("operations on trees", 8, LONG_IN_ONE, WAITING, 2))
    archives: Share = attrs.field(factory=lambda: Share("archives", 4, 1, 2, 1, whole=True))
    uploads: Share = attrs.field(factory=lambda: Share("uploads", ANY_NUMBER, 32, WAITING))
    downloads: Share = attrs.field(factory=lambda: Share("downloads", ANY_NUMBER, 64, WAITING))


@attrs.frozen(eq=False)
class Transfer:
    """An upload or a download: its volume, and whether its turns are ``privileged``."""

    volume_id: str
    privileged: bool


@attrs.define(eq=False)
class _Pacer:
    """The pace of one piece of work in a thread: it gives its ``turn`` to waiting work from time to time.

    Raises ``Cancelled`` if the caller does not wait for the work any more.
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
            queue, short = self.turn.queue, self.turn
            self.turn = self.long.join(queue.volume_id, privileged=queue.privileged)
            short.leave()
            await self.turn.wait()
        elif self.long.is_wanted(self.turn):
            await self.turn.pass_on()


Writing = Callable[[str, int | None], AbstractAsyncContextManager[Allowance]]


@asynccontextmanager
async def unbounded(_volume_id: str, _count: int | None) -> AsyncIterator[Allowance]:
    """No accounting: there is always room."""
    yield unlimited()


@attrs.define(eq=False)
class VolumeFolders:
    """The folders of volumes in ``root``.

    ``writing(volume_id, count)`` is a context manager around everything that adds data to a volume: an entry
    and ``count`` bytes, and what its allowance is asked for; nothing is reserved if ``count`` is None. It
    raises ``NoSpace``. The allowance's ``charge`` is for ``run``, its ``charge_waiting`` for ``run_long``.
    ``denied(volume_id)`` is what the clients of a volume may not touch, and holds for all work in its jail.
    """

    root: Path
    writing: Writing = unbounded
    denied: Callable[[str], DenyList] = lambda _: NOTHING_DENIED
    shares: Shares = attrs.field(factory=Shares)
    # The shares have the limits.
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(math.inf))
    _placing: WeakValueDictionary[str, Any] = attrs.field(factory=WeakValueDictionary)
    _open_files: WeakValueDictionary[str, OpenFiles] = attrs.field(factory=WeakValueDictionary)

    def path_of(self, volume_id: str) -> Path:
        """Return the host's path of a volume; ``volume_id`` is a checked UUID."""
        return self.root / volume_id

    # Deletion of a volume

    async def set_aside(self, volume_id: str) -> None:
        """Move the volume's folder away; it is removed when its deletion is recorded. Raises ``OSError``.

        Does nothing if the folder is missing.
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
        """Move ``known`` volumes that were set aside back. Must be called before requests are served."""
        for volume_id in await self._set_aside():
            if volume_id in known:
                try:
                    await self.put_back(volume_id)
                except OSError as error:
                    logger.warning("the deletion of volume %s could not be undone: %s", volume_id, error)

    async def _set_aside(self) -> list[str]:
        names = await self._work(self.shares.quick.join(OURS, begun=True), lambda _: os.listdir(self.root))
        return [name.removeprefix(DELETED) for name in names if name.startswith(DELETED)]

    async def sweep_deleted(self, known: Callable[[], Collection[str]]) -> None:
        """Remove the files of deleted volumes; failures are logged and left to the next call."""
        try:
            set_aside = await self._set_aside()
        except OSError as error:
            reason = error.strerror
            logger.warning(
                "deleted volumes were not removed: the folder of the volumes cannot be read: %s", reason
            )
            return
        async with trio.open_nursery() as nursery:  # a huge one does not delay the others
            for volume_id in set_aside:
                if volume_id not in known():
                    work = partial(self._remove, self._aside(volume_id))
                    nursery.start_soon(self._attempt, volume_id, work)

    async def sweep_parts(
        self, known: Callable[[], Collection[str]], before: float, began: float = 0
    ) -> None:
        """Call ``uploads.sweep_parts`` in each volume; failures are logged and left to the next call."""
        for volume_id in tuple(known()):
            sweep = partial(self._sweep_parts, self.path_of(volume_id), before, began)
            await self._attempt(volume_id, sweep)

    async def _attempt(self, volume_id: str, work: Callable[[Pace], None]) -> None:
        try:
            await self._work(self.shares.long.join(OURS, begun=True), work)
        except (OSError, errors.FileRefused) as error:
            logger.warning(
                "unfinished or deleted files of volume %s could not be removed, this is retried: %s",
                volume_id,
                error,
            )

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
        """Like ``run``, for long work that calls its pace."""

        def in_jail(jail: Jail) -> T:
            return work(jail, jail.pace)

        turn = self.shares.long.join(volume_id)
        return await self._work(turn, self._in_jail(volume_id, in_jail, charge))

    async def run_for_server(self, volume_id: str, work: Callable[[Jail], T], charge: Charge = free) -> T:
        """Like ``run``, for work of the daemon: it is not refused as busy, and nothing is denied to it."""
        turn = self.shares.quick.join(volume_id, begun=True)
        return await self._work(turn, self._in_jail(volume_id, work, charge, everything=True))

    async def run_piece(self, transfer: Transfer, work: Callable[[], T]) -> T:
        """Return ``work()`` from a thread: a piece of a transfer, whose descriptors are open already."""
        turn = self.shares.pieces.join(transfer.volume_id, privileged=transfer.privileged, begun=True)
        return await self._work(turn, lambda _: work())

    def transfer(self, volume_id: str) -> Transfer:
        """A transfer of the current request for ``run_piece``; it can continue outside of the request."""
        return Transfer(volume_id, PRIVILEGED.get())

    @asynccontextmanager
    async def open_for_archive(self, volume_id: str) -> AsyncIterator[tuple[Jail, Turn]]:
        """Wait for the volume's turn to process an archive; yield its jail and the turn."""
        opened = open_jail(
            self.path_of(volume_id), placing=self._guard(volume_id), denied=self.denied(volume_id)
        )
        with ExitStack() as stack:
            turn = self.shares.archives.join(volume_id, begun=True)  # the jobs have a limit already
            stack.callback(turn.leave)
            await turn.wait()
            joined = self.shares.quick.join(volume_id, begun=True)
            yield await self._work(joined, lambda _: stack.enter_context(opened)), turn

    @asynccontextmanager
    async def uploading(self, volume_id: str) -> AsyncIterator[None]:
        """Count an upload during the block; raises ``Busy`` if there are too many."""
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

    def _in_jail(
        self, volume_id: str, work: Callable[[Jail], T], charge: Charge, *, everything: bool = False
    ) -> Callable[[Pace], T]:
        path, guard = self.path_of(volume_id), self._guard(volume_id)
        denied = NOTHING_DENIED if everything else self.denied(volume_id)
        opened = self._open_files.setdefault(volume_id, OpenFiles())

        def in_jail(pace: Pace) -> T:
            with open_jail(
                path, placing=guard, pace=pace, charge=charge, open_files=opened, denied=denied
            ) as jail:
                return work(jail)

        return in_jail

    def open_files(self, volume_id: str) -> Collection[int]:
        """The descriptors of the volume's files that are open for clients. Can be called in any thread."""
        opened = self._open_files.get(volume_id)
        return () if opened is None else tuple(opened.descriptors)

    def _guard(self, volume_id: str) -> Guard:
        """The lock of the volume, shared by all concurrent users of the volume."""
        guard: Guard = self._placing.setdefault(volume_id, threading.Lock())
        return guard


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except FileNotFoundError:
        return
