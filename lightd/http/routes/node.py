"""The routes about the daemon and its host: that it is running, and how the node is."""

import bisect
import platform
from collections import Counter
from typing import Any, Final, get_args

import attrs
from quart import Response

from actors.container.fleet import Fleet
from actors.container.state import InstallState, PowerState
from lightd.access import scopes
from lightd.config.engines import ENGINES
from lightd.engines.host.facts import Facts
from lightd.http.openapi.schemas import (
    FLAG,
    MOMENT,
    NUMBER,
    TEXT,
    WHOLE,
    described,
    many,
    message,
    record,
    words,
)
from lightd.http.route import Route
from lightd.http.wire import to_json
from lightd.logs.loop_delay import BLOCKED, BOUNDS, Delays
from lightd.system import System
from lightd.validation.schema import Schema, nullable

_STATES: Final = get_args(PowerState)
_INSTALL_STATES: Final = get_args(InstallState)


async def ping(system: System) -> Response:
    return to_json({"status": "ok", "message": "Lightd is running", "version": system.version})


async def show(system: System) -> Response:
    host, up = await system.node.host.get(), system.fleet.engine_up.value
    entries = system.ports.state.entries
    used = sum(entry.in_use for entry in entries.values())
    return to_json(
        {
            "node": system.config.node,
            "version": system.version,
            "python": platform.python_version(),
            "started_at": system.started_at,
            "engine": {
                "kind": system.config.docker.engine,
                "available": up,
                "version": await system.node.engine_version.get() if up else None,
            },
            "host": None if host is None else _to_host(host),
            "containers": _to_counts(system.fleet),
            "volumes": len(system.volumes.view.state.volumes),
            "ports": {"total": len(entries), "in_use": used, "free": len(entries) - used},
            "event_loop": _to_delays(system.delays),
        }
    )


def _to_host(host: Facts) -> dict[str, Any]:
    return {
        "os": host.os,
        "kernel": host.kernel,
        "architecture": host.architecture,
        "uptime": int(host.uptime),
        "cpus": host.cpus,
        "load": list(host.load),
        "memory": {
            "total": host.memory_total,
            "available": host.memory_available,
            "lightd": host.resident,
        },
        "disks": {name: disk and attrs.asdict(disk) for name, disk in host.disks.items()},
    }


def _to_counts(fleet: Fleet) -> dict[str, int]:
    states: Counter[str] = Counter()
    install_states: Counter[str] = Counter()
    total = quarantined = 0
    for member in fleet:
        total += 1
        quarantined += member.handle.quarantined
        states[member.state.power_state] += 1
        install_states[member.state.install_state] += 1
    return {
        "total": total,
        **{name: states[name] for name in _STATES},
        **{name: install_states[name] for name in _INSTALL_STATES},
        "quarantined": quarantined,
    }


def _to_delays(delays: Delays) -> dict[str, Any]:
    passes = sum(delays.counts)
    return {
        "passes": passes,
        "mean_ms": round(delays.total / passes * 1000, 3) if passes else 0.0,
        "longest_ms": round(delays.longest * 1000, 1),
        "blocked": sum(delays.counts[bisect.bisect_left(BOUNDS, BLOCKED) + 1 :]),
    }


def _bytes(means: str, example: int) -> Schema:
    return described(WHOLE, means, unit="bytes", example=example)


def _count(means: str, unit: str, example: int) -> Schema:
    return described(WHOLE, means, unit=unit, example=example)


_DISK: Schema = nullable(
    record(
        {
            "total": _bytes("its size", 500107862016),
            "free": _bytes("what can still be written", 321228775424),
        },
        means="A file system; null if the folder cannot be looked at.",
    )
)
_HOST: Schema = record(
    {
        "os": described(TEXT, "the operating system", example="Debian GNU/Linux 12 (bookworm)"),
        "kernel": described(TEXT, "the version of Linux", example="6.1.0-28-amd64"),
        "architecture": described(TEXT, "the architecture of its processors", example="x86_64"),
        "uptime": _count("the time since the host was started", "seconds", 912345),
        "cpus": _count("its processors", "processors", 8),
        "load": described(
            many(NUMBER), "the load averages of the last 1, 5 and 15 minutes", example=[0.42, 0.37, 0.31]
        ),
        "memory": record(
            {
                "total": _bytes("the memory of the host", 33554432000),
                "available": _bytes("what programs can use without swapping", 21474836480),
                "lightd": _bytes("what the daemon itself uses", 73400320),
            },
            means="The memory.",
        ),
        "disks": record(
            {"data": _DISK, "volumes": _DISK},
            means="The file systems of `storage.base_path` and `storage.volumes_path`.",
        ),
    },
    means="The machine; at most 2 seconds old. Null if it cannot be read, for example while a disk hangs.",
)
_COUNTS: Schema = record(
    {
        "total": _count("all containers", "containers", 12),
        **{name: _count(f"those whose `state` is `{name}`", "containers", 0) for name in _STATES},
        **{
            name: _count(f"those whose `install_state` is `{name}`", "containers", 0)
            for name in _INSTALL_STATES
        },
        "quarantined": _count("those in quarantine", "containers", 0),
    },
    means="The containers.",
)
_PORTS: Schema = record(
    {
        "total": _count("all ports of the pool", "ports", 100),
        "in_use": _count("those that are held or marked as in use", "ports", 24),
        "free": _count("the others", "ports", 76),
    },
    means="The port pool.",
)
_LOOP: Schema = record(
    {
        "passes": _count("turns of the event loop since the daemon was started", "turns", 1203311),
        "mean_ms": described(NUMBER, "the mean duration of a turn", unit="milliseconds", example=0.121),
        "longest_ms": described(NUMBER, "the longest turn", unit="milliseconds", example=18.4),
        "blocked": _count("turns of more than 50 ms, which delay every client", "turns", 0),
    },
    means="How long the daemon keeps its clients waiting.",
)

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/public/ping",
        permission=scopes.NOTHING,
        subject=scopes.Node,
        handler=ping,
        name="ping",
        summary="Check that the daemon is running",
        curl="curl -sS $url/api/v1/public/ping",
        answer=record(
            {
                "status": described(message("ok"), "always `ok`"),
                "message": described(message("Lightd is running"), "the same for people"),
                "version": TEXT,
            }
        ),
    ),
    Route(
        method="GET",
        path="/node",
        permission="stats",
        subject=scopes.Node,
        handler=show,
        name="show_node",
        summary="Show the node",
        text="Versions, the load of the machine, its memory and disks, and the number of containers, volumes and ports. "
        "`state` and `install_state` are counted separately: each container is counted once in both.",
        curl="call $url/node",
        answer=record(
            {
                "node": described(TEXT, "`node` of the configuration", example="lightd-8c1f"),
                "version": TEXT,
                "python": described(TEXT, "the version of Python", example="3.11.2"),
                "started_at": described(MOMENT, "when the daemon was started", example=1767225600.25),
                "engine": record(
                    {
                        "kind": described(words(*ENGINES), "which engine", example="docker"),
                        "available": described(FLAG, "whether it answers", example=True),
                        "version": described(
                            nullable(TEXT), "its version, null while it does not answer", example="20.10.24"
                        ),
                    },
                    means="The container engine.",
                ),
                "host": nullable(_HOST),
                "containers": _COUNTS,
                "volumes": _count("all volumes", "volumes", 12),
                "ports": _PORTS,
                "event_loop": _LOOP,
            }
        ),
    ),
)
