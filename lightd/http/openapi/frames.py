"""What passes over a WebSocket, for the document's ``x-websocket``; OpenAPI has no words of its own for it."""

from typing import Any

from lightd.http import inbound
from lightd.http.openapi.schemas import (
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Schema,
    message,
    nullable,
    of_body,
    record,
    told,
    words,
)

STATES = words("installing", "ready", "failed", "starting", "running", "stopping", "exit", "deleted")

_MEASURES = (
    *("cpu_usage", "memory_usage", "memory_limit", "network_rx", "network_tx"),
    *("block_read", "block_write", "uptime"),
)


def _frame(
    event: str, means: str, fields: dict[str, Schema], optional: dict[str, Schema] | None = None
) -> Schema:
    return record({"event": message(event), **fields}, optional, means)


TOLD: dict[str, Schema] = {
    "event": _frame(
        "event",
        "It is in another state now. `internal_id` is there in the node's own stream.",
        {"data": STATES},
        {
            "seq": WHOLE,
            "internal_id": TEXT,
            "code": nullable({"type": "integer"}),
            "oom_killed": FLAG,
            "crashed": FLAG,
        },
    ),
    "console": _frame(
        "console",
        "Lines of the console, each ended by `\\n`; `line` is the number of the first.",
        {"data": TEXT, "line": WHOLE},
    ),
    "stats": _frame(
        "stats",
        "While it runs, when a value has changed; `cpu_usage` is percent of one core, the rest bytes and seconds.",
        {name: nullable(NUMBER) for name in _MEASURES},
    ),
    "daemon_message": _frame("daemon_message", "What lightd has to say to a person.", {"data": TEXT}),
    "logs": _frame("logs", "The answer to `request_logs`.", {"data": TEXT, "line": WHOLE}),
    "gap": _frame(
        "gap", "This viewer was too slow, or the lines are lost.", {"missed": WHOLE, "next_line": WHOLE}
    ),
    "error": _frame("error", "What was sent was refused; the connection stays.", {"data": TEXT}),
}


def _asked(event: str, cls: type[Any]) -> Schema:
    schema = of_body(cls)
    return {
        **schema,
        "properties": {"event": message(event), **schema["properties"]},
        "required": ["event", *schema.get("required", [])],
    }


ASKED: dict[str, Schema] = {event: _asked(event, cls) for event, cls in inbound.FRAMES.items()}

CLOSED: dict[str, str] = {
    "1001": "the daemon ends",
    "1009": "a message was over 64 KiB",
    "4401": "the token was replaced, was revoked or has expired",
    "4404": "the container was deleted",
}

QUERY: dict[str, Schema] = {
    "token": told(TEXT, "the token; or in `Authorization`, or as the sub-protocol `lightd.<token>`"),
    "since": told(WHOLE, "events after this `seq` come first"),
    "since_line": told(WHOLE, "lines after this one come first; of a container alone"),
}

WEBSOCKET: dict[str, Any] = {
    "description": "One viewer of a container's console, or of the whole node. Text frames, one JSON object each. "
    "On connecting comes the state that stands and the last stats. A bad token is a 401 to the handshake, an "
    "unknown container a 404, the 31st socket of a container a 429. docs/api.md says more.",
    "paths": {"/ws/{internal_id}": "one container", "/ws": "the `event` frames of every container"},
    "query": QUERY,
    "server": TOLD,
    "client": ASKED,
    "closed": CLOSED,
}
