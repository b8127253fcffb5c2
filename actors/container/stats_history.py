"""The statistics of one container in the last hour, in steps of ``STEP`` seconds. Pure.

1. A step has the largest memory and number of processes of its samples, the mean of the processor's use, and
   the last of the totals and of the uptime.
2. A step without a sample is missing: the container did not run, the engine did not answer, lightd did not
   run, or ``monitoring`` is off.
3. The size is bounded: ``POINTS`` steps of ``SIZE`` bytes in one buffer, 22 KB for a whole hour, and nothing
   before the first sample. Nothing is stored on disk.
4. Steps are of the wall clock. If it is set back, the steps after it are dropped.
"""

import struct
from typing import Any, Final

import attrs

from actors.container.stats import Stats

STEP: Final = 10
"""Seconds."""
POINTS: Final = 360
_POINT: Final = struct.Struct("<IfQQQQQIi")
SIZE: Final = _POINT.size
UNKNOWN: Final = -1


@attrs.frozen
class Point:
    """A step: ``at`` is its beginning in Unix seconds, ``pids`` the number of processes, None if unknown.

    The other fields are as in ``Stats``.
    """

    at: int
    cpu_usage: float
    memory_usage: int
    network_rx: int
    network_tx: int
    block_read: int
    block_write: int
    uptime: int
    pids: int | None


@attrs.define(eq=False)
class StatsHistory:
    """The steps of one container. ``at`` and ``pids`` are of the newest sample."""

    at: float | None = None
    pids: int | None = None
    _points: bytearray = attrs.field(factory=bytearray)
    _samples: int = 0
    """The number of samples in the newest step."""

    def add(self, now: float, stats: Stats, pids: int | None) -> None:
        """Add what was measured ``now`` (Unix seconds)."""
        self.at, self.pids = now, pids
        points, step = self._points, int(now // STEP)
        cpu, memory, most = stats.cpu_usage, stats.memory_usage, UNKNOWN if pids is None else pids
        while points and self._step(-SIZE) > step:
            del points[-SIZE:]
            self._samples = 1
        if points and self._step(-SIZE) == step:
            (_, mean, largest, *_, before) = _POINT.unpack(points[-SIZE:])
            self._samples += 1
            cpu = mean + (cpu - mean) / self._samples
            memory, most = max(memory, largest), max(most, before)
            del points[-SIZE:]
        else:
            self._samples = 1
        totals = stats.network_rx, stats.network_tx, stats.block_read, stats.block_write
        points += _POINT.pack(step, cpu, memory, *totals, stats.uptime, most)
        while self._step(0) <= step - POINTS:
            del points[:SIZE]

    def _step(self, offset: int) -> int:
        return int(_POINT.unpack_from(self._points, offset % len(self._points))[0])

    def read(self, now: float) -> list[Point]:
        """Return the steps of the hour before ``now`` (Unix seconds), oldest first."""
        since = int(now // STEP) - POINTS
        return [_to_point(fields) for fields in _POINT.iter_unpack(self._points) if fields[0] > since]


def _to_point(fields: tuple[Any, ...]) -> Point:
    step, cpu, memory, received, sent, read, written, uptime, pids = fields
    known = None if pids == UNKNOWN else pids
    return Point(step * STEP, round(cpu, 2), memory, received, sent, read, written, uptime, known)
