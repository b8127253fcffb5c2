"""The quotas of all volumes: which kind holds each, how much each holds, and whether there is room.

The sizes are the journal's. What the kernel has of them is only an effect: it is set before a size is
recorded, taken back where it couldn't be, and set anew for every volume at every start. So whatever a crash
came between, the next start makes the disk agree with the journal.

Where lightd itself accounts, it knows of each volume what the last walk found and what it wrote since.
"""

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import attrs
import trio

from lightd.files import errors
from lightd.files.jail import Owner
from lightd.files.quota.kind import MEGABYTE, Kind
from lightd.files.quota.overrun import Standing
from lightd.files.quota.probing import Found
from lightd.files.quota.surveyor import Surveyor

T = TypeVar("T")

logger = logging.getLogger(__name__)

AT_ONCE: Final = 4
TRIES: Final = 3
"""To walk through a volume in which folders are moved."""

PART: Final = 40.0
SHORTEST: Final = 2.0
LONGEST: Final = 300.0
"""What a look found is good enough for ``PART`` times as long as it took, within these seconds."""


@attrs.define
class Account:
    """What is known of one volume, in bytes: what the last look found, what we wrote since and write now.

    ``due`` is when it is to be looked at again, on Trio's clock, None before the first look; where it is
    ``wanted``, that is now. ``blind`` counts the looks since that came to no end.
    """

    used: int = 0
    written: int = 0
    writing: int = 0
    due: float | None = None
    wanted: bool = True
    standing: Standing = attrs.field(factory=Standing)
    blind: int = 0
    looking: trio.Lock = attrs.field(factory=trio.Lock)

    @property
    def taken(self) -> int:
        """The bytes that there is no room for any more."""
        return self.used + self.written + self.writing

    @property
    def stale(self) -> bool:
        """Whether it is time for a look."""
        return self.wanted or self.due is None or trio.current_time() >= self.due


