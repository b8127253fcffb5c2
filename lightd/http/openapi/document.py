"""Builds the OpenAPI document from the routes and from the code.

Bodies come from the classes that read them, errors from the codes of each route, the configuration from its
own classes. ``to_document`` returns the same in every Python version, so the stored page can be compared.
"""

from functools import cache
from http import HTTPStatus
from typing import Any

from lightd.access import scopes
from lightd.config.version import version
from lightd.http import error_codes
from lightd.http.openapi.answers import SCHEMAS
from lightd.http.openapi.frames import WEBSOCKET
from lightd.http.openapi.parameters import PARAMETERS
from lightd.http.openapi.schemas import ref
from lightd.http.route import Answer, Route, Section, Sections
from lightd.validation.schema import Schema, of_class

MEDIA_TYPE = "Application/vnd.pkglatv1+json"
PRELUDE = f'call() {{ curl -sS --fail-with-body -H "Authorization: Bearer $token" -H "Accept: {MEDIA_TYPE}" "$@"; }}'

TEXT = f"""The HTTP API of lightd, which runs game servers in Docker on one machine. Panels and scripts use it.

Every route except `ping` and `/docs` requires `Authorization: Bearer lightd_…` and `Accept: {MEDIA_TYPE}`. A request is checked in this order: the token (401), the media type (403), the route (404, 405), the permissions of the token (403, 404), the body (400). An unknown field or query parameter is a 400 that names it. Every response has an `X-Request-Id`: the one that the client sent, or a new one. Every route with `GET` also supports `HEAD`."""


@cache
def to_document(sections: Sections) -> dict[str, Any]:
    """Return the document of the routes in ``sections``. It is cached: do not modify it."""
    paths: dict[str, dict[str, Any]] = {}
    for section in sections:
        for route in section.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = _to_operation(section, route)
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
        "tags": [{"name": section.name, "description": section.text} for section in sections],
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
            "schemas": {**SCHEMAS, **_bodies(sections)},
        },
        "x-shell": PRELUDE,
        "x-websocket": WEBSOCKET,
    }


def _bodies(sections: Sections) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for section in sections:
        for route in section.routes:
            if (body := route.body) is not None:
                made = of_class(body.cls, nulls=body.nulls) if body.schema is None else body.schema
                found[body.cls.__name__] = made
    return found


def _to_operation(section: Section, route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.name, "tags": [section.name], "summary": route.summary}
    if route.text:
        operation["description"] = route.text
    if route.is_open:
        operation["security"] = []
    elif route.any_media_type:
        operation["security"] = [{"token": []}]
    operation["x-needs"] = route.permission
    if names := (*route.in_path, *route.parameters):
        operation["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    if route.body is not None:
        content = {"application/json": {"schema": ref(route.body.cls.__name__)}}
        operation["requestBody"] = {"required": route.body.required, "content": content}
    if route.raw_body:
        schema = {"type": "string", "format": "binary"}
        operation["requestBody"] = {
            "description": "The contents; without a body, the file is empty.",
            "required": False,
            "content": {"application/octet-stream": {"schema": schema}},
        }
    operation["responses"] = _to_responses(route)
    operation["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": to_sample(route)}]
    return operation


def to_sample(route: Route) -> str:
    """Return the entry's shell lines."""
    return f"{route.before}\n{route.curl}" if route.before else route.curl


_OF_PERMISSION: dict[str, tuple[str, ...]] = {
    scopes.NOTHING: (),
    scopes.TOKEN: (),
    scopes.MASTER: ("master_token_required",),
}


def codes_of(route: Route) -> dict[int, list[str]]:
    """Return the codes of the route's errors, by their status."""
    found: dict[int, list[str]] = {}
    always = () if route.is_open else error_codes.ALWAYS
    of_permission = _OF_PERMISSION.get(route.permission, ("permission_denied",))
    for code in dict.fromkeys((*always, *of_permission, *route.errors)):
        if code == "vendor_header_required" and route.any_media_type:
            continue
        found.setdefault(error_codes.CODES[code].status, []).append(code)
    return dict(sorted(found.items()))


def _to_responses(route: Route) -> dict[str, Any]:
    answers = list(route.others)
    if route.answer is not None:
        means = "Created." if route.status == HTTPStatus.CREATED else "Success."
        answers.insert(0, Answer(route.status, means, "application/json", route.answer))
    responses: dict[str, Any] = {str(answer.status): _to_response(answer) for answer in answers}
    for status, codes in codes_of(route).items():
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
    text = "\n".join(f"- `{code}`: {error_codes.CODES[code].means}" for code in codes)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        schema = ref("InternalError")
    else:
        schema = {**ref("Error"), "properties": {"code": {"enum": codes}}}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _refused() -> dict[str, Any]:
    codes = "\n".join(
        f"- {each.status} `{code}`: {each.means}" for code, each in error_codes.SERVER_CODES.items()
    )
    schema = {**ref("Error"), "properties": {"code": {"enum": list(error_codes.SERVER_CODES)}}}
    text = f"Errors of the server, before a request reaches a route:\n\n{codes}"
    return {"description": text, "content": {"application/json": {"schema": schema}}}
