"""What one writer may add to a volume: asked for in Trio, or by the thread that writes, a piece at a time.

A thread that may wait (``charge_waiting``) has the volume looked at where there seems to be no room. One
that must not (``charge``), as it is one of a few that all volumes share, is given what it needs beforehand
(``prepare``), and refused what is not there at once. After one refusal all that follows is refused: who
cleans up writes no more.
"""

from collections.abc import Awaitable, Callable

import attrs
import trio

from lightd.files import errors
from lightd.files.charging import NOTHING, Amount
from lightd.files.quota.account import Account

Look = Callable[[], Awaitable[object]]


@attrs.define(eq=False)
class Allowance:
    """Made by ``Quotas.writing``; used by one thread at a time. The rest is given back at ``close``."""

    _account: Account
    _look: Look
    _refusal: Callable[[Amount], errors.NoSpace]
    _ready: Amount = NOTHING  # reserved, and not asked for by the writer yet
    _flying: Amount = NOTHING  # asked for; may not be on the disk before the writer asks again
    _refused: errors.NoSpace | None = None

    async def prepare(self, amount: Amount, more: Amount = NOTHING) -> None:
        """``amount`` is reserved, and ``more`` as well where there is room for that; raises ``NoSpace``.

        What was charged before is written by now.
        """
        self.settle()
        self._check()
        if self._reserve(amount + more):
            return
        await self._look()
        if not (self._reserve(amount + more) or self._reserve(amount)):
            self._refuse(amount)

    def charge(self, count: int, entries: int) -> None:
        """As ``Charge`` has it, in a thread that must not wait."""
        amount = self._begin(count, entries)
        if not self._reserve(amount):
            self._refuse(amount)
        self._take(amount)

    def charge_waiting(self, count: int, entries: int) -> None:
        """As ``Charge`` has it, in one of Trio's worker threads that may wait for a look."""
        amount = self._begin(count, entries)
        if not self._reserve(amount):
            trio.from_thread.run(self.prepare, amount)
        self._take(amount)

    def use(self, amount: Amount) -> None:
        """So much of what was prepared is written."""
        self._take(amount)
        self.settle()

    def settle(self) -> None:
        """What was charged is written."""
        self._account.settle(self._flying)
        self._flying = NOTHING

    def close(self) -> None:
        """The writer has ended, whichever way."""
        self.settle()
        self._account.give_back(self._ready)
        self._ready = NOTHING

    @property
    def ready(self) -> Amount:
        """What is prepared."""
        return self._ready

    def _begin(self, count: int, entries: int) -> Amount:
        self.settle()
        self._check()
        return Amount(count, entries)

    def _check(self) -> None:
        if self._refused is not None:
            raise self._refused

    def _reserve(self, amount: Amount) -> bool:
        """Whether so much is prepared now."""
        missing = Amount(
            max(amount.bytes - self._ready.bytes, 0), max(amount.entries - self._ready.entries, 0)
        )
        if missing != NOTHING:
            if not self._account.reserve(missing):
                return False
            self._ready += missing
        return True

    def _take(self, amount: Amount) -> None:
        self._ready -= amount
        self._flying += amount

    def _refuse(self, amount: Amount) -> None:
        self._refused = self._refusal(amount)
        raise self._refused


def unlimited() -> Allowance:
    """One of a volume that is nobody's concern."""

    async def look() -> None:
        return

    return Allowance(Account(), look, lambda _: errors.NoSpace("The volume is full"))
