"""Cgroups for runs, if lightd can create them (kernel documentation: cgroup-v2.rst, cgroup-v1/).

Version 2: one group for each run, below lightd's own group, or below the root group for root. Limits need the
controllers to be delegated to it; ``cgroup.kill`` always works. Version 1, as root: one group in each
hierarchy. What is not possible is left out and logged at the start: ``Groups.held`` are the enforced limits.

Everything here blocks for as long as a few writes to the kernel take.
"""

import errno
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from actors.container.engine import EngineRefused
from actors.container.spec import Limits
from lightd.engines.host.cgroups import to_groups

PERIOD: Final = 100_000  # microseconds: the period of the CPU quota
TOP: Final = "lightd"
VERSION_1: Final = ("memory", "cpu", "cpuacct", "pids", "freezer", "blkio")
NEEDED: Final = frozenset({"memory", "cpu", "pids"})


@attrs.frozen
class Groups:
    """Where groups can be created: ``tops`` by controller for version 1; version 2 has the empty name.

    ``held`` names the limits that a group enforces.
    """

    tops: Mapping[str, Path]
    held: frozenset[str]

    def make(self, name: str, limits: Limits) -> list[str]:
        """Create the groups of a run, with its limits; raises ``EngineRefused``."""
        for top in self.tops.values():
            with suppress(FileExistsError):
                (top / name).mkdir(parents=True)
        self.limit(name, limits)
        return [str(top / name) for top in self.tops.values()]

    def sweep(self, engine_id: str) -> None:
        """Remove the groups of all ended runs of a container."""
        for top in self.tops.values():
            for group in top.glob(f"{engine_id}-*"):
                with suppress(OSError):
                    group.rmdir()

    def leave(self) -> None:
        """Remove the parent groups that contain no group of a run."""
        for top in self.tops.values():
            with suppress(OSError):
                top.rmdir()
                top.parent.rmdir()

    def limit(self, name: str, limits: Limits) -> None:
        """Change the limits of a run; those that are None are kept. Raises ``EngineRefused``."""
        for key, value in attrs.asdict(limits).items():
            if value is None or key not in self.held:
                continue
            try:
                self._hold(name, key, value)
            except OSError as error:
                busy = error.errno == errno.EBUSY
                why = "more memory is in use" if busy else str(error.strerror)
                raise EngineRefused(f"The limit of {key} cannot be set: {why}") from None

    def _hold(self, name: str, key: str, value: float) -> None:
        if two := self.tops.get(""):
            words = {"memory": [("memory.swap.max", "0"), ("memory.max", f"{value:.0f}")]}
            words["cpu"] = [("cpu.max", f"{value * PERIOD:.0f} {PERIOD}")]
            words["pids"] = [("pids.max", f"{value:.0f}")]
            for file, word in words[key]:
                _write(two / name / file, word)
            return
        group = self.tops[key] / name
        match key:
            case "memory":
                _limit_memory_1(group, f"{value:.0f}")
            case "cpu":
                _write(group / "cpu.cfs_period_us", str(PERIOD))
                _write(group / "cpu.cfs_quota_us", f"{value * PERIOD:.0f}")
            case _:
                _write(group / "pids.max", f"{value:.0f}")


def _limit_memory_1(group: Path, word: str) -> None:
    """Set both limits to the same value, so that there is no swap. The first must never exceed the second."""
    both, alone = group / "memory.memsw.limit_in_bytes", group / "memory.limit_in_bytes"
    raised = both.exists() and int(word) > int(both.read_text())
    if raised:
        _write(both, word)
    _write(alone, word)
    if both.exists() and not raised:
        _write(both, word)


def _write(path: Path, word: str) -> None:
    if path.name == "memory.swap.max" and not path.exists():
        return  # a kernel without swap accounting
    path.write_text(word)


def find(node: str, root: Path = Path("/")) -> Groups:
    """Where this process can create groups for ``node``. This is tested by creating some."""
    mounted = root / "sys/fs/cgroup"
    try:
        own = to_groups((root / "proc/self/cgroup").read_text())
    except (OSError, ValueError):
        return Groups({}, frozenset())
    if (mounted / "cgroup.controllers").exists():
        return _find_2(mounted, own.get("", "/"), node)
    tops: dict[str, Path] = {}
    for controller in VERSION_1:
        base = mounted / controller
        here = base / own.get(controller, "/").lstrip("/")
        if top := _make_top(here if here.is_dir() else base, node):
            tops[controller] = top
    return Groups(tops, frozenset(tops) & NEEDED)


def _find_2(mounted: Path, own: str, node: str) -> Groups:
    beneath = mounted / own.lstrip("/")
    for base in [mounted, beneath] if os.geteuid() == 0 else [beneath]:
        if top := _make_top(base, node):
            for above in (base, top.parent, top):
                for controller in NEEDED:
                    with suppress(OSError):  # not delegated to lightd, or in use by processes in the group
                        (above / "cgroup.subtree_control").write_text(f"+{controller}")
            given = set(_words(top / "cgroup.subtree_control"))
            return Groups({"": top}, frozenset(given & NEEDED))
    return Groups({}, frozenset())


def _make_top(base: Path, node: str) -> Path | None:
    top = base / TOP / node
    try:
        top.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return top


def _words(path: Path) -> Sequence[str]:
    try:
        return path.read_text().split()
    except OSError:
        return ()
