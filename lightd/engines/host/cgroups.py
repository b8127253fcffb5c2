"""Statistics and threads of running containers, read from the kernel's files.

That takes a twentieth of the time of Docker's API.

A container's cgroups are those of its first process, ``/proc/<pid>/cgroup``. Their paths contain the
engine's id, which shows whether the pid has been reused. Version 1 has a line and a folder for each
controller, version 2 one for all (kernel documentation: cgroup-v1/, cgroup-v2.rst). Inactive file pages,
which can be freed at once, do not count as used memory, as in ``docker stats``.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from actors.container.engine import Sample

ROOT = Path("/")


def read_samples(pids: Mapping[str, int], root: Path = ROOT) -> dict[str, Sample]:
    """The statistics of the containers whose files can be read, by engine id. Blocks."""
    host_memory = read_host_memory(root)
    found = {}
    for engine_id, pid in pids.items():
        try:
            found[engine_id] = read_sample(engine_id, pid, host_memory, root)
        except (OSError, ValueError, LookupError):
            continue  # the process has ended, or its files are not readable
    return found


def read_sample(engine_id: str, pid: int, host_memory: int, root: Path) -> Sample:
    """The statistics of one container; raises ``LookupError`` if the pid is not its process."""
    process = f"{root}/proc/{pid}"
    groups = to_groups(_read(f"{process}/cgroup"))
    if not any(engine_id in group for group in groups.values()):
        raise LookupError(engine_id)
    received, sent = to_network(_read(f"{process}/net/dev"))
    mounted = f"{root}/sys/fs/cgroup"
    if "memory" in groups:
        cpu, usage, limit, blocks, pids = _read_version_1(groups, mounted)
    else:
        cpu, usage, limit, blocks, pids = _read_version_2(mounted + groups[""])
    return Sample(
        at=time.monotonic(),
        cpu_time=cpu,
        memory_usage=usage,
        memory_limit=min(limit or host_memory, host_memory),
        network_rx=received,
        network_tx=sent,
        block_read=blocks[0],
        block_write=blocks[1],
        pids=pids,
    )


def read_threads(engine_id: str, pid: int, root: Path = ROOT) -> list[int]:
    """The ids of the threads of all processes of a container, of which ``pid`` is one.

    Empty if it has ended, or if its cgroups cannot be read.
    """
    with suppress(OSError, ValueError):
        for controller, group in to_groups((root / "proc" / str(pid) / "cgroup").read_text()).items():
            if engine_id in group:
                folder = root / "sys/fs/cgroup" / controller.removeprefix("name=") / group.lstrip("/")
                with suppress(FileNotFoundError):  # not mounted there
                    text = (folder / ("tasks" if controller else "cgroup.threads")).read_text()
                    return [int(line) for line in text.splitlines()]
    return []


def read_host_memory(root: Path = ROOT) -> int:
    """The host's memory in bytes."""
    return to_fields(_read(f"{root}/proc/meminfo").replace(":", "").splitlines())["MemTotal"] * 1024


_Counters = tuple[float, int, int | None, tuple[int, int], int | None]
"""The processor time, the memory and its limit, what was read and written, the number of processes."""


def _read_version_1(groups: Mapping[str, str], mounted: str) -> _Counters:
    memory = f"{mounted}/memory{groups['memory']}"
    inactive = to_fields(_read(f"{memory}/memory.stat").splitlines()).get("total_inactive_file", 0)
    return (
        int(_read(f"{mounted}/cpuacct{groups['cpuacct']}/cpuacct.usage")) / 1e9,
        max(0, int(_read(f"{memory}/memory.usage_in_bytes")) - inactive),
        to_limit(_read(f"{memory}/memory.limit_in_bytes")),
        to_blocks_1(_read_if_there(f"{mounted}/blkio{groups.get('blkio', '')}/{_BLOCKS_1}")),
        to_count(_read_if_there(f"{mounted}/pids{groups.get('pids', '')}/pids.current")),
    )


def _read_version_2(group: str) -> _Counters:
    inactive = to_fields(_read(f"{group}/memory.stat").splitlines()).get("inactive_file", 0)
    return (
        to_fields(_read(f"{group}/cpu.stat").splitlines())["usage_usec"] / 1e6,
        max(0, int(_read(f"{group}/memory.current")) - inactive),
        to_limit(_read(f"{group}/memory.max")),
        to_blocks_2(_read_if_there(f"{group}/io.stat")),
        to_count(_read_if_there(f"{group}/pids.current")),
    )


_BLOCKS_1: Final = "blkio.throttle.io_service_bytes"


def _read(path: str) -> str:
    """The text of a file of the kernel."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path takes several times as long
        return file.readall().decode()


def _read_if_there(path: str) -> str:
    """The text of a file, empty if the kernel does not have it."""
    try:
        return _read(path)
    except FileNotFoundError:
        return ""


# ---- file formats


def to_groups(text: str) -> dict[str, str]:
    """``/proc/<pid>/cgroup``: the path for each controller; that of version 2 has the empty name."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    return groups


def to_fields(lines: Iterable[str]) -> dict[str, int]:
    """Lines of a name and a number; the rest of a line is ignored."""
    fields = {}
    for line in lines:
        name, number, *_ = line.split()
        fields[name] = int(number)
    return fields


def to_limit(text: str) -> int | None:
    """A memory limit in bytes, None if there is none; version 1 writes a very large number for that."""
    return None if text.strip() == "max" else int(text)


def to_count(text: str) -> int | None:
    """A number, None without one."""
    return int(text) if text else None


def to_network(text: str) -> tuple[int, int]:
    """``/proc/<pid>/net/dev``: bytes received and sent on all interfaces except the loopback (proc(5))."""
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
                continue  # other operations, and the totals
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
