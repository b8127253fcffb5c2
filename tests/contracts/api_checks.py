"""Every answer of the daemon is one that the OpenAPI document describes: its status, its code, its fields.

``CHECKED`` are event hooks for an ``httpx`` client that hold each of its answers against the document.
"""

import re
from functools import cache

import jsonschema_rs

from lightd.http import error_codes
from lightd.http.openapi.document import to_document
from lightd.http.routes.table import SECTIONS

AT_THE_DOOR = {code: error_codes.CODES[code] for code in ("unauthorized", "vendor_header_required")}
FULL = ("too_many_connections", 503)
INSTEAD = {**AT_THE_DOOR, **error_codes.SERVER_CODES}
"""What may be answered where there is no such route, or where it doesn't take the method."""

SOCKETS = {**INSTEAD, **error_codes.CODES, **error_codes.FRAME_CODES}


@cache
def _routes():
    found = []
    for path, operations in to_document(SECTIONS)["paths"].items():
        pattern = re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(path))
        found.append((path.count("{"), re.compile(pattern + "/?"), path, operations))
    return sorted(found, key=lambda each: each[0])


@cache
def find(path):
    """The path of the document that ``path`` is one of, and its operations; None and nothing elsewhere."""
    for _, pattern, template, operations in _routes():
        if pattern.fullmatch(path):
            return template, operations
    return None, {}


@cache
def _validator(*keys):
    """A validator for the schema at ``keys`` of the document."""
    at = to_document(SECTIONS)
    for key in keys:
        at = at[key]
    schema = {**at, "components": to_document(SECTIONS)["components"]}
    return jsonschema_rs.Draft202012Validator(schema)


def _check_shape(validator, body, where):
    mistakes = [
        f"{'/'.join(map(str, each.instance_path))}: {each.message}" for each in validator.iter_errors(body)
    ]
    assert not mistakes, (where, mistakes, body)


def check_error(status, body, known, where):
    """``body`` is an error in the API's shape, with a code of ``known`` that goes with ``status``."""
    _check_shape(_validator("components", "schemas", "Error"), body, where)
    assert body["code"] in known, (where, "this code is not in the document here", body)
    assert status == known[body["code"]].status or (body["code"], status) == FULL, (where, status, body)


def check_answer(method, path, status, media, to_body):
    """An answer to ``method path`` is in the document; ``to_body`` returns the JSON where there is one."""
    where = f"{method} {path} {status}"
    if path == "/ws" or path.startswith("/ws/"):
        if status != 101:
            check_error(status, to_body(), SOCKETS, where)
        return
    if (method, status) == ("OPTIONS", 204):
        return  # a preflight: between a browser and any server
    template, operations = find(path)
    operation = operations.get("get" if method == "HEAD" else method.lower())
    if operation is None:
        if method != "HEAD":
            check_error(status, to_body(), INSTEAD, where)
        return
    key = method.lower() if method != "HEAD" else "get"
    answers = operation["responses"]
    if str(status) not in answers or (status >= 400 and _is_of_the_server(method, to_body)):
        assert method == "HEAD" or status >= 400, (where, "this status is not in the document")
        check_error(status, to_body(), error_codes.SERVER_CODES, where)
        return
    content = answers[str(status)].get("content", {})
    if not content or method == "HEAD":
        return
    kind = media.partition(";")[0]
    assert kind in content, (where, "this media type is not in the document", media)
    if kind == "application/json":
        schema = ("paths", template, key, "responses", str(status), "content", kind, "schema")
        _check_shape(_validator(*schema), to_body(), where)


def check_frame(frame):
    """A frame of the server's is in the document, with these fields."""
    assert frame.get("event") in to_document(SECTIONS)["x-websocket"]["server"], frame
    _check_shape(_validator("x-websocket", "server", frame["event"]), frame, "WebSocket")


def _is_of_the_server(method, to_body):
    return method != "HEAD" and to_body().get("code") in error_codes.SERVER_CODES


def _check(response):
    request = response.request
    media = response.headers.get("Content-Type", "")
    check_answer(request.method, request.url.path, response.status_code, media, response.json)


async def _check_async(response):
    if response.headers.get("Content-Type", "").startswith("application/json"):
        await response.aread()
    _check(response)


def _check_sync(response):
    if response.headers.get("Content-Type", "").startswith("application/json"):
        response.read()
    _check(response)


CHECKED = {"response": [_check_async]}
CHECKED_SYNC = {"response": [_check_sync]}
