"""The quotas of all volumes: the kind of each one, its usage, and whether there is room.

The journal contains the sizes. The kernel's limits are an effect: they are set before a size is recorded,
restored if it could not be recorded, and set again for every volume at every start. After any crash, the
next start makes the disk agree with the journal.

For volumes that lightd accounts for, it knows the result of the last walk and what it has written since
(``account``). It always counts entries itself, because the kernel's limits are on bytes.
"""

import logging
import os
import stat
from collections.abc import AsyncIterator, Callable, Collection, Container, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import attrs
import trio

from lightd.files import errors
from lightd.files.charging import ENTRY, Amount
from lightd.files.jail import Owner
from lightd.files.quota.account import Account
from lightd.files.quota.allowance import Allowance
from lightd.files.quota.kind import MEGABYTE, Kind
from lightd.files.quota.limits import Limit, entries_of, most_of, to_entries
from lightd.files.quota.probing import Found, strays_in
from lightd.files.quota.surveyor import Surveyor, walk_through
from lightd.files.unlinked import survey_unlinked

T = TypeVar("T")

logger = logging.getLogger(__name__)

AT_ONCE: Final = 4
SETTLING: Final = 2  # at the same time: on a busy btrfs each can take seconds
PART: Final = 40.0
SHORTEST: Final = 2.0
UNHURRIED: Final = 60.0
LONGEST: Final = 300.0
INSTANT: Final = 0.1
"""The result of a measurement is used for ``PART`` times its duration, within these seconds;
``UNHURRIED`` is the minimum if only entries are counted. Before a write, a volume whose measurement took at
most ``INSTANT`` is measured again, because its server may have written meanwhile.
"""


