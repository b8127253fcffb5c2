"""Converts the engine's counters to statistics for people. Pure."""

import attrs

from actors.container.engine import Sample


@attrs.frozen
class Stats:
    """A running container's use of the machine: processor in percent of one core, uptime in whole seconds.

    Everything else is in bytes; ``network_*`` and ``block_*`` are totals since the start.
    """

    cpu_usage: float
    memory_usage: int
    memory_limit: int
    network_rx: int
    network_tx: int
    block_read: int
    block_write: int
    uptime: int


def to_stats(before: Sample | None, now: Sample, uptime: float) -> Stats:
    """Return what ``now`` means, the processor's use being that since ``before`` (0 where there is none)."""
    cpu = 0.0
    if before is not None and now.at > before.at:
        cpu = max(0.0, (now.cpu_time - before.cpu_time) / (now.at - before.at) * 100.0)
    return Stats(
        cpu_usage=round(cpu, 2),
        memory_usage=now.memory_usage,
        memory_limit=now.memory_limit,
        network_rx=now.network_rx,
        network_tx=now.network_tx,
        block_read=now.block_read,
        block_write=now.block_write,
        uptime=max(0, int(uptime)),
    )
