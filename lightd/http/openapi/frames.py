"""The WebSocket: its addresses, parameters, frames and close codes, for both documents.

OpenAPI cannot describe them: they are in its ``x-websocket``, which the page shows, and in ``asyncapi``.
"""

from typing import Any

from lightd.http.live.inbound import INBOUND
from lightd.http.live.kinds import OUTBOUND
from lightd.http.live.session import DELETED, REVOKED, ROUTES
from lightd.http.openapi.examples import to_example
from lightd.http.openapi.parameters import SOCKET_PARAMETERS
from lightd.http.openapi.samples import ADDRESS, TOKEN
from lightd.http.openapi.schemas import described, message
from lightd.http.openapi.vocabulary import NAMED
from lightd.validation.schema import Schema, of_class

TEXT = (
    "A live view of a container's console, or of the whole node. Text frames, one JSON object each. "
    "After connecting, the server sends the current state and the last stats. No `Accept` header is needed. "
    "The handshake fails with 401 for a bad token, 403 for a web page of a foreign origin or a missing permission, "
    "404 for an unknown container and 429 if the container or the token has as many WebSockets as it may. "
    "The server sends a ping every 20 seconds. See docs/api.md."
)

CLOSED: dict[str, str] = {
    "1001": "the daemon is stopping",
    "1002": "a frame was malformed",
    "1007": "a text frame was not UTF-8",
    "1008": "the client sent more than 50 frames of any kind per second for too long",
    "1009": "a message was larger than 64 KiB",
    "1011": "the client did not answer two pings, or an internal error",
    str(REVOKED): "the token was replaced, was revoked or has expired",
    str(DELETED): "the container was deleted",
}

_SOCKET = ADDRESS.replace("http", "ws", 1)
SAMPLES: dict[str, str] = {
    "Python": f"""import json

import trio
from trio_websocket import open_websocket_url


async def main():
    async with open_websocket_url("{_SOCKET}/ws/server-001?token={TOKEN}") as socket:
        await socket.send_message(json.dumps({{"event": "request_logs", "lines": 100}}))
        while True:
            frame = json.loads(await socket.get_message())
            print(frame)
            if frame["event"] == "logs":
                break


trio.run(main)""",
    "JavaScript": f"""const socket = new WebSocket("{_SOCKET}/ws/server-001?token={TOKEN}");
socket.onopen = () => socket.send(JSON.stringify({{ event: "request_logs", lines: 100 }}));
socket.onmessage = ({{ data }}) => {{
  const frame = JSON.parse(data);
  console.log(frame);
  if (frame.event === "logs") socket.close();
}};""",
}


def _to_inbound(event: str, cls: type[Any]) -> Schema:
    schema = of_class(cls)
    return {
        **schema,
        "properties": {
            "event": described(message(event), NAMED["event"].description),
            **schema["properties"],
        },
        "required": ["event", *schema.get("required", [])],
    }


def _documented(schema: Schema, permission: str) -> Schema:
    return {**schema, "x-needs": permission, "examples": [to_example(schema, {})]}


SERVER: dict[str, Schema] = {
    name: _documented(kind.to_schema(name), kind.permission) for name, kind in OUTBOUND.items()
}
"""The frames from the server."""

CLIENT: dict[str, Schema] = {
    name: _documented(_to_inbound(name, kind.body), kind.permission) for name, kind in INBOUND.items()
}
"""The frames from a client; only a container's WebSocket takes them."""

NODE_FRAMES = ("event", "daemon_message", "error")
"""The frames of the node's WebSocket."""

WEBSOCKET: dict[str, Any] = {
    "description": TEXT,
    "paths": {route.path: route.summary for route in ROUTES},
    "query": dict(SOCKET_PARAMETERS),
    "samples": SAMPLES,
    "server": SERVER,
    "client": CLIENT,
    "closed": CLOSED,
}
