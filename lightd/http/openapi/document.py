"""Builds the OpenAPI document from the routes and from the code.

Bodies come from the classes that read them, errors from the codes of each route, the configuration from its
own classes. ``to_document`` returns the same in every Python version, so the stored page can be compared.
"""

import re
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from typing import Any

from lightd.access import scopes
from lightd.config.version import version
from lightd.http import error_codes
from lightd.http.openapi import samples
from lightd.http.openapi.answers import SCHEMAS
from lightd.http.openapi.errors import FIELDS, MESSAGES
from lightd.http.openapi.examples import finished, to_example, with_named
from lightd.http.openapi.frames import WEBSOCKET
from lightd.http.openapi.parameters import PARAMETERS
from lightd.http.openapi.samples import MEDIA_TYPE
from lightd.http.openapi.schemas import ref
from lightd.http.openapi.vocabulary import VOLUME
from lightd.http.route import Answer, Body, Route, Section, Sections
from lightd.validation.schema import Schema, of_class

TEXT = f"""The HTTP API of lightd, which runs game servers in Docker on one machine. Panels and scripts use it.

Every route except `ping` and `/docs` requires `Authorization: Bearer lightd_…` and `Accept: {MEDIA_TYPE}`. A request is checked in this order: the token (401), the media type (403), the route (404, 405), the permissions of the token (403, 404), the body (400). An unknown field or query parameter is a 400 that names it. Every response has an `X-Request-Id`: the one that the client sent, or a new one. Every route with `GET` also supports `HEAD`."""


@cache
def to_document(sections: Sections) -> dict[str, Any]:
    """Return the document of the routes in ``sections``. It is cached: do not modify it."""
    paths: dict[str, dict[str, Any]] = {}
    schemas = with_named({**SCHEMAS, **_bodies(sections)})
    for section in sections:
        for route in section.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = _to_operation(section, route, schemas)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "lightd",
            "version": version(),
            "summary": "Runs game servers in Docker on one machine.",
            "description": TEXT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": ".", "description": "The address that this document was fetched from."}],
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
            "parameters": {_to_key(name): schema for name, schema in PARAMETERS.items()},
            "headers": dict(HEADERS),
            "examples": {code: _to_error_example(code) for code in _CODES},
            "responses": {"Refused": _refused()},
            "schemas": schemas,
        },
        "x-preludes": dict(samples.PRELUDES),
        "x-address": samples.ADDRESS,
        "x-websocket": WEBSOCKET,
    }
    found: dict[str, Any] = finished(document, schemas)
    return found


def _to_key(name: str) -> str:
    """Return the name of a parameter in the document: not one that a schema has in another case, for Go."""
    return f"{name}_parameter"


def _bodies(sections: Sections) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for section in sections:
        for route in section.routes:
            if (body := route.body) is not None:
                made = of_class(body.cls, nulls=body.nulls) if body.schema is None else body.schema
                found[body.cls.__name__] = made
    return found


_CODES = {**error_codes.CODES, **error_codes.SERVER_CODES}


def _to_error_example(code: str) -> dict[str, Any]:
    each = _CODES[code]
    value = {"error": MESSAGES.get(code, each.means), "code": code, **FIELDS.get(code, {})}
    return {"summary": each.means, "value": value}


def _to_header(means: str, example: str) -> dict[str, Any]:
    return {"description": means, "schema": {"type": "string"}, "example": example}


_ETAG = '"1a2b3c-3e8-18f0c4e2a"'
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": _to_header("The id of the request, also in the log.", "5f1c7d0e9b2a4c36"),
    "ETag": _to_header("Changes with the contents of the file.", _ETAG),
    "Last-Modified": _to_header("When the contents last changed.", "Thu, 01 Jan 2026 00:00:00 GMT"),
    "Content-Disposition": _to_header("The name of the file.", 'attachment; filename="server.jar"'),
    "Content-Range": _to_header("The range, and the size of the whole file, in bytes.", "bytes 0-99/1000"),
    "Retry-After": _to_header("When to try again, in seconds.", "10"),
}
"""The headers of responses."""


