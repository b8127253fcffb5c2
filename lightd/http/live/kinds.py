"""The kinds of frames that a viewer is sent: the permission that each needs, and its schema."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

import attrs

from actors.container.state import StateFrame
from actors.tokens.grant import Grant
from lightd.access.scopes import TOKEN
from lightd.http.openapi.schemas import FLAG, NUMBER, TEXT, WHOLE, described, message, record, words
from lightd.validation.schema import Schema, nullable

Kinds = frozenset[str]


@attrs.frozen(eq=False)
class OutboundKind:
    """A viewer whose token lacks ``permission`` is not sent these frames. ``fields`` are beside ``event``."""

    permission: str
    means: str
    fields: Mapping[str, Schema]
    optional: Mapping[str, Schema] = MappingProxyType({})
    example: Mapping[str, Any] = MappingProxyType({})

    def to_schema(self, name: str) -> Schema:
        """Return the JSON Schema of a frame with this ``event``."""
        fields = {"event": message(name), **self.fields}
        return record(fields, dict(self.optional), self.means, dict(self.example))


AT: Final = described(NUMBER, "when the first line was printed", unit="Unix seconds", example=1767225600.25)
PARTIAL: Final = described(FLAG, "only true: the last line is unfinished", example=True)
_LINES: Final = described(TEXT, "the lines, each ending in `\\n`", example="[12:00:00] Done (4.2s)!\n")


def _bytes(means: str, example: int) -> Schema:
    return described(WHOLE, means, unit="bytes", example=example)


STATS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "cpu_usage": described(
            {**NUMBER, "minimum": 0},
            "the processor time that it uses",
            unit="percent of one core",
            example=37.5,
        ),
        "memory_usage": _bytes("the memory, without inactive file pages, as Docker counts it", 412876800),
        "memory_limit": _bytes("the most memory; without a limit, the memory of the host", 1073741824),
        "network_rx": _bytes("what it has received since the start of the container", 1284503),
        "network_tx": _bytes("what it has sent since the start of the container", 8820114),
        "block_read": _bytes("what it has read from disks since the start of the container", 73400320),
        "block_write": _bytes("what it has written to disks since the start of the container", 1048576),
        "uptime": described(WHOLE, "the time since the start of the container", unit="seconds", example=3600),
    }
)
"""The schema of each field of ``Stats``."""


OUTBOUND: Final[Mapping[str, OutboundKind]] = MappingProxyType(
    {
        "event": OutboundKind(
            TOKEN,
            "The state has changed. `internal_id` and `display_name` are only present in the node's stream.",
            {"data": described(words(*get_args(StateFrame)), "the new state", example="running")},
            {
                "seq": WHOLE,
                "internal_id": TEXT,
                "display_name": described(TEXT, "its name for people, if it has one", example="Survival"),
                "code": nullable(
                    described(
                        {"type": "integer"},
                        "of an exit: the exit code of the process; null if it is unknown",
                        unit="number",
                        example=0,
                    )
                ),
                "oom_killed": FLAG,
                "child_oom_killed": described(
                    FLAG, "of an exit: whether the kernel killed another of its processes", example=True
                ),
                "crashed": described(
                    FLAG, "of an exit: whether it was neither stopped nor killed by a client", example=False
                ),
            },
            {"seq": 4711, "internal_id": "server-001"},
        ),
        "console": OutboundKind(
            "console.read",
            "Console lines, each ending in `\\n`; `line` is the number of the first one. With `partial` it "
            "is the unfinished line after them, without an end; the next frame with this number replaces it.",
            {"data": _LINES, "line": WHOLE},
            {"at": AT, "partial": PARTIAL},
            {"at": 1767225600.25},
        ),
        "stats": OutboundKind(
            "stats",
            "Sent while the container runs and a value has changed. `cpu_usage` is in percent of one core, "
            "`uptime` in seconds, the others in bytes.",
            {name: nullable(schema) for name, schema in STATS.items()},
        ),
        "daemon_message": OutboundKind(
            TOKEN,
            "A message from lightd for people.",
            {"data": described(TEXT, "the message", example="Container started")},
        ),
        "logs": OutboundKind(
            "console.read",
            "The response to `request_logs`. With `partial` the last line is unfinished, and has no end.",
            {"data": _LINES, "line": WHOLE},
            {"at": AT, "partial": PARTIAL},
            {"at": 1767225600.25},
        ),
        "gap": OutboundKind(
            "console.read",
            "Lines are missing, because this client was too slow or they were lost.",
            {
                "missed": described(WHOLE, "how many lines are missing", unit="lines", example=12),
                "next_line": described(WHOLE, "the number of the next line", unit="number", example=1053),
            },
        ),
        "error": OutboundKind(
            TOKEN,
            "A frame from the client was rejected; the connection stays open.",
            {"data": described(TEXT, "why", example="command: must be one line")},
        ),
    }
)

EVERY_KIND: Final[Kinds] = frozenset(OUTBOUND)


def kinds_for(grant: Grant) -> Kinds:
    """Return the kinds of frames that a viewer with ``grant`` is sent."""
    return frozenset(
        name for name, kind in OUTBOUND.items() if kind.permission == TOKEN or grant.allows(kind.permission)
    )
