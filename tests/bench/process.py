"""What a process costs, as the kernel counts it."""

import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Processor time of the process so far, its own and the kernel's for it, to the nanosecond.

    The id of the clock is what clock_getcpuclockid(3) makes of a process: what getrusage counts in it.
    """
    return time.clock_gettime((~pid << 3) | 2)


def resident(pid: int, kind: str = "Private_Dirty") -> int:
    """Bytes of memory that are the process's own now; with the kind ``Rss``, shared libraries too."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    msg = f"the kernel does not say what process {pid} holds"
    raise LookupError(msg)