def _to_operation(section: Section, route: Route, schemas: dict[str, Schema]) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.name, "tags": [section.name], "summary": route.summary}
    if route.text:
        operation["description"] = route.text
    if route.is_open:
        operation["security"] = []
    elif route.any_media_type:
        operation["security"] = [{"token": []}]
    operation["x-needs"] = route.permission
    if names := (*route.in_path, *route.parameters):
        operation["parameters"] = [{"$ref": f"#/components/parameters/{_to_key(name)}"} for name in names]
    if route.body is not None:
        operation["requestBody"] = {
            "description": schemas[route.body.cls.__name__]["description"],
            "required": route.body.required,
            "content": {"application/json": _to_body(route, route.body, schemas)},
        }
    if route.raw_body:
        schema = {"type": "string", "format": "binary"}
        operation["requestBody"] = {
            "description": "The contents; without a body, the file is empty.",
            "required": False,
            "content": {"application/octet-stream": {"schema": schema}},
        }
    operation["responses"] = _to_responses(route, schemas)
    operation["x-codeSamples"] = samples.to_samples(route)
    return operation


def _to_body(route: Route, body: Body, schemas: dict[str, Schema]) -> dict[str, Any]:
    schema = ref(body.cls.__name__)
    example = samples.to_body_example(route, {"volume": VOLUME})
    forms = schemas[body.cls.__name__].get("oneOf", ())
    if not forms:
        return {"schema": schema, "example": to_example(schema, schemas) if example is None else example}
    others = {_to_name(form): {"value": to_example(form, schemas)} for form in forms}
    return {"schema": schema, "examples": others}


def _to_name(form: Schema) -> str:
    """Return the name of one of several forms: of its schema, its constant message, or its required fields."""
    if "$ref" in form:
        name: str = form["$ref"].rpartition("/")[2]
        return name
    text = form["properties"].get("message", {}).get("const") or " ".join(form["required"])
    return re.sub(r"\W+", "-", text.lower())


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


def _to_responses(route: Route, schemas: dict[str, Schema]) -> dict[str, Any]:
    answers = list(route.others)
    if route.answer is not None:
        means = "Created." if route.status == HTTPStatus.CREATED else "Success."
        answers.insert(0, Answer(route.status, means, "application/json", route.answer))
    responses = {str(answer.status): _to_response(answer, schemas) for answer in answers}
    if route.example:
        content = responses[str(route.status)]["content"]["application/json"]
        content["example"] = {**content["example"], **route.example}
    for status, codes in codes_of(route).items():
        responses[str(status)] = _to_error(status, codes)
    responses["default"] = {"$ref": "#/components/responses/Refused"}
    return responses


def _to_response(answer: Answer, schemas: dict[str, Schema]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.means, "headers": _to_headers(*answer.headers)}
    if answer.media is not None:
        response["content"] = {answer.media: {"schema": answer.schema, **_to_examples(answer, schemas)}}
    return response


def _to_headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def _to_examples(answer: Answer, schemas: dict[str, Schema]) -> dict[str, Any]:
    if "oneOf" in answer.schema:
        return {
            "examples": {
                _to_name(form): {"value": to_example(form, schemas)} for form in answer.schema["oneOf"]
            }
        }
    if answer.schema.get("format") == "binary":
        return {}
    return {"example": to_example(answer.schema, schemas)}


def _to_error(status: int, codes: list[str]) -> dict[str, Any]:
    text = "\n".join(f"- `{code}`: {error_codes.CODES[code].means}" for code in codes)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        schema = ref("InternalError")
    else:
        schema = {**ref("Error"), "properties": {"code": {"enum": codes}}}
    headers = ("Retry-After",) if status in _LATER else ()
    return {
        "description": text,
        "headers": _to_headers(*headers),
        "content": _to_error_content(schema, codes),
    }


_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""The statuses after which a client can try again."""


def _to_error_content(schema: Schema, codes: Iterable[str]) -> dict[str, Any]:
    found = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    return {"application/json": {"schema": schema, "examples": found}}


def _refused() -> dict[str, Any]:
    codes = "\n".join(
        f"- {each.status} `{code}`: {each.means}" for code, each in error_codes.SERVER_CODES.items()
    )
    schema = {**ref("Error"), "properties": {"code": {"enum": list(error_codes.SERVER_CODES)}}}
    text = f"Errors of the server, before a request reaches a route:\n\n{codes}"
    return {
        "description": text,
        "headers": _to_headers(),
        "content": _to_error_content(schema, error_codes.SERVER_CODES),
    }
