"""What is known of one volume: what the last look found, what was written since, what is being written.

Writers in several threads share it: each reserves before it writes, and what is reserved by one is no room
for another. So twenty that begin at once can't each see the same room.

- ``writing`` is reserved and may not be on the disk yet; ``written`` is, and was charged since the last look.
- A look takes off what was ``written`` when it began, as it has found that. What is written during the look
  may be counted twice until the next one: too much is counted at times, never too little.
- What the disk has lost since the last look, beyond what lightd wrote here, may have gone into this volume by
  its server: it is ``strange``, and counts until a look has found what is true.
- Where there seems to be no room, a look comes first: files may have been deleted or replaced.
"""

import threading
from typing import Final

import attrs
import trio

from lightd.files.charging import NOTHING, Amount
from lightd.files.quota.limits import Limit, entries_of
from lightd.files.quota.overrun import Standing

HASTE: Final = 4.0
"""However urgent it is, the next look comes after so many times what the last one took."""

UNLIMITED: Final = Limit(None, entries_of(None))


@attrs.define(eq=False)
class Account:
    """See above. Times are on Trio's clock.

    ``due`` is when the volume is to be looked at again, None before the first look; where it is ``wanted``,
    that is soon. ``count_due`` is the same for its entries where the kernel counts the bytes. ``took`` is how
    long the last walk took, ``ended`` when that was, ``free`` what the disk had free then; ``blind`` counts
    the walks since that came to no end. ``shrinking`` is the smaller size in megabytes that the volume is
    about to have. ``standing`` is of bytes, ``crowding`` of entries.
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
    """Looks that were begun, and the number of the last one that came to an end."""
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    @property
    def taken(self) -> Amount:
        """What there is no room for any more."""
        return self.used + self.written + self.writing + Amount(self.strange)

    @property
    def stale(self) -> bool:
        """Whether it is time for a look."""
        return self.wanted or self.due is None or trio.current_time() >= self.due

    @property
    def rested(self) -> bool:
        """Whether the last look was long ago, for as long as it took."""
        return trio.current_time() >= self.ended + HASTE * self.took

    def suspect(self, free: int) -> None:
        """The disk has so many bytes ``free`` now."""
        with self._lock:
            self.strange = max(self.free - free - (self.written + self.writing).bytes, 0)

    def reserve(self, amount: Amount) -> bool:
        """Whether there is room for ``amount``, which is reserved then. Any thread may call it."""
        with self._lock:
            if not self.limit.has_room(self.taken + amount):
                return False
            self.writing += amount
            return True

    def settle(self, amount: Amount) -> None:
        """So much of what was reserved is written. Any thread may call it."""
        with self._lock:
            self.writing -= amount
            self.written += amount

    def give_back(self, amount: Amount) -> None:
        """So much of what was reserved is not going to be written."""
        with self._lock:
            self.writing -= amount

    def found(self, used: Amount, known: Amount) -> None:
        """A look found ``used``, which has in it what was ``known`` to be written when it began."""
        with self._lock:
            self.used = used
            self.written -= known
            self.strange = 0