@attrs.define(eq=False)
class Quotas:
    """The quotas of all volumes. ``sizes`` returns the size of each in megabytes, None if it has none.

    ``kept`` are volumes that are unknown, but no leftovers: their empty folders are not removed. ``threads``
    returns the threads of the processes that use a volume (``Engine.threads``), ``open_files`` the daemon's
    own descriptors of its files (``VolumeFolders.open_files``); both are called in a thread.
    """

    root: Path
    owner: Owner
    found: Found
    sizes: Callable[[], Mapping[str, int | None]]
    surveyor: Surveyor
    wanted: trio.Event = attrs.field(factory=trio.Event)
    full: Callable[[str], None] = lambda _: None
    kept: Container[str] = ()
    threads: Callable[[str], Collection[int]] = lambda _: ()
    open_files: Callable[[str], Collection[int]] = lambda _: ()
    _accounts: dict[str, Account] = attrs.field(factory=dict)
    _kinds: dict[str, Kind] = attrs.field(factory=dict)
    _making: set[str] = attrs.field(factory=set)
    _resizing: dict[str, trio.Lock] = attrs.field(factory=dict)
    _limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE))
    _settling: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(SETTLING))

    def kind_of(self, volume_id: str) -> Kind:
        """The kind of the volume; accounting if its folder is missing."""
        return self._kinds.get(volume_id, self.found.kinds[-1])

    def account(self, volume_id: str) -> Account:
        """The account of the volume."""
        return self._accounts.setdefault(volume_id, Account())

    def prune(self) -> None:
        """Remove the accounts of volumes that do not exist any more."""
        known = self.sizes()
        for volume_id in self._accounts.keys() - known.keys():
            del self._accounts[volume_id]
            self._resizing.pop(volume_id, None)
        for volume_id in self._kinds.keys() - known.keys() - self._making:
            del self._kinds[volume_id]

    # Creation and resizing

    async def restore(self) -> None:
        """Set the limits of all volumes, and remove folders of volumes whose creation was interrupted.

        Failures are logged and repeated at the next start. Must be called before requests are served.
        """
        for reason in self.found.reasons:
            logger.info("%s", reason)
        logger.info("new volumes have quotas of the kind %s", self.found.new.name)
        if self.found.missing is not None:
            logger.error("%s; servers of these volumes cannot be started", self.found.missing)
        await self._run(partial(self._restore, self.sizes()))

    def _restore(self, sizes: Mapping[str, int | None]) -> None:
        for volume_id, size_mb in sizes.items():
            path = self._path(volume_id)
            try:
                kind = self._kinds[volume_id] = self.found.kind_at(path)
                kind.limit(path, size_mb)
            except FileNotFoundError:
                logger.error("volume %s is not mounted: its folder is missing", volume_id)  # noqa: TRY400 - the reason is told
            except OSError as error:
                logger.error("the quota of volume %s could not be set: %s", volume_id, error.strerror)  # noqa: TRY400 - as above
        for stray in strays_in(self.root, sizes):
            if stray.name in self.kept:
                continue
            try:
                os.rmdir(stray)
            except OSError as error:
                logger.warning(
                    "volume %s is not in the journal and was not removed: %s", stray.name, error.strerror
                )
        self._forget()

    async def forget(self) -> None:
        """Remove stored data of volumes whose folders are gone; failures are left to a later call."""
        self.prune()
        try:
            await self._run(self._forget)
        except (OSError, errors.FileRefused) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            logger.warning("quota data of deleted volumes could not be removed: %s", reason)

    def _forget(self) -> None:
        for kind in self.found.kinds:
            kind.forget()

    @asynccontextmanager
    async def making(self, volume_id: str, size_mb: int | None) -> AsyncIterator[None]:
        """Create the volume's empty folder with its limit and mode 0700; removed if the block fails.

        Raises ``OSError``, and ``NotMounted`` if the folder of the volumes is not mounted.
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

    async def adopt(self, volume_id: str, size_mb: int | None) -> None:
        """Limit a folder that exists already; raises ``NotFound`` if it does not, and as ``making``."""
        if self.found.missing is not None:
            raise errors.NotMounted(self.found.missing)
        path = self._path(volume_id)

        def limit() -> Kind:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise FileNotFoundError(path)
            kind = self.found.kind_at(path)
            kind.limit(path, size_mb)
            return kind

        self._making.add(volume_id)
        try:
            self._kinds[volume_id] = await self._run(limit)
        finally:
            self._making.discard(volume_id)
        self.wanted.set()

    async def check_fits(self, volume_id: str, size_mb: int) -> None:
        """Raise ``QuotaBelowUsage`` if the volume contains more than ``size_mb``. Can take long."""
        before = self.sizes().get(volume_id)
        if before is not None and size_mb >= before:
            return
        await self._run(partial(self.kind_of(volume_id).settle, self._path(volume_id)), self._settling)
        await self.look(volume_id)
        self._check_fits(volume_id, size_mb)

    def _check_fits(self, volume_id: str, size_mb: int) -> None:
        account = self.account(volume_id)
        enforced = self.kind_of(volume_id).enforced
        used = account.used.bytes if enforced else account.taken.bytes
        if used > size_mb * MEGABYTE:
            raise errors.QuotaBelowUsage(
                f"The volume contains {to_mb(used)} MB, which is more than {size_mb} MB"
            )

    @asynccontextmanager
    async def resizing(self, volume_id: str, size_mb: int) -> AsyncIterator[None]:
        """Set the kernel's limit to the new size for the block; it is kept if the block succeeds.

        Raises ``QuotaBelowUsage`` if the volume was filled since ``check_fits``.
        """
        async with self._resizing.setdefault(volume_id, trio.Lock()):
            kind, path, before = self.kind_of(volume_id), self._path(volume_id), self.sizes().get(volume_id)
            account = self.account(volume_id)
            kept = False
            try:
                await self._run(partial(kind.limit, path, size_mb))
                if before is None or size_mb < before:
                    account.shrinking = size_mb  # from now on nothing is granted beyond either size
                    self._set_limit(volume_id, account)
                    if kind.enforced:  # it cannot exceed the new size any more: the usage at this time counts
                        await self.check_fits(volume_id, size_mb)
                    elif account.due is not None:
                        self._check_fits(volume_id, size_mb)
                yield
                kept = True
            finally:
                account.shrinking = None
                self._set_limit(volume_id, account)
                if not kept:
                    with trio.CancelScope(shield=True):
                        await self._run(partial(kind.limit, path, before))
        self.want(volume_id)

    # Usage

    async def usage(self, volume_id: str) -> int:
        """The bytes in the volume; if a walk is needed, the result of the last one if it is recent enough."""
        kind, account = self.kind_of(volume_id), self.account(volume_id)
        if kind is self.found.kinds[-1]:
            return await self.look(volume_id) if account.stale or account.blind else account.used.bytes
        return await self._run(partial(kind.usage, self._path(volume_id), _unhurried))

    async def known_usage(self, volume_id: str) -> int | None:
        """The bytes in the volume as far as they are known without a walk, None before the first one.

        Raises ``NotFound`` and ``OSError``.
        """
        kind, account = self.kind_of(volume_id), self.account(volume_id)
        if kind is self.found.kinds[-1]:
            return account.used.bytes if account.done else None
        return await self._run(partial(kind.usage, self._path(volume_id), _unhurried))

    def entries(self, volume_id: str) -> int | None:
        """The entries at the last walk, None before the first one."""
        account = self.account(volume_id)
        return account.used.entries if account.done else None

    async def look(self, volume_id: str) -> int:
        """Measure the bytes in the volume now.

        Raises ``NotFound``, and ``NotAllowed`` if it cannot be walked.
        """
        kind, account = self.kind_of(volume_id), self.account(volume_id)
        if not kind.enforced:
            await self.survey(volume_id)
            return account.used.bytes
        account.wanted = False
        try:
            used = await self._run(partial(kind.usage, self._path(volume_id), _unhurried))
        finally:
            account.due = trio.current_time() + SHORTEST
        account.used = attrs.evolve(account.used, bytes=used)
        return used

    async def survey(self, volume_id: str) -> None:
        """Walk through the volume after this call; raises like ``look``.

        Concurrent callers that came before a walk began share it.
        """
        account = self.account(volume_id)
        needed = account.begun + 1
        async with account.looking:
            if account.done < needed:
                await self._survey(volume_id, account)

    async def _survey(self, volume_id: str, account: Account) -> None:
        enforced = self.kind_of(volume_id).enforced
        limit = self._set_limit(volume_id, account)
        if limit.bytes is not None:
            account.free = await self.free()
        began, known = trio.current_time(), account.written
        account.begun += 1
        account.wanted = False
        try:
            found, account.took = await self._measure(volume_id, limit)
        except errors.FileRefused:
            account.blind += 1
            raise
        finally:
            account.ended = trio.current_time()
            shortest = UNHURRIED if limit.bytes is None else SHORTEST
            account.count_due = account.ended + min(max(PART * (account.ended - began), shortest), LONGEST)
            if not enforced:
                account.due = account.count_due
        account.found(Amount(account.used.bytes, found.entries) if enforced else found, known)
        account.done = account.begun
        account.blind = 0

    async def _measure(self, volume_id: str, limit: Limit) -> tuple[Amount, float]:
        """Measure what has a name, then what has none any more.

        In this order a file that loses its name meanwhile counts once or twice, but is not missed.
        """
        path = self._path(volume_id)
        named, took = await walk_through(self.surveyor, path, most_of(limit))
        if limit.bytes is None:
            return named, took
        users = partial(self.threads, volume_id), partial(self.open_files, volume_id)
        steps = survey_unlinked(path, *users)
        unlinked, more = await self.surveyor.look(steps)
        return named + unlinked, took + more

    def want(self, volume_id: str) -> None:
        """Ask for a measurement soon."""
        self.account(volume_id).wanted = True
        self.wanted.set()

    @asynccontextmanager
    async def writing(self, volume_id: str, count: int | None = 0) -> AsyncIterator[Allowance]:
        """Reserve room for an entry and ``count`` bytes, as far as lightd knows.

        The allowance is for these and for further requests of the writer; if ``count`` is None, only for the
        latter. Raises ``NoSpace``, which is also reported to the viewers of a server, like one that the
        block raises.
        """
        account = self.account(volume_id)
        limit = self._set_limit(volume_id, account)
        allowance = Allowance(account, partial(self.survey, volume_id), partial(self._refusal, volume_id))
        try:
            if count is not None:
                if limit.bytes is not None:
                    await self._refresh(volume_id, account)
                await allowance.prepare(Amount(count + ENTRY, 1))
            try:
                yield allowance
            finally:
                allowance.close()
        except errors.NoSpace:
            self.full(volume_id)
            raise
        finally:
            self.want(volume_id)

    async def _refresh(self, volume_id: str, account: Account) -> None:
        """Measure the volume if the account is too old to begin a write."""
        if account.due is None or account.took < INSTANT:
            await self.survey(volume_id)
        else:
            account.suspect(await self.free())

    def _set_limit(self, volume_id: str, account: Account) -> Limit:
        """Set the current limit of the account; if a size is being reduced, the smaller one counts."""
        size_mb = self.sizes().get(volume_id)
        if account.shrinking is not None:
            size_mb = account.shrinking if size_mb is None else min(size_mb, account.shrinking)
        kernels = size_mb is None or self.kind_of(volume_id).enforced
        account.limit = Limit(None if kernels else (size_mb or 0) * MEGABYTE, entries_of(size_mb))
        return account.limit

    def _refusal(self, volume_id: str, amount: Amount) -> errors.NoSpace:
        account = self.account(volume_id)
        if account.limit.has_bytes(account.taken + amount):
            held = to_entries(account.used.entries, account.limit.entries)
        else:
            held = f"{to_mb(account.used.bytes)} of {self.sizes().get(volume_id)} MB are used"
        return errors.NoSpace(f"The volume is full: {held}; delete files, or enlarge it")

    # ---- ways

    async def free(self) -> int:
        """The free bytes of the disk with the volumes."""
        status = await self._run(partial(os.statvfs, self.root))
        return status.f_bfree * status.f_frsize

    def _path(self, volume_id: str) -> str:
        return str(self.root / volume_id)

    async def _run(self, work: Callable[[], T], limiter: trio.CapacityLimiter | None = None) -> T:
        try:
            return await trio.to_thread.run_sync(work, limiter=limiter or self._limiter)
        except FileNotFoundError:
            raise errors.NotFound(
                "The volume's folder is missing: mount its disk, or restore the folder"
            ) from None


def to_mb(used: int) -> float:
    """``used`` bytes in megabytes, for people."""
    return round(used / MEGABYTE, 2)


def _unhurried(_: int) -> None:
    """A pace that never pauses, for a short measurement."""
