"""Builds the AsyncAPI 3 document of the WebSockets, from the tables of frames and the routes."""

from functools import cache
from typing import Any

from lightd.config.version import version
from lightd.http.live.session import ROUTES
from lightd.http.openapi import frames
from lightd.http.openapi.examples import finished
from lightd.http.openapi.parameters import PARAMETERS, SOCKET_PARAMETERS
from lightd.http.openapi.samples import ADDRESS
from lightd.http.openapi.schemas import record
from lightd.http.route import Route
from lightd.validation.schema import Schema

_HOST = ADDRESS.removeprefix("http://")


@cache
def to_document() -> dict[str, Any]:
    """Return the document. It is cached: do not modify it."""
    channels = {route.name: _to_channel(route) for route in ROUTES}
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "lightd",
            "version": version(),
            "description": f"{frames.TEXT}\n\nClose codes:\n\n{_to_list(frames.CLOSED)}",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "plain": _to_server("ws", "A daemon without TLS."),
            "secure": _to_server("wss", "A daemon with TLS, or a proxy with TLS before it."),
        },
        "channels": channels,
        "operations": {
            f"{route.name}_{action}": _to_operation(route, action)
            for route in ROUTES
            for action in ("send", "receive")
            if _frames_of(route, action)
        },
        "components": {
            "messages": {
                name: _to_message(name, schema) for name, schema in {**frames.SERVER, **frames.CLIENT}.items()
            },
            "securitySchemes": {
                "token": {
                    "type": "httpApiKey",
                    "in": "query",
                    "name": "token",
                    "description": SOCKET_PARAMETERS["token"]["description"],
                },
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "x-close-codes": frames.CLOSED,
    }
    found: dict[str, Any] = finished(document, {})
    return found


def _to_list(rows: dict[str, str]) -> str:
    return "\n".join(f"- `{code}`: {means}" for code, means in rows.items())


def _to_server(protocol: str, means: str) -> dict[str, Any]:
    return {
        "host": "{host}",
        "pathname": "{path}",
        "protocol": protocol,
        "description": means,
        "variables": {
            "host": {"default": _HOST, "description": "The host and the port of the daemon, or of a proxy."},
            "path": {"default": "/", "description": "The path beneath which a proxy offers the daemon."},
        },
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("token", "bearer")],
    }


def _frames_of(route: Route, action: str) -> tuple[str, ...]:
    """Return the names of the frames that the daemon sends or receives there."""
    if not route.in_path:
        return frames.NODE_FRAMES if action == "send" else ()
    return tuple(frames.SERVER if action == "send" else frames.CLIENT)


def _to_channel(route: Route) -> dict[str, Any]:
    names = (*_frames_of(route, "send"), *_frames_of(route, "receive"))
    query = record({}, {name: SOCKET_PARAMETERS[name] for name in route.parameters})
    channel: dict[str, Any] = {
        "address": route.path,
        "summary": f"A live view: {route.summary}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}},
    }
    if route.in_path:
        channel["parameters"] = {name: _to_parameter(name) for name in route.in_path}
    return channel


def _to_parameter(name: str) -> dict[str, Any]:
    known = PARAMETERS[name]
    return {"description": known["description"], "examples": [known["example"]]}


def _to_operation(route: Route, action: str) -> dict[str, Any]:
    channel = f"#/channels/{route.name}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": f"What the daemon {action}s.",
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in _frames_of(route, action)],
    }


def _to_message(name: str, schema: Schema) -> dict[str, Any]:
    payload = {key: value for key, value in schema.items() if key not in ("x-needs", "examples")}
    return {
        "name": name,
        "title": name,
        "summary": schema["description"],
        "description": f"Needs {schema['x-needs']}.",
        "payload": payload,
        "examples": [{"name": name, "payload": example} for example in schema["examples"]],
    }
