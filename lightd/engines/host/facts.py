"""Facts about the host, from the kernel's files: what a panel shows of a node.

``/proc/loadavg``, ``/proc/meminfo`` and ``/proc/uptime`` are described in proc(5), ``os-release`` in
os-release(5).
"""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import attrs

from lightd.engines.host.cgroups import ROOT, to_fields


@attrs.frozen
class Disk:
    """The size of a file system, and what an unprivileged user can still write, in bytes."""

    total: int
    free: int


@attrs.frozen
class Facts:
    """One look at the host. Memory in bytes, ``uptime`` in seconds, ``load`` of 1, 5 and 15 minutes.

    ``resident`` is the memory of this process. A disk is None if its folder can't be looked at.
    """

    kernel: str
    os: str
    architecture: str
    cpus: int
    uptime: float
    load: tuple[float, ...]
    memory_total: int
    memory_available: int
    resident: int
    disks: Mapping[str, Disk | None]


def read(folders: Mapping[str, Path], root: Path = ROOT) -> Facts:
    """Return the facts, with the disks of ``folders``. Blocks."""
    memory = to_fields((root / "proc/meminfo").read_text().replace(":", "").splitlines())
    status = (root / "proc/self/statm").read_text().split()
    return Facts(
        kernel=os.uname().release,
        os=read_os_name(root),
        architecture=platform.machine(),
        cpus=os.cpu_count() or 1,
        uptime=float((root / "proc/uptime").read_text().split()[0]),
        load=tuple(float(word) for word in (root / "proc/loadavg").read_text().split()[:3]),
        memory_total=memory["MemTotal"] * 1024,
        memory_available=memory["MemAvailable"] * 1024,
        resident=int(status[1]) * os.sysconf("SC_PAGE_SIZE"),
        disks={name: read_disk(folder) for name, folder in folders.items()},
    )


def read_os_name(root: Path = ROOT) -> str:
    """Return the name of the operating system with its version, ``Linux`` if there is no ``os-release``."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        try:
            lines = (root / name).read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition("=")
            if key == "PRETTY_NAME":
                return value.strip("\"'")
    return "Linux"


def read_disk(folder: Path) -> Disk | None:
    """Return the file system of ``folder``, None if it can't be looked at."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)
