"""Docker's words for what we call by other names: JSON of the Engine API (1.41) to values of ours."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from actors.container.engine import (
    EngineFault,
    EngineRefused,
    EngineUnavailable,
    Listed,
    Notice,
    Role,
    Sample,
    Snapshot,
)
from lightd.engines import image_names

Json = Mapping[str, Any]

# Labels: who a container is, for those who find it again.
MANAGED: Final = "lightd.managed"
INTERNAL_ID: Final = "lightd.internal_id"
NODE: Final = "lightd.node"
JOURNAL: Final = "lightd.journal"
"""The id of the journal that knows the container; older versions made containers without it."""

ROLE: Final = "lightd.role"
ATTEMPT: Final = "lightd.attempt"
FINGERPRINT: Final = "lightd.fingerprint"
BOUND: Final = "lightd.bound_mb"
"""Megabytes that a container may have outside of its volume, where its root file system is writable."""

CANDIDATE_PREFIX: Final = "lightd.next-"
"""How the name of a candidate begins. Its label calls it a server, for labels stay when it becomes one."""

ACTIONS: Final = ("start", "die", "destroy")
GOING: Final = frozenset({"removing", "dead"})
ALIVE: Final = frozenset({"running", "paused", "restarting"})

FAULT: Final = 500

EARLY: Final = 2.0
"""Seconds by which a process may begin before Docker says so, on a busy host."""

ANOTHER: Final = "another program answers at its socket"
NO_ENGINE: Final = f"The engine does not answer: {ANOTHER}"
NEVER: Final = "0001-01-01T00:00:00Z"
"""Go's zero time: what Docker writes where there is none."""

NEWEST: Final = (1, 47)
"""The newest API that we speak; the oldest is 1.41."""

_VERSION = re.compile(r"\d+\.\d+")
_PATH = re.compile(r"""(?<![\w/.:…-])/[^\s"':,;)]+""")
_MOST: Final = 300  # characters of what Docker says that are told to a person

_REFUSALS: Final[Sequence[tuple[re.Pattern[str], str]]] = tuple(
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"Bind for \S*?:(\d+) failed: port is already allocated", r"Port \1 is in use on the host"),
        (r"listen (tcp|udp)\d? \S*:(\d+): bind: address already in use", r"Port \2/\1 is in use on the host"),
        (r"(?:tcp|udp)\d? (\S+):\d+: bind: cannot assign requested address", r"The host has no address \1"),
        (r"bind source path does not exist", "A path that is to be mounted does not exist on the host"),
        (r"No such image: (\S+)", r"There is no image \1"),
        (
            r"pull access denied|repository does not exist|manifest (?:for \S+ not found|unknown)",
            "There is no such image, or it may not be pulled",
        ),
        (r'"/bin/sh": (?:stat|executable|permission)', "The image has no /bin/sh to start the command with"),
    )
)


_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def to_container_path(container: str, action: str = "") -> str:
    """The path of Docker's route for a container by its id or name: ``containers/<id>[/<action>]``.

    Raises ``EngineRefused`` for what is neither: Docker decodes and cleans paths before it routes them, so
    that quoting does not keep a ``/`` from leading to another route.
    """
    if _PART.fullmatch(container) is None:
        raise EngineRefused("The engine has no container of such a name")
    return f"containers/{container}/{action}" if action else f"containers/{container}"


def to_image_path(image: str) -> str:
    """The path of Docker's route for an image by its name or id; raises ``EngineRefused`` as above."""
    if not image_names.is_name(image):
        raise EngineRefused(f"{image!r} is not {image_names.MEANS}")
    return f"images/{image}/json"


