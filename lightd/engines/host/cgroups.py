"""Counters of running containers, from the kernel's own files: a twentieth of what Docker's API costs.

A container's control groups are those of its first process, ``/proc/<pid>/cgroup``; they carry its engine
id, which tells a pid that somebody else has by now. Version 1 has a line and a folder for each controller,
version 2 one for all (kernel documents: cgroup-v1/, cgroup-v2.rst). Memory that could be given back at
once, inactive file pages, isn't counted, as in ``docker stats``.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from actors.container.engine import Sample

ROOT = Path("/")


def read_samples(pids: Mapping[str, int], root: Path = ROOT) -> dict[str, Sample]:
    """The counters of the containers whose files can be read, by engine id. Blocks."""
    host_memory = read_host_memory(root)
    found = {}
    for engine_id, pid in pids.items():
        try:
            found[engine_id] = read_sample(engine_id, pid, host_memory, root)
        except (OSError, ValueError, LookupError):
            continue  # gone meanwhile, or not ours to see
    return found


def read_sample(engine_id: str, pid: int, host_memory: int, root: Path) -> Sample:
    """One container's counters; raises ``LookupError`` where the pid isn't its process."""
    process = root / "proc" / str(pid)
    groups = to_groups((process / "cgroup").read_text())
    if not any(engine_id in group for group in groups.values()):
        raise LookupError(engine_id)
    received, sent = to_network((process / "net/dev").read_text())
    mounted = root / "sys/fs/cgroup"
    if "memory" in groups:
        cpu, usage, limit, blocks = _read_version_1(groups, mounted)
    else:
        cpu, usage, limit, blocks = _read_version_2(mounted / groups[""].lstrip("/"))
    return Sample(
        at=time.monotonic(),
        cpu_time=cpu,
        memory_usage=usage,
        memory_limit=min(limit or host_memory, host_memory),
        network_rx=received,
        network_tx=sent,
        block_read=blocks[0],
        block_write=blocks[1],
    )


def read_host_memory(root: Path = ROOT) -> int:
    """Bytes of memory that the host has."""
    return to_fields((root / "proc/meminfo").read_text().replace(":", "").splitlines())["MemTotal"] * 1024


def _read_version_1(
    groups: Mapping[str, str], mounted: Path
) -> tuple[float, int, int | None, tuple[int, int]]:
    cpu = mounted / "cpuacct" / groups["cpuacct"].lstrip("/")
    memory = mounted / "memory" / groups["memory"].lstrip("/")
    blocks = mounted / "blkio" / groups.get("blkio", "").lstrip("/") / "blkio.throttle.io_service_bytes"
    inactive = to_fields((memory / "memory.stat").read_text().splitlines()).get("total_inactive_file", 0)
    return (
        int((cpu / "cpuacct.usage").read_text()) / 1e9,
        max(0, int((memory / "memory.usage_in_bytes").read_text()) - inactive),
        to_limit((memory / "memory.limit_in_bytes").read_text()),
        to_blocks_1(blocks.read_text() if blocks.exists() else ""),
    )


def _read_version_2(group: Path) -> tuple[float, int, int | None, tuple[int, int]]:
    blocks = group / "io.stat"
    inactive = to_fields((group / "memory.stat").read_text().splitlines()).get("inactive_file", 0)
    return (
        to_fields((group / "cpu.stat").read_text().splitlines())["usage_usec"] / 1e6,
        max(0, int((group / "memory.current").read_text()) - inactive),
        to_limit((group / "memory.max").read_text()),
        to_blocks_2(blocks.read_text() if blocks.exists() else ""),
    )


# ---- the files' formats


def to_groups(text: str) -> dict[str, str]:
    """``/proc/<pid>/cgroup``: the path of each controller; that of version 2 is under the empty name."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    return groups


def to_fields(lines: Iterable[str]) -> dict[str, int]:
    """Lines of a name, a number, and what else."""
    fields = {}
    for line in lines:
        name, number, *_ = line.split()
        fields[name] = int(number)
    return fields


def to_limit(text: str) -> int | None:
    """A memory limit in bytes, None for none; version 1 writes that as a very large number."""
    return None if text.strip() == "max" else int(text)


def to_network(text: str) -> tuple[int, int]:
    """``/proc/<pid>/net/dev``: bytes received and sent on all interfaces but the loopback (proc(5))."""
    received = sent = 0
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        if name.strip() != "lo":
            fields = numbers.split()
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent


def to_blocks_1(text: str) -> tuple[int, int]:
    """``blkio.throttle.io_service_bytes``: bytes read and written on all devices."""
    read = written = 0
    for line in text.splitlines():
        match line.split():
            case [_, "Read", number]:
                read += int(number)
            case [_, "Write", number]:
                written += int(number)
            case _:
                continue  # other kinds, and the sums
    return read, written


def to_blocks_2(text: str) -> tuple[int, int]:
    """``io.stat``: bytes read and written on all devices."""
    read = written = 0
    for field in text.split():
        name, _, number = field.partition("=")
        if name == "rbytes":
            read += int(number)
        elif name == "wbytes":
            written += int(number)
    return read, written
