"""The watch over volumes: who looks on is told that one is full, and a runaway is stopped.

A volume with a size is looked at while a server uses it, and soon after lightd wrote to it. Between two looks
lies a time that is many times what the last one took (``quotas.PART``), and a fifth of that while the volume
is full. So watching takes a small part of one processor, and of a small volume it is known within seconds
that it is full. What follows from a look is ``overrun.judge``'s.
"""

import logging
import math
import uuid
from collections.abc import Iterable
from typing import Final, assert_never

import attrs
import trio

from actors.container import messages as told
from actors.container.fleet import Member
from actors.container.state import Phase
from lightd.files import errors
from lightd.files.quota.kind import MEGABYTE
from lightd.files.quota.overrun import Step, judge
from lightd.files.quota.quotas import Account, Quotas, to_mb

logger = logging.getLogger(__name__)

TICK: Final = 1.0
BLIND: Final = 5
"""So many looks in a row in which the volume could not be walked, and its server is stopped."""

AT_REST: Final = frozenset({Phase.ABSENT, Phase.OFFLINE, Phase.FAILED, Phase.DELETED})


@attrs.define(eq=False)
class Watch:
    """Looks after ``quotas`` for as long as ``run`` runs; ``fleet`` are the containers there are."""

    quotas: Quotas
    fleet: Iterable[Member]

    async def run(self) -> None:
        self.quotas.full = self._tell_full
        while True:
            self.quotas.wanted = trio.Event()
            self.quotas.prune()
            sized = {key: size_mb for key, size_mb in self.quotas.sizes().items() if size_mb is not None}
            for volume_id, size_mb in sized.items():
                account = self.quotas.account(volume_id)
                if account.wanted or (account.stale and self._running(volume_id)):
                    await self._look(volume_id, size_mb, account)
            with trio.move_on_after(TICK if sized else math.inf):
                await self.quotas.wanted.wait()

    async def _look(self, volume_id: str, size_mb: int, account: Account) -> None:
        try:
            used = await self.quotas.look(volume_id)
        except errors.NotAllowed:
            if account.blind % BLIND == 0:
                await self._act(
                    volume_id, Step.STOP, "Error: the volume changes so fast that it can't be measured"
                )
            return
        except (errors.FileRefused, OSError) as error:
            if account.blind <= 1:
                logger.warning("volume %s could not be measured: %s", volume_id, error)
            return
        enforced = self.quotas.kind_of(volume_id).enforced
        account.standing, step = judge(account.standing, size_mb * MEGABYTE, used, enforced=enforced)
        if account.standing.told and account.due is not None:
            account.due -= (account.due - trio.current_time()) * 0.8
        await self._act(volume_id, step, f"Error: the volume is full: {to_mb(used)} of {size_mb} MB are used")

    async def _act(self, volume_id: str, step: Step, what: str) -> None:
        match step:
            case Step.NOTHING:
                return
            case Step.TELL:
                self._say(volume_id, what)
            case Step.STOP:
                await self._end(volume_id, told.Stop(), f"{what}; the server is stopped")
            case Step.KILL:
                await self._end(volume_id, told.Kill(), f"{what}; the server is killed")
            case _:
                assert_never(step)

    async def _end(self, volume_id: str, command: told.Command, what: str) -> None:
        self._say(volume_id, what)
        for member in self._users(volume_id):
            if member.state.phase not in AT_REST:
                logger.warning("%s: %s", member.internal_id, what)
                await member.place.ref.tell(command, uuid.uuid4().hex)

    def _tell_full(self, volume_id: str) -> None:
        """A write of ours was refused; whoever knows that the volume is full needn't be told."""
        account = self.quotas.account(volume_id)
        if not account.standing.told:
            account.standing = attrs.evolve(account.standing, told=True, at=account.used)
            self._say(volume_id, "Error: the volume is full: a file could not be written")

    def _say(self, volume_id: str, what: str) -> None:
        for member in self._users(volume_id):
            member.console.say(what)

    def _running(self, volume_id: str) -> bool:
        return any(member.state.phase not in AT_REST for member in self._users(volume_id))

    def _users(self, volume_id: str) -> list[Member]:
        return [
            member
            for member in self.fleet
            if member.state.spec is not None and member.state.spec.volume_id == volume_id
        ]
