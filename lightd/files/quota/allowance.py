"""What one writer can add to a volume: requested in Trio, or by the writing thread, a piece at a time.

A thread that may wait (``charge_waiting``) has the volume measured if there seems to be no room. A thread
that must not wait (``charge``), because it is one of a few that all volumes share, gets its room beforehand
(``prepare``), and is refused what is not available at once. After one refusal all further requests are
refused, because a writer that cleans up does not write.
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
    """Made by ``Quotas.writing``, for one thread at a time. The unused rest is released by ``close``."""

    _account: Account
    _look: Look
    _refusal: Callable[[Amount], errors.NoSpace]
    _ready: Amount = NOTHING  # reserved, and not requested by the writer yet
    _flying: Amount = NOTHING  # requested; may not be on the disk before the writer's next request
    _refused: errors.NoSpace | None = None

    async def prepare(self, amount: Amount, more: Amount = NOTHING) -> None:
        """Reserve ``amount``, and also ``more`` if there is room; raises ``NoSpace``.

        What was charged before counts as written.
        """
        self.settle()
        self._check()
        if self._reserve(amount + more):
            return
        await self._look()
        if not (self._reserve(amount + more) or self._reserve(amount)):
            self._refuse(amount)

    def charge(self, count: int, entries: int) -> None:
        """A ``Charge`` for a thread that must not wait."""
        amount = self._begin(count, entries)
        if not self._reserve(amount):
            self._refuse(amount)
        self._take(amount)

    def charge_waiting(self, count: int, entries: int) -> None:
        """A ``Charge`` for one of Trio's worker threads that may wait for a measurement."""
        amount = self._begin(count, entries)
        if not self._reserve(amount):
            trio.from_thread.run(self.prepare, amount)
        self._take(amount)

    def use(self, amount: Amount) -> None:
        """Record that a part of what was prepared was written."""
        self._take(amount)
        self.settle()

    def settle(self) -> None:
        """Record that everything that was charged was written."""
        self._account.settle(self._flying)
        self._flying = NOTHING

    def close(self) -> None:
        """Record the end of the writer, successful or not."""
        self.settle()
        self._account.give_back(self._ready)
        self._ready = NOTHING

    @property
    def ready(self) -> Amount:
        """The prepared amount."""
        return self._ready

    def _begin(self, count: int, entries: int) -> Amount:
        self.settle()
        self._check()
        return Amount(count, entries)

    def _check(self) -> None:
        if self._refused is not None:
            raise self._refused

    def _reserve(self, amount: Amount) -> bool:
        """Reserve the amount; return whether there was room."""
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
    """An allowance without limits."""

    async def look() -> None:
        return

    return Allowance(
        Account(), look, lambda _: errors.NoSpace("The volume is full: delete files, or enlarge it")
    )
