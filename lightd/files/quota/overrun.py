"""Decides what follows from the usage of a volume, in bytes and in entries. Pure.

- Full: with an enforced size, less than a hundredth of it (at most a megabyte) is left; otherwise, more than
  the size is used. This is reported once, and again after less than ``CALM`` of the size was used in between.
- If the kernel does not enforce the size: a server whose volume exceeds its size, and has grown since the
  report by a hundredth of the size and at least a megabyte, is stopped, and again each time it has grown by
  as much.
- A server whose volume uses more than twice its size (and at least ``FAR`` more) is killed.
- Entries, which no kernel enforces reliably, are treated in the same way: a step is a hundredth of them and
  at least ``STRIDE``, and half as many again, at least ``limits.FEWEST``, are far too many
  (``limits.far_of``).
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
    """What to do about a volume."""

    NOTHING = "nothing"
    REPORT = "report"
    STOP = "stop"
    KILL = "kill"


@attrs.frozen
class Standing:
    """The state of a volume: whether it was reported as full, and with how many bytes."""

    reported: bool = False
    at: int = 0


def judge(before: Standing, size: int, used: int, *, enforced: bool) -> tuple[Standing, Step]:
    """The new state of the volume, and what to do; ``size`` and ``used`` are bytes."""
    if enforced:
        return _judge(before, size - min(size // 100, MEGABYTE), used, calm=size * CALM)
    step = max(size // 100, MEGABYTE)
    return _judge(before, size, used, calm=size * CALM, step=step, far=size + max(size, FAR))


def judge_entries(before: Standing, most: int, entries: int) -> tuple[Standing, Step]:
    """The same for ``entries``, of which the volume can have ``most``."""
    step = max(most // 100, STRIDE)
    return _judge(before, most, entries, calm=most * CALM, step=step, far=far_of(most))


def _judge(
    before: Standing, full: int, used: int, *, calm: float, step: float = math.inf, far: float = math.inf
) -> tuple[Standing, Step]:
    if used <= full:
        return (Standing() if used < calm else before), Step.NOTHING
    if used > far:
        return Standing(reported=True, at=used), Step.KILL
    if not before.reported:
        return Standing(reported=True, at=used), Step.REPORT
    if used > before.at + step:
        return Standing(reported=True, at=used), Step.STOP
    return before, Step.NOTHING
