"""Builds the OpenAPI document from the entries and from the code.

Bodies come from the classes that read them, errors from the codes of each entry, the configuration from its
own classes. ``to_document`` returns the same in every Python version, so the stored page can be compared.
"""

from functools import cache
from http import HTTPStatus
from typing import Any

from lightd.access import scopes
from lightd.config.version import version
from lightd.http import error_codes
from lightd.http import scopes as table
from lightd.http.openapi.answers import SCHEMAS
from lightd.http.openapi.audit import AUDIT
from lightd.http.openapi.containers import CONTAINERS
from lightd.http.openapi.entry import Answer, Entry, Section
from lightd.http.openapi.files import ARCHIVES, FOLDERS
from lightd.http.openapi.frames import WEBSOCKET
from lightd.http.openapi.node import NODE
from lightd.http.openapi.parameters import PARAMETERS
from lightd.http.openapi.ports import PORTS
from lightd.http.openapi.schemas import Schema, of_body, ref
from lightd.http.openapi.tokens import TOKENS
from lightd.http.openapi.volumes import VOLUMES

SECTIONS: tuple[Section, ...] = (NODE, TOKENS, AUDIT, VOLUMES, FOLDERS, ARCHIVES, PORTS, CONTAINERS)

MEDIA_TYPE = "Application/vnd.pkglatv1+json"
PRELUDE = f'call() {{ curl -sS --fail-with-body -H "Authorization: Bearer $token" -H "Accept: {MEDIA_TYPE}" "$@"; }}'

TEXT = f"""The HTTP API of lightd, which runs game servers in Docker on one machine. Panels and scripts use it.

Every route except `ping` and `/docs` requires `Authorization: Bearer lightd_…` and `Accept: {MEDIA_TYPE}`. A request is checked in this order: the token (401), the media type (403), the route (404, 405), the permissions of the token (403, 404), the body (400). An unknown field or query parameter is a 400 that names it. Every response has an `X-Request-Id`: the one that the client sent, or a new one. Every route with `GET` also supports `HEAD`."""


def method_of(entry: Entry) -> str:
    """Return the key of the entry's operation in its path."""
    return entry.method.lower()


@cache
def to_document() -> dict[str, Any]:
    """Return the document. It is cached: do not modify it."""
    paths: dict[str, dict[str, Any]] = {}
    for section in SECTIONS:
        for entry in section.entries:
            paths.setdefault(entry.path, {})[method_of(entry)] = _to_operation(section, entry)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lightd",
            "version": version(),
            "summary": "Runs game servers in Docker on one machine.",
            "description": TEXT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": section.name, "description": section.text} for section in SECTIONS],
        "security": [{"token": [], "vendor": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`lightd_` followed by random characters.",
                },
                "vendor": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Accept",
                    "description": f"Must contain `{MEDIA_TYPE}` (in any case, alone or in a list). It is not a secret.",
                },
            },
            "parameters": dict(PARAMETERS),
            "headers": {
                "X-Request-Id": {
                    "description": "The id of the request, also in the log.",
                    "schema": {"type": "string"},
                },
            },
            "responses": {"Refused": _refused()},
            "schemas": {**SCHEMAS, **_bodies()},
        },
        "x-shell": PRELUDE,
        "x-websocket": WEBSOCKET,
    }


def _bodies() -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for section in SECTIONS:
        for entry in section.entries:
            if (body := entry.body) is not None:
                made = of_body(body.cls, nulls=body.nulls) if body.schema is None else body.schema
                found[body.cls.__name__] = made
    return found


def _to_operation(section: Section, entry: Entry) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": entry.name, "tags": [section.name], "summary": entry.summary}
    if entry.text:
        operation["description"] = entry.text
    if entry.open_to_all:
        operation["security"] = []
    operation["x-needs"] = needs_of(entry)
    if entry.parameters:
        operation["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in entry.parameters]
    if entry.body is not None:
        content = {"application/json": {"schema": ref(entry.body.cls.__name__)}}
        operation["requestBody"] = {"required": entry.body.required, "content": content}
    if entry.raw_body:
        schema = {"type": "string", "format": "binary"}
        operation["requestBody"] = {
            "description": "The contents; without a body, the file is empty.",
            "required": False,
            "content": {"application/octet-stream": {"schema": schema}},
        }
    operation["responses"] = _to_responses(entry)
    operation["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": to_sample(entry)}]
    return operation


def to_sample(entry: Entry) -> str:
    """Return the entry's shell lines."""
    return f"{entry.before}\n{entry.curl}" if entry.before else entry.curl


_OF_NEEDS: dict[str, tuple[str, ...]] = {
    scopes.NOTHING: (),
    scopes.TOKEN: (),
    scopes.MASTER: ("master_token_required",),
}


def needs_of(entry: Entry) -> str:
    """Return the permission that the route requires, as ``scopes`` names it."""
    rule = entry.path.replace("{", "<").replace("}", ">")
    return table.ROUTES[f"{entry.method} {rule}"].needs


def codes_of(entry: Entry) -> dict[int, list[str]]:
    """Return the codes of the entry's errors, by their status."""
    found: dict[int, list[str]] = {}
    always = () if entry.open_to_all else error_codes.ALWAYS
    for code in dict.fromkeys(
        (*always, *_OF_NEEDS.get(needs_of(entry), ("permission_denied",)), *entry.faults)
    ):
        found.setdefault(error_codes.CODES[code].status, []).append(code)
    return dict(sorted(found.items()))


def _to_responses(entry: Entry) -> dict[str, Any]:
    answers = list(entry.others)
    if entry.answer is not None:
        means = "Created." if entry.status == HTTPStatus.CREATED else "Success."
        answers.insert(0, Answer(entry.status, means, "application/json", entry.answer))
    responses: dict[str, Any] = {str(answer.status): _to_response(answer) for answer in answers}
    for status, codes in codes_of(entry).items():
        responses[str(status)] = _to_error(status, codes)
    responses["default"] = {"$ref": "#/components/responses/Refused"}
    return responses


def _to_response(answer: Answer) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    headers |= {name: {"schema": {"type": "string"}} for name in answer.headers}
    response: dict[str, Any] = {"description": answer.means, "headers": headers}
    if answer.media is not None:
        response["content"] = {answer.media: {"schema": answer.schema}}
    return response


def _to_error(status: int, codes: list[str]) -> dict[str, Any]:
    told = "\n".join(f"- `{code}`: {error_codes.CODES[code].means}" for code in codes)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        schema = ref("InternalError")
    else:
        schema = {**ref("Error"), "properties": {"code": {"enum": codes}}}
    return {"description": told, "content": {"application/json": {"schema": schema}}}


def _refused() -> dict[str, Any]:
    told = "\n".join(
        f"- {fault.status} `{code}`: {fault.means}" for code, fault in error_codes.SERVER_CODES.items()
    )
    schema = {**ref("Error"), "properties": {"code": {"enum": list(error_codes.SERVER_CODES)}}}
    text = f"Errors of the server, before a request reaches a route:\n\n{told}"
    return {"description": text, "content": {"application/json": {"schema": schema}}}
