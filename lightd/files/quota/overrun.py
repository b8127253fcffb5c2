"""What follows from what a volume holds. Pure.

- Full: under a kind that enforces, all but the last hundredth (a megabyte at most) is used; else, more than
  the size. It is told once, and again after less than ``CALM`` of the size was used in between.
- Where the kernel doesn't enforce: a server whose volume is over its size and has grown since that was told,
  by a hundredth of the size and at least a megabyte, is stopped, and again each time that it grows so much.
- One whose volume is over twice its size (by at least ``FAR``) is killed.
"""

from enum import Enum
from typing import Final

import attrs

from lightd.files.quota.kind import MEGABYTE

CALM: Final = 0.95
FAR: Final = 256 * MEGABYTE


class Step(Enum):
    """What is to be done about a volume."""

    NOTHING = "nothing"
    TELL = "tell"
    STOP = "stop"
    KILL = "kill"


@attrs.frozen
class Standing:
    """How a volume stood: whether it was told to be full, and at how many bytes."""

    told: bool = False
    at: int = 0


def judge(before: Standing, size: int, used: int, *, enforced: bool) -> tuple[Standing, Step]:
    """How the volume stands now, and what is to be done; ``size`` and ``used`` are bytes."""
    full = used > size - (min(size // 100, MEGABYTE) if enforced else 0)
    if not full:
        return (Standing() if used < size * CALM else before), Step.NOTHING
    if not enforced and used > size + max(size, FAR):
        return Standing(told=True, at=used), Step.KILL
    if not before.told:
        return Standing(told=True, at=used), Step.TELL
    if not enforced and used > before.at + max(size // 100, MEGABYTE):
        return Standing(told=True, at=used), Step.STOP
    return before, Step.NOTHING
