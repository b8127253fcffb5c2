"""Since when the host and its processes run, in Unix seconds: from ``/proc`` and the kernel's clocks."""

import os
import time
from pathlib import Path
from typing import Final

SETTLING: Final = 120.0
"""Seconds after the start of the host or of an engine within which it has ended what it does not restore."""

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


def booted_at() -> float:
    """When the host was booted, in Unix seconds."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def process_started_at(pid: int, name: str, proc: Path = Path("/proc")) -> float | None:
    """When the process ``pid`` began, in Unix seconds; None if there is none, or it has another name."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
    except OSError:
        return None
    before, _, after = stat.rpartition(")")
    if before.partition("(")[2] != name:
        return None
    return booted_at() + int(after.split()[19]) * _TICK
