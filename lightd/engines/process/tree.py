"""All processes of one run, including those that left its process group or session.

An orphaned process becomes a child of the supervisor, which is its subreaper (prctl(2)); the cgroups of the
run, if there are any, list their processes. Standard library only, because the supervisor uses it.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Final

KILL_TIMEOUT: Final = (
    10.0  # seconds to kill processes that do not end, for example in an uninterruptible system call
)


class Tree:
    """All processes of a run: those that ``others`` finds, and those of its cgroups."""

    def __init__(self, groups: Sequence[str], others: Callable[[], set[int]]) -> None:
        self._groups, self._others = groups, others

    def end(self, reap: Callable[[], None]) -> None:
        """Kill all of them, including new ones; ``reap`` waits for children that have ended."""
        deadline = time.monotonic() + KILL_TIMEOUT
        while self._find() and time.monotonic() < deadline:
            self._tell("cgroup.kill", b"1")
            self._tell("freezer.state", b"FROZEN")
            self._signal_all(signal.SIGSTOP)
            self._signal_all(signal.SIGKILL)
            self._tell("freezer.state", b"THAWED")
            reap()
            time.sleep(0.001)

    def _find(self) -> set[int]:
        found = self._others()
        for group in self._groups:
            with contextlib.suppress(OSError), open(f"{group}/cgroup.procs", "rb") as file:
                found |= {int(line) for line in file}
        return found

    def _signal_all(self, number: int) -> None:
        """Signal the processes that still belong to the run when their pidfd is open: pids are reused."""
        held = {}
        try:
            for pid in self._find():
                with contextlib.suppress(OSError):
                    held[pid] = os.pidfd_open(pid)
            for pid in self._find() & held.keys():
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(held[pid], number)
        finally:
            for descriptor in held.values():
                os.close(descriptor)

    def _tell(self, name: str, word: bytes) -> None:
        for group in self._groups:
            with contextlib.suppress(OSError), open(f"{group}/{name}", "wb", buffering=0) as file:
                file.write(word)

    def ran_out_of_memory(self) -> bool:
        for group in self._groups:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError), open(f"{group}/{name}", "rb") as file:
                    if any(line.split()[0] == b"oom_kill" and int(line.split()[1]) for line in file):
                        return True
        return False

    def remove(self) -> None:
        for group in self._groups:
            with contextlib.suppress(OSError):
                os.rmdir(group)


def beneath(root: int) -> set[int]:
    """The pids of the living descendants of ``root``."""
    children: dict[int, set[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in (b"Z", b"X"):
                    children.setdefault(int(parent), set()).add(int(name))
    found: set[int] = set()
    new = children.get(root, set())
    while new:
        found |= new
        new = {child for pid in new for child in children.get(pid, ())} - found
    return found
