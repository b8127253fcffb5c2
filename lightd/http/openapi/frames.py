"""The WebSocket frames, for the document's ``x-websocket``; OpenAPI cannot describe them."""

from typing import Any

from lightd.http.live.inbound import INBOUND
from lightd.http.live.kinds import OUTBOUND
from lightd.http.live.session import ROUTES
from lightd.http.openapi.parameters import SOCKET_PARAMETERS
from lightd.http.openapi.schemas import message
from lightd.validation.schema import Schema, of_class


def _to_inbound(event: str, cls: type[Any]) -> Schema:
    schema = of_class(cls)
    return {
        **schema,
        "properties": {"event": message(event), **schema["properties"]},
        "required": ["event", *schema.get("required", [])],
    }


CLOSED: dict[str, str] = {
    "1001": "the daemon is stopping",
    "1009": "a message was larger than 64 KiB",
    "4401": "the token was replaced, was revoked or has expired",
    "4404": "the container was deleted",
}

WEBSOCKET: dict[str, Any] = {
    "description": "A live view of a container's console, or of the whole node. Text frames, one JSON object each. "
    "After connecting, the server sends the current state and the last stats. The handshake fails with 401 for a bad "
    "token, 404 for an unknown container and 429 for the 31st socket of a container. See docs/api.md.",
    "paths": {route.path: route.summary for route in ROUTES},
    "query": dict(SOCKET_PARAMETERS),
    "server": {name: kind.to_schema(name) for name, kind in OUTBOUND.items()},
    "client": {name: _to_inbound(name, kind.body) for name, kind in INBOUND.items()},
    "closed": CLOSED,
}
