"""What follows from what a volume holds, in bytes and in entries. Pure.

- Full: under a kind that enforces, all but the last hundredth (a megabyte at most) is used; else, more than
  the size. It is told once, and again after less than ``CALM`` of the size was used in between.
- Where the kernel doesn't enforce: a server whose volume is over its size and has grown since that was told,
  by a hundredth of the size and at least a megabyte, is stopped, and again each time that it grows so much.
- One whose volume is over twice its size (by at least ``FAR``) is killed.
- Entries, which no kernel enforces for certain, go the same way: a step is a hundredth of them and at least
  ``STRIDE``, and far too many are half as many again (``limits.far_of``).
"""

import math
from enum import Enum
from typing import Final

import attrs

from lightd.files.quota.kind import MEGABYTE
from lightd.files.quota.limits import far_of

CALM: Final = 0.95
FAR: Final = 256 * MEGABYTE
STRIDE: Final = 1000


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
    if enforced:
        return _judge(before, size - min(size // 100, MEGABYTE), used, calm=size * CALM)
    step = max(size // 100, MEGABYTE)
    return _judge(before, size, used, calm=size * CALM, step=step, far=size + max(size, FAR))


def judge_entries(before: Standing, most: int, entries: int) -> tuple[Standing, Step]:
    """The same for ``entries``, of which the volume may have ``most``."""
    step = max(most // 100, STRIDE)
    return _judge(before, most, entries, calm=most * CALM, step=step, far=far_of(most))


def _judge(
    before: Standing, full: int, used: int, *, calm: float, step: float = math.inf, far: float = math.inf
) -> tuple[Standing, Step]:
    if used <= full:
        return (Standing() if used < calm else before), Step.NOTHING
    if used > far:
        return Standing(told=True, at=used), Step.KILL
    if not before.told:
        return Standing(told=True, at=used), Step.TELL
    if used > before.at + step:
        return Standing(told=True, at=used), Step.STOP
    return before, Step.NOTHING
