"""The WebSocket frames, for the document's ``x-websocket``; OpenAPI cannot describe them."""

from typing import Any, get_args

from actors.container.state import StateFrame
from lightd.http.live import inbound
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

STATES = words(*get_args(StateFrame))

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
        "The state has changed. `internal_id` is only present in the node's stream.",
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
        "Console lines, each ending in `\\n`; `line` is the number of the first one.",
        {"data": TEXT, "line": WHOLE},
    ),
    "stats": _frame(
        "stats",
        "Sent while the container runs and a value has changed. `cpu_usage` is in percent of one core, `uptime` in "
        "seconds, the others in bytes.",
        {name: nullable(NUMBER) for name in _MEASURES},
    ),
    "daemon_message": _frame("daemon_message", "A message from lightd for people.", {"data": TEXT}),
    "logs": _frame("logs", "The response to `request_logs`.", {"data": TEXT, "line": WHOLE}),
    "gap": _frame(
        "gap",
        "Lines are missing, because this client was too slow or they were lost.",
        {"missed": WHOLE, "next_line": WHOLE},
    ),
    "error": _frame(
        "error", "A frame from the client was rejected; the connection stays open.", {"data": TEXT}
    ),
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
    "1001": "the daemon is stopping",
    "1009": "a message was larger than 64 KiB",
    "4401": "the token was replaced, was revoked or has expired",
    "4404": "the container was deleted",
}

QUERY: dict[str, Schema] = {
    "token": told(TEXT, "the token; or in `Authorization`, or as the sub-protocol `lightd.<token>`"),
    "since": told(WHOLE, "first send the events after this `seq`"),
    "since_line": told(WHOLE, "first send the lines after this one; only for a single container"),
}

WEBSOCKET: dict[str, Any] = {
    "description": "A live view of a container's console, or of the whole node. Text frames, one JSON object each. "
    "After connecting, the server sends the current state and the last stats. The handshake fails with 401 for a bad "
    "token, 404 for an unknown container and 429 for the 31st socket of a container. See docs/api.md.",
    "paths": {"/ws/{internal_id}": "one container", "/ws": "the `event` frames of all containers"},
    "query": QUERY,
    "server": TOLD,
    "client": ASKED,
    "closed": CLOSED,
}
