"""Watches volumes: reports a full one to the viewers of its server, and stops a server that exceeds the size.

A volume with a size is measured while a server uses it, and soon after lightd wrote to it. The time between
two measurements is a multiple of the duration of the last one (``quotas.PART``), and a fifth of that while
the volume is full. So the watch uses a small part of one CPU, and notices within seconds that a small volume
is full. ``overrun.judge`` decides what follows.

If the kernel does not enforce the size, a server can fill the disk between two measurements. So the free
space of the disk is read every ``QUICK`` seconds, which costs almost nothing: a volume with a running server
is measured again when the disk has lost half of the room that the volume had left (``account.URGENCY``).

Entries are counted by the same walks, or by an occasional one if the bytes need no walk.
"""

import logging
import math
import uuid
from collections.abc import Iterable
from typing import Final, assert_never

import attrs
import trio

from actors.container import messages
from actors.container.fleet import Member
from actors.container.state import Outcome
from lightd.files import errors
from lightd.files.quota.account import Account
from lightd.files.quota.kind import MEGABYTE
from lightd.files.quota.limits import entries_of, to_entries
from lightd.files.quota.overrun import Step, judge, judge_entries
from lightd.files.quota.quotas import Quotas, to_mb

logger = logging.getLogger(__name__)

TICK: Final = 1.0
QUICK: Final = 0.25
BLIND: Final = 5
"""If this many consecutive measurements of a volume have failed, its server is stopped."""

AT_ONCE: Final = 256
"""Concurrent measurements: a long one has three open descriptors."""


@attrs.define(eq=False)
class Watch:
    """Watches the volumes of ``quotas`` while ``run`` runs; ``fleet`` contains the containers."""

    quotas: Quotas
    fleet: Iterable[Member]
    _looking: set[str] = attrs.field(factory=set)
    _free: int = 0

    async def run(self) -> None:
        self.quotas.full = self._tell_full
        async with trio.open_nursery() as nursery:
            while True:
                self.quotas.wanted = trio.Event()
                self.quotas.prune()
                sizes, running = self.quotas.sizes(), self._running()
                hurried = any(self._is_ours(key, sizes[key]) for key in running & sizes.keys())
                if hurried:
                    self._free = await self.quotas.free()
                for volume_id, size_mb in sizes.items():
                    if len(self._looking) < AT_ONCE and self._is_due(
                        volume_id, size_mb, volume_id in running
                    ):
                        self._looking.add(volume_id)
                        nursery.start_soon(self._look, volume_id, size_mb)
                with trio.move_on_after(QUICK if hurried else TICK if sizes else math.inf):
                    await self.quotas.wanted.wait()

    def _is_ours(self, volume_id: str, size_mb: int | None) -> bool:
        """Whether lightd has to enforce the volume's size."""
        return size_mb is not None and not self.quotas.kind_of(volume_id).enforced

    def _is_due(self, volume_id: str, size_mb: int | None, runs: bool) -> bool:  # noqa: FBT001 - a private row
        account, now = self.quotas.account(volume_id), trio.current_time()
        if volume_id in self._looking:
            return False
        if self._is_ours(volume_id, size_mb):
            needed = account.wanted or (runs and (account.stale or self._is_filling(account)))
            return needed and account.rested
        if size_mb is not None and (account.wanted or (runs and account.stale)):
            return True
        return (runs or account.wanted) and now >= account.count_due

    def _is_filling(self, account: Account) -> bool:
        """Whether the disk lost so much since the last measurement that this volume may be full soon."""
        size = account.limit.bytes or 0
        left = size - account.used.bytes
        step = left // 2 if left > 0 else size // 100
        return account.free - self._free >= max(step, MEGABYTE)

    async def _look(self, volume_id: str, size_mb: int | None) -> None:
        account = self.quotas.account(volume_id)
        try:
            if size_mb is not None:
                await self.quotas.look(volume_id)
            if not self._is_ours(volume_id, size_mb) and trio.current_time() >= account.count_due:
                await self.quotas.survey(volume_id)
        except errors.NotAllowed as error:
            if account.blind % BLIND == 0:
                await self._act(volume_id, Step.STOP, f"Error: {error}")
        except (errors.FileRefused, OSError) as error:
            if account.blind <= 1:
                logger.warning("volume %s could not be measured: %s", volume_id, error)
        else:
            await self._judge(volume_id, size_mb, account)
        finally:
            self._looking.discard(volume_id)

    async def _judge(self, volume_id: str, size_mb: int | None, account: Account) -> None:
        if size_mb is not None:
            used, enforced = account.used.bytes, self.quotas.kind_of(volume_id).enforced
            account.standing, step = judge(account.standing, size_mb * MEGABYTE, used, enforced=enforced)
            await self._act(
                volume_id, step, f"Error: the volume is full: {to_mb(used)} of {size_mb} MB are used"
            )
        entries, most = account.used.entries, entries_of(size_mb)
        account.crowding, step = judge_entries(account.crowding, most, entries)
        await self._act(volume_id, step, f"Error: the volume is full: {to_entries(entries, most)}")
        if (account.standing.reported or account.crowding.reported) and account.due is not None:
            account.due -= (account.due - trio.current_time()) * 0.8

    async def _act(self, volume_id: str, step: Step, what: str) -> None:
        match step:
            case Step.NOTHING:
                return
            case Step.REPORT:
                self._say(volume_id, what)
            case Step.STOP:
                await self._end(volume_id, messages.Stop(), f"{what}; the server is stopped")
            case Step.KILL:
                await self._end(volume_id, messages.Kill(), f"{what}; the server is killed")
            case _:
                assert_never(step)

    async def _end(self, volume_id: str, command: messages.Command, what: str) -> None:
        self._say(volume_id, what)
        for member in self._users(volume_id):
            if not _is_idle(member):
                logger.warning("container %s: %s", member.internal_id, what)
                await member.handle.ref.tell(command, uuid.uuid4().hex)

    def _tell_full(self, volume_id: str) -> None:
        """Report a rejected write of lightd, unless the volume was already reported as full."""
        account = self.quotas.account(volume_id)
        if not account.standing.reported:
            account.standing = attrs.evolve(account.standing, reported=True, at=account.used.bytes)
            self._say(volume_id, "Error: the volume is full: a file could not be written")

    def _say(self, volume_id: str, what: str) -> None:
        for member in self._users(volume_id):
            member.console.say(what)

    def _running(self) -> set[str]:
        """The volumes that running servers use."""
        return {
            member.state.spec.volume_id
            for member in self.fleet
            if member.state.spec is not None and not _is_idle(member)
        }

    def _users(self, volume_id: str) -> list[Member]:
        return [
            member
            for member in self.fleet
            if member.state.spec is not None and member.state.spec.volume_id == volume_id
        ]


def _is_idle(member: Member) -> bool:
    """Whether no process of the container runs or is about to run."""
    return member.state.traits.outcome in (Outcome.DOWN, Outcome.GONE)
