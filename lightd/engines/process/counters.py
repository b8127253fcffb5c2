"""Statistics of runs: from their cgroups, otherwise from ``/proc`` for each of their processes.

All runs share the host's network, so the network counters are 0. Without a cgroup there is no memory limit,
and the host's memory is reported as the limit. CPU times of exited processes are included in those of their
parent, in the end the supervisor. Blocks.
"""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from actors.container.engine import Sample
from lightd.engines.host import cgroups
from lightd.engines.process.container import Container, Run, is_alive
from lightd.engines.process.tree import beneath

TICK: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def read_samples(containers: Mapping[str, Container]) -> dict[str, Sample]:
    """The statistics of running containers, by engine id."""
    host_memory = cgroups.read_host_memory()
    found = {}
    for engine_id, container in containers.items():
        run = _active(container)
        if run is None:
            continue
        sample = _read_groups(engine_id, run.program, host_memory)
        found[engine_id] = sample or _read_processes(run.supervisor, host_memory)
    return found


def read_threads(containers: Iterable[Container]) -> list[int]:
    """The ids of the threads of all processes of running containers."""
    found = []
    for run in filter(None, map(_active, containers)):
        for pid in beneath(run.supervisor):
            with suppress(OSError):
                found += [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    return found


def _active(container: Container) -> Run | None:
    """The run that is active, None if there is none."""
    run, end = container.last_run(), container.exit()
    ended = run is None or (end is not None and end.number == run.number) or not is_alive(run)
    return None if ended else run


def _read_groups(engine_id: str, program: int, host_memory: int) -> Sample | None:
    try:
        sample = cgroups.read_sample(engine_id, program, host_memory, cgroups.ROOT)
    except (OSError, ValueError, LookupError):
        return None
    return attrs.evolve(sample, network_rx=0, network_tx=0)


def _read_processes(supervisor: int, host_memory: int) -> Sample:
    ticks = sum(_read_ticks(supervisor)[2:])
    pages = read = written = count = 0
    for pid in beneath(supervisor):
        with suppress(OSError, ValueError, IndexError):
            ticks += sum(_read_ticks(pid))
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            count += 1
        with suppress(OSError, ValueError, KeyError):
            lines = Path(f"/proc/{pid}/io").read_text().replace(":", "").splitlines()
            fields = cgroups.to_fields(lines)
            read, written = read + fields["read_bytes"], written + fields["write_bytes"]
    return Sample(
        at=time.monotonic(),
        cpu_time=ticks / TICK,
        memory_usage=min(pages * PAGE, host_memory),
        memory_limit=host_memory,
        network_rx=0,
        network_tx=0,
        block_read=read,
        block_write=written,
        pids=count,
    )


def _read_ticks(pid: int) -> list[int]:
    """CPU time of a process in user and kernel mode, with the children that it has reaped (proc(5))."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(word) for word in words[11:15]]