@attrs.define(eq=False)
class Quotas:
    """All of them. ``sizes`` returns every volume with its size in megabytes, None where it has none."""

    root: Path
    owner: Owner
    found: Found
    sizes: Callable[[], Mapping[str, int | None]]
    surveyor: Surveyor
    wanted: trio.Event = attrs.field(factory=trio.Event)
    full: Callable[[str], None] = lambda _: None
    _accounts: dict[str, Account] = attrs.field(factory=dict)
    _kinds: dict[str, Kind] = attrs.field(factory=dict)
    _making: set[str] = attrs.field(factory=set)
    _resizing: dict[str, trio.Lock] = attrs.field(factory=dict)
    _limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE))

    def kind_of(self, volume_id: str) -> Kind:
        """What holds the volume to its size; accounting where its folder is missing."""
        return self._kinds.get(volume_id, self.found.kinds[-1])

    def account(self, volume_id: str) -> Account:
        """What is known of the volume so far."""
        return self._accounts.setdefault(volume_id, Account())

    def prune(self) -> None:
        """Nothing is known any more of volumes that there aren't any more."""
        known = self.sizes()
        for volume_id in self._accounts.keys() - known.keys():
            del self._accounts[volume_id]
            self._resizing.pop(volume_id, None)
        for volume_id in self._kinds.keys() - known.keys() - self._making:
            del self._kinds[volume_id]

    # A volume's life

    async def restore(self) -> None:
        """Every volume has its ceiling, and folders of volumes that never came to be are gone.

        What can't be done is logged, and done at the next start. Only before anything is served.
        """
        for reason in self.found.reasons:
            logger.info("%s", reason)
        logger.info("new volumes have quotas of the kind %s", self.found.new.name)
        if self.found.missing is not None:
            logger.error("%s; the servers of its volumes can't be started", self.found.missing)
        await self._run(partial(self._restore, self.sizes()))

    def _restore(self, sizes: Mapping[str, int | None]) -> None:
        for volume_id, size_mb in sizes.items():
            path = self._path(volume_id)
            try:
                kind = self._kinds[volume_id] = _kind_at(path, self.found.kinds)
                kind.limit(path, size_mb)
            except FileNotFoundError:
                logger.error("volume %s is not mounted: its folder is missing", volume_id)  # noqa: TRY400 - the reason is told
            except OSError as error:
                logger.error("the quota of volume %s could not be set: %s", volume_id, error.strerror)  # noqa: TRY400 - as above
        for stray in _strays(self.root, sizes):
            try:
                os.rmdir(stray)
            except OSError as error:
                logger.warning("volume %s is unknown and stays: %s", stray.name, error.strerror)
        self._forget()

    async def forget(self) -> None:
        """Nothing is kept of volumes whose folders are gone; a later call does what can't be done now."""
        self.prune()
        try:
            await self._run(self._forget)
        except OSError as error:
            logger.warning("what the kernel keeps of deleted volumes stays: %s", error.strerror)

    def _forget(self) -> None:
        for kind in self.found.kinds:
            kind.forget()

    @asynccontextmanager
    async def making(self, volume_id: str, size_mb: int | None) -> AsyncIterator[None]:
        """The volume's empty folder is there with its ceiling, its owner's alone; gone if the block fails.

        Raises ``OSError``, and ``NotMounted`` where it would not be with the others.
        """
        if self.found.missing is not None:
            raise errors.NotMounted(self.found.missing)
        kind, path = self.found.new, self._path(volume_id)

        def make() -> None:
            kind.make(path, size_mb)
            if os.geteuid() == 0:
                os.chown(path, self.owner.uid, self.owner.gid, follow_symlinks=False)

        self._making.add(volume_id)
        try:
            await self._run(make)
            self._kinds[volume_id] = kind
            try:
                yield
            except Exception:
                await self._run(partial(os.rmdir, path))
                raise
        finally:
            self._making.discard(volume_id)
        self.wanted.set()

    async def check_fits(self, volume_id: str, size_mb: int) -> None:
        """Raise ``QuotaBelowUsage`` where the volume holds more than ``size_mb``. It may take long."""
        before = self.sizes().get(volume_id)
        if before is not None and size_mb >= before:
            return
        await self._run(partial(self.kind_of(volume_id).settle, self._path(volume_id)))
        used = await self.look(volume_id)
        if used > size_mb * MEGABYTE:
            raise errors.QuotaBelowUsage(
                f"The volume holds {to_mb(used)} MB, which is more than {size_mb} MB"
            )

    @asynccontextmanager
    async def resizing(self, volume_id: str, size_mb: int) -> AsyncIterator[None]:
        """The kernel has the volume's new size in the block, and keeps it if that ends well.

        Raises ``QuotaBelowUsage`` where it was filled since ``check_fits``.
        """
        async with self._resizing.setdefault(volume_id, trio.Lock()):
            kind, path, before = self.kind_of(volume_id), self._path(volume_id), self.sizes().get(volume_id)
            kept = False
            try:
                await self._run(partial(kind.limit, path, size_mb))
                if kind.enforced:  # it can't grow over the new size any more: what it holds now counts
                    await self.check_fits(volume_id, size_mb)
                yield
                kept = True
            finally:
                if not kept:
                    with trio.CancelScope(shield=True):
                        await self._run(partial(kind.limit, path, before))
        self.want(volume_id)

    # What a volume holds

    async def usage(self, volume_id: str) -> int:
        """The bytes that the volume holds; where a walk is needed, the last one's if that is good enough."""
        kind, account = self.kind_of(volume_id), self.account(volume_id)
        if kind is self.found.kinds[-1]:
            return await self.look(volume_id) if account.stale or account.blind else account.used
        return await self._run(partial(kind.usage, self._path(volume_id), _unhurried))

    async def look(self, volume_id: str) -> int:
        """The bytes that the volume holds, looked at now.

        Raises ``NotFound``, and ``NotAllowed`` where it can't be walked.
        """
        kind, path, account = self.kind_of(volume_id), self._path(volume_id), self.account(volume_id)
        async with account.looking:
            return await self._look(kind, path, account)

    async def _look(self, kind: Kind, path: str, account: Account) -> int:
        began, written, account.wanted = trio.current_time(), account.written, False
        try:
            if kind.enforced:
                account.used = await self._run(partial(kind.usage, path, _unhurried))
            else:
                account.used = await self._walk(path)
        except errors.FileRefused:
            account.blind += 1
            raise
        finally:
            now = trio.current_time()
            account.due = now + min(max(PART * (now - began), SHORTEST), LONGEST)
        account.written -= written
        account.blind = 0
        return account.used

    async def _walk(self, path: str) -> int:
        walker = self.found.kinds[-1]
        for _ in range(TRIES - 1):
            try:
                return await self.surveyor.look(partial(walker.usage, path))
            except errors.NotAllowed:
                continue
        return await self.surveyor.look(partial(walker.usage, path))

    def want(self, volume_id: str) -> None:
        """The volume is looked at soon."""
        self.account(volume_id).wanted = True
        self.wanted.set()

    @asynccontextmanager
    async def writing(self, volume_id: str, count: int = 0) -> AsyncIterator[None]:
        """There is room for ``count`` bytes more, as far as lightd knows; in the block they are written.

        Raises ``NoSpace``; that, and one that the block raises, is told to whoever looks at a server.
        """
        account = self.account(volume_id)
        try:
            await self._check_room(volume_id, account, count)
            account.writing += count
            try:
                yield
                account.written += count
            finally:
                account.writing -= count
        except errors.NoSpace:
            self.full(volume_id)
            raise
        finally:
            self.want(volume_id)

    async def _check_room(self, volume_id: str, account: Account, count: int) -> None:
        size_mb = self.sizes().get(volume_id)
        if size_mb is None or self.kind_of(volume_id).enforced:
            return
        size = size_mb * MEGABYTE
        if account.due is None or account.taken + count > size:
            await self.look(volume_id)  # something may have been overwritten, not added
        if account.taken + count > size or account.used >= size:
            raise errors.NoSpace(f"The volume is full: {to_mb(account.used)} of {size_mb} MB are used")

    # ---- ways

    def _path(self, volume_id: str) -> str:
        return str(self.root / volume_id)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(work, limiter=self._limiter)
        except FileNotFoundError:
            raise errors.NotFound("The volume's folder is missing") from None


def to_mb(used: int) -> float:
    """``used`` bytes in the unit of sizes, as a person reads it."""
    return round(used / MEGABYTE, 2)


def _unhurried(_: int) -> None:
    """Let a short look be."""


def _kind_at(path: str, kinds: Sequence[Kind]) -> Kind:
    return next(kind for kind in kinds if kind.holds(path))


def _strays(root: Path, known: Mapping[str, object]) -> Iterator[Path]:
    for path in root.iterdir():
        try:
            plain = str(UUID(path.name)) == path.name
        except ValueError:
            continue
        if plain and path.name not in known:
            yield path
