"""The account of one volume: the last measurement, what was written since, and what is reserved.

Writers in several threads share it: each reserves room before it writes, and what one has reserved is not
available to another. So twenty writers that begin at once cannot all use the same room.

- ``writing`` is reserved and may not be on the disk yet; ``written`` is on the disk and was charged since the
  last measurement.
- A measurement subtracts what was ``written`` when it began, because its result includes that. What is
  written during the measurement can count twice until the next one: the total can be too high, but never too
  low.
- What the disk has lost since the last measurement, in addition to lightd's own writes, may have been
  written to this volume by its server: it is ``strange``, and counts until a measurement has found the
  actual value.
- If there seems to be no room, the volume is measured first, because files may have been deleted or replaced.
"""

import threading
from typing import Final

import attrs
import trio

from lightd.files.charging import NOTHING, Amount
from lightd.files.quota.limits import Limit, entries_of
from lightd.files.quota.overrun import Standing

URGENCY: Final = 4.0
"""The next measurement never begins before this many times the duration of the last one have passed."""

UNLIMITED: Final = Limit(None, entries_of(None))


@attrs.define(eq=False)
class Account:
    """The account of a volume (see the module). Times are on Trio's clock.

    ``due`` is when the volume is measured again, None before the first time; ``wanted`` asks for it to be
    soon. ``count_due`` is the same for its entries if the kernel counts the bytes. ``took`` is the duration
    of the last walk, ``ended`` its end, ``free`` the free bytes of the disk at that time; ``blind`` counts
    the failed walks since then. ``shrinking`` is the smaller size in megabytes that is being set.
    ``standing`` is about bytes, ``crowding`` about entries.
    """

    limit: Limit = UNLIMITED
    used: Amount = NOTHING
    written: Amount = NOTHING
    writing: Amount = NOTHING
    strange: int = 0
    shrinking: int | None = None
    due: float | None = None
    count_due: float = 0.0
    wanted: bool = True
    took: float = 0.0
    ended: float = 0.0
    free: int = 0
    standing: Standing = attrs.field(factory=Standing)
    crowding: Standing = attrs.field(factory=Standing)
    blind: int = 0
    looking: trio.Lock = attrs.field(factory=trio.Lock)
    begun: int = 0
    done: int = 0
    """The number of measurements that began, and the number of the last one that succeeded."""
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    @property
    def taken(self) -> Amount:
        """The amount that is not available."""
        return self.used + self.written + self.writing + Amount(self.strange)

    @property
    def stale(self) -> bool:
        """Whether the volume should be measured again."""
        return self.wanted or self.due is None or trio.current_time() >= self.due

    @property
    def rested(self) -> bool:
        """Whether the time since the last measurement is at least its duration."""
        return trio.current_time() >= self.ended + URGENCY * self.took

    def suspect(self, free: int) -> None:
        """Record that the disk has ``free`` bytes now."""
        with self._lock:
            self.strange = max(self.free - free - (self.written + self.writing).bytes, 0)

    def reserve(self, amount: Amount) -> bool:
        """Reserve ``amount`` if there is room; return whether there was. Thread-safe."""
        with self._lock:
            if not self.limit.has_room(self.taken + amount):
                return False
            self.writing += amount
            return True

    def settle(self, amount: Amount) -> None:
        """Record that a reserved amount was written. Thread-safe."""
        with self._lock:
            self.writing -= amount
            self.written += amount

    def give_back(self, amount: Amount) -> None:
        """Release a reserved amount that will not be written."""
        with self._lock:
            self.writing -= amount

    def found(self, used: Amount, known: Amount) -> None:
        """Record a measurement of ``used``; ``known`` is the amount that was written when it began."""
        with self._lock:
            self.used = used
            self.written -= known
            self.strange = 0