class Refused(Exception):  # noqa: N818 - names what the engine did
    """The engine answered with an error: its HTTP status and its words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


def to_version(answer: object) -> str:
    """The newest API version that both speak, as paths have it (``v1.41``); from ``GET /version``.

    Raises ``EngineUnavailable`` where the answer is no engine's.
    """
    match answer:
        case {"ApiVersion": str(version)} if _VERSION.fullmatch(version):
            major, minor = min(tuple(map(int, version.split("."))), NEWEST)
            return f"v{major}.{minor}"
        case _:
            raise EngineUnavailable(NO_ENGINE)


def to_engine_version(answer: object) -> str:
    """The version of the engine itself, at most 100 characters; raises as ``to_version``."""
    match answer:
        case {"Version": str(version)}:
            return version[:100]
        case _:
            raise EngineUnavailable(NO_ENGINE)


def to_seconds(time: str) -> float | None:
    """Unix seconds of a time as Docker writes it (RFC 3339, nanoseconds cut to micro-), None for none."""
    return None if time in {"", NEVER} else datetime.fromisoformat(time).timestamp()


def to_snapshot(inspected: Json) -> Snapshot:
    """The answer of ``GET /containers/{id}/json``."""
    state = inspected["State"]
    started_at, finished_at = to_seconds(state["StartedAt"]), to_seconds(state["FinishedAt"])
    if started_at is not None and finished_at is not None and not state["Running"]:
        finished_at = max(
            started_at, finished_at
        )  # of a very short life Docker may say it the other way round
    return Snapshot(
        engine_id=inspected["Id"],
        running=state["Running"],
        started_at=started_at,
        finished_at=finished_at,
        exit_code=None if state["Running"] or started_at is None else state["ExitCode"],
        oom_killed=state["OOMKilled"],
    )


def to_since(inspected: Json, since: float) -> float:
    """From when on to read the log for what was printed since ``since``.

    Docker notes that a process has started after it did, so a life's first lines may be older than its
    beginning. Asked for from there on, they are looked for ``EARLY`` seconds before, but not in the life
    before this one where its end is known: while this one lasts.
    """
    state = inspected["State"]
    started_at, finished_at = to_seconds(state["StartedAt"]), to_seconds(state["FinishedAt"])
    if started_at is None or since != started_at:
        return since
    before = finished_at if state["Running"] else None
    return max(started_at - EARLY, before or 0.0)


def to_listed(row: Json, *, ours: bool = True) -> Listed | None:
    """One row of the answer of ``GET /containers/json``, None where its labels don't say what it is for."""
    match row["Labels"]:
        case {"lightd.internal_id": str(internal_id), "lightd.role": ("server" | "installer") as role}:
            names: Sequence[str] = row.get("Names") or ()
            return Listed(row["Id"], internal_id, _to_role(role, names), row["State"] in ALIVE, ours)
        case _:
            return None


def to_source(found: Json, target: str) -> str | None:
    """The host's path of what an inspected container has at ``target``, None where that is nothing."""
    sources = [mount["Source"] for mount in found["Mounts"] if mount["Destination"] == target]
    return str(sources[0]) if sources else None


def _to_role(label: str, names: Sequence[str]) -> Role:
    if any(name.removeprefix("/").startswith(CANDIDATE_PREFIX) for name in names):
        return Role.CANDIDATE
    return Role(label)


def to_notice(message: Json) -> Notice | None:
    """One message of ``GET /events``, None where it says nothing that we follow."""
    match message:
        case {
            "Type": "container",
            "Action": str(action),
            "Actor": {
                "ID": str(engine_id),
                "Attributes": {
                    "lightd.internal_id": str(internal_id),
                    "lightd.role": ("server" | "installer") as role,
                } as attributes,
            },
        } if action in ACTIONS:
            return Notice(action, engine_id, internal_id, _to_role(role, (str(attributes.get("name", "")),)))
        case _:
            return None


def to_sample(stats: Json, at: float, host_memory: int) -> Sample:
    """The answer of ``GET /containers/{id}/stats?one-shot=true`` of a container that runs."""
    memory = stats["memory_stats"]
    details = memory.get("stats", {})
    inactive = details.get("total_inactive_file", details.get("inactive_file", 0))
    networks = (stats.get("networks") or {}).values()
    blocks = stats.get("blkio_stats", {}).get("io_service_bytes_recursive") or ()
    return Sample(
        at=at,
        cpu_time=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_usage=max(0, memory.get("usage", 0) - inactive),
        memory_limit=min(memory.get("limit", host_memory), host_memory),
        network_rx=sum(network["rx_bytes"] for network in networks),
        network_tx=sum(network["tx_bytes"] for network in networks),
        block_read=sum(block["value"] for block in blocks if block["op"].lower() == "read"),
        block_write=sum(block["value"] for block in blocks if block["op"].lower() == "write"),
        pids=(stats.get("pids_stats") or {}).get("current"),
    )


def to_progress(message: Json) -> str | None:
    """A line for a person from one message of a pull, None where it has nothing new to say."""
    status, layer = message.get("status"), message.get("id")
    if not status:
        return None
    progress = message.get("progressDetail") or {}
    if total := progress.get("total"):
        percent = 100 * progress.get("current", 0) // total
        return f"{layer}: {status} {percent}%"
    return f"{layer}: {status}" if layer else str(status)


def to_reference(image: str) -> tuple[str, str]:
    """The name and the tag (or digest) of an image; without a tag Docker would pull every one there is."""
    if "@" in image:
        name, _, digest = image.partition("@")
        return name, digest
    head, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag or "latest"


def to_refusal(message: str) -> str:
    """One sentence for a person from what Docker said, without the host's paths."""
    for pattern, sentence in _REFUSALS:
        if found := pattern.search(message):
            return found.expand(sentence)
    line = " ".join(message.split()).removesuffix(": unknown")
    return "Docker: " + _PATH.sub("…", line)[:_MOST]


def to_fault(no: Refused) -> EngineRefused | EngineUnavailable:
    """Whose fault an error is: the engine's own, or ours in what we asked for."""
    if no.status >= FAULT:
        return EngineFault(f"The engine has a fault: {to_refusal(no.message)}")
    return EngineRefused(to_refusal(no.message))
