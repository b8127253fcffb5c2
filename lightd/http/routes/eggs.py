"""The routes of eggs: importing, listing, exporting, checking and deleting them."""

import json
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from operator import attrgetter
from typing import Any

import trio
from quart import Response, request

from lightd.access import scopes
from lightd.api import bodies
from lightd.api.egg_bodies import EXAMPLE, EggCheckBody, EggImportBody, is_id, to_bytes, to_envelope
from lightd.api.errors import bad_request
from lightd.audit.trail import about
from lightd.eggs.limits import NO_ID
from lightd.eggs.store import Parsed
from lightd.eggs.version_files import Entry
from lightd.http import queries
from lightd.http.error_codes import JSON
from lightd.http.listing import PAGE, to_answer, to_listing
from lightd.http.openapi.answers import MISSING
from lightd.http.openapi.schemas import FLAG, MOMENT, TEXT, WHOLE, described, many, message, record, words
from lightd.http.openapi.vocabulary import AT
from lightd.http.route import Answer, Body, Route
from lightd.http.wire import LARGE, from_text, read, refuse_body, take_body, to_json, to_text
from lightd.system import System
from lightd.validation.schema import Schema, nullable, of_class, to_schema


async def add(system: System) -> Response:
    data, egg_id = await take_body(_to_import, most=LARGE)
    imported = await system.eggs.put(data, egg_id)
    about(imported.entry.id)
    found = imported.parsed.found
    shown = {
        "message": "Egg imported" if imported.is_new else "Egg is stored already",
        "id": imported.entry.id,
        "version": imported.version,
        "new": imported.is_new,
        "name": imported.entry.name,
        "format": found.format,
        "ignored": list(found.ignored),
    }
    return from_text(await trio.to_thread.run_sync(to_text, shown), 201 if imported.is_new else 200)


async def list_all(system: System) -> Response:
    return await to_listing("eggs", list(system.eggs), to_row, attrgetter("id"))


async def show(system: System, egg_id: str) -> Response:
    key = _to_id(egg_id)
    version = request.args.get("version")
    if version is not None:
        version = str(queries.by_rule("version", bodies.EGG_VERSION, version))
    entry = system.eggs.find(key, version)
    stored = await system.eggs.read(key, version or entry.newest)
    users = system.users_of_egg(key)
    head = {
        "id": key,
        "version": stored.version,
        "versions": [_to_version(each, users) for each in entry.versions],
    }
    text = await system.eggs.run(lambda: f'{to_text(head)[:-1]},"egg":{stored.text}}}')
    return from_text(text)


async def delete(system: System, egg_id: str) -> Response:
    key = _to_id(egg_id)
    await refuse_body()
    await system.eggs.delete(key)
    return to_json({"message": "Egg deleted", "id": key})


async def check(system: System) -> Response:
    asked = await take_body(_to_check, most=LARGE)
    if is_id(asked.egg):
        stored = await system.eggs.read(asked.egg)
        parsed = await system.eggs.parse(stored.text.encode())
    else:
        parsed = await system.eggs.parse(asked.egg if isinstance(asked.egg, bytes) else to_bytes(asked.egg))
    return from_text(await system.eggs.run(partial(_to_report, parsed, asked)))


def to_row(entry: Entry) -> dict[str, Any]:
    """Return an egg as the list has it."""
    return {
        "id": entry.id,
        "name": entry.name,
        "version": entry.newest,
        "versions": len(entry.versions),
        "author": entry.author,
        "description": entry.description,
        "tags": list(entry.tags),
        "imported_at": entry.versions[-1].imported_at,
    }


def _to_id(egg_id: str) -> str:
    return str(queries.by_rule("egg_id", bodies.EGG_ID, egg_id))


def _to_version(each: Any, users: Mapping[str, list[str]]) -> dict[str, Any]:  # noqa: ANN401 - a Version
    return {
        "version": each.version,
        "imported_at": each.imported_at,
        "size": each.size,
        "containers": sorted(users.get(each.version, ())),
    }


def _to_import(raw: bytes) -> tuple[bytes, str | None]:
    """Return the egg file in a body, and the id that it gets if that is given; raises a 400."""
    envelope = to_envelope(raw)
    if envelope is None:
        return raw, None
    body = read(EggImportBody, envelope)
    if body.id == NO_ID:
        raise bad_request(f"id: must not be {NO_ID}, which is the name of a route")
    return to_bytes(body.egg), body.id or None


def _to_check(raw: bytes) -> EggCheckBody:
    """Return what is asked about an egg, whose file is bytes if it is the whole body; raises a 400."""
    envelope = to_envelope(raw)
    return EggCheckBody(raw) if envelope is None else read(EggCheckBody, envelope)


def _to_report(parsed: Parsed, asked: EggCheckBody) -> str:
    """Return the response to a check as JSON; raises a 400. Called in a thread."""
    from lightd.api import egg_containers  # noqa: PLC0415 - it loads what parses eggs

    report = egg_containers.to_report(parsed.found.egg, dict(asked.variables), asked.image)
    head = {"id": parsed.egg_id, "version": parsed.version, "format": parsed.found.format}
    return to_text({**head, **report, "ignored": list(parsed.found.ignored)})


_ID = to_schema(bodies.EggId)
_VERSION = to_schema(bodies.EggVersion)
_IGNORED = described(many(TEXT), "the fields of the file that have no effect", example=["config.logs"])
_FORMAT = described(TEXT, "the format of the file", example="PTDL_v2")
_NAME = described(TEXT, "the name of the egg", example="Minecraft: Paper")
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_OBJECT: Schema = {"type": "object", "additionalProperties": True}
_SIZE = described(WHOLE, "the size of its file", unit="bytes", example=5200)


def _open(cls: type[Any]) -> Schema:
    """Return the schema of a body that can also be an egg file, which has other fields."""
    schema = of_class(cls, nulls=frozenset())
    schema.pop("required")
    return {**schema, "additionalProperties": True, "examples": [{"egg": EXAMPLE}]}


_EXAMPLE = json.dumps(EXAMPLE)
_IMPORTED = record(
    {
        "message": words("Egg imported", "Egg is stored already"),
        "id": _ID,
        "version": _VERSION,
        "new": described(FLAG, "whether this is a new version", example=True),
        "name": _NAME,
        "format": _FORMAT,
        "ignored": _IGNORED,
    }
)
_ROW = record(
    {
        "id": _ID,
        "name": _NAME,
        "version": described(_VERSION, "its newest version"),
        "versions": described(WHOLE, "the number of its versions", unit="versions", example=1),
        "author": described(TEXT, "who wrote it, at most 200 characters", example="parker@example.com"),
        "description": described(
            TEXT, "what it is, at most 200 characters", example="A server for Minecraft"
        ),
        "tags": described(many(TEXT), "its tags", example=["minecraft"]),
        "imported_at": described(MOMENT, "when its newest version was imported", example=AT),
    },
    means="A stored egg.",
)
_VERSION_ROW = record(
    {
        "version": _VERSION,
        "imported_at": described(MOMENT, "when it was imported", example=AT),
        "size": _SIZE,
        "containers": described(many(TEXT), "the containers that use it", example=["server-001"]),
    },
    means="A stored version of an egg.",
)
_CHECKED = record(
    {
        "id": described(_ID, "the id that it gets if none is given"),
        "version": described(_VERSION, "the version that it is"),
        "format": _FORMAT,
        "name": _NAME,
        "image": described(TEXT, "the image of the container", example="ghcr.io/parkervcp/yolks:java_21"),
        "images": described(
            _TEXTS, "the images that can be chosen, by their names", example={"Java 21": "a:21"}
        ),
        "startup_command": described(
            TEXT, "the command, with the values of variables", example="java -jar a.jar"
        ),
        "variables": described(_TEXTS, "the values of the variables", example={"EULA": ""}),
        "missing": MISSING,
        "install": nullable(
            record(
                {
                    "image": described(TEXT, "the image of the installer", example="debian:bookworm-slim"),
                    "entrypoint": described(TEXT, "the program that runs the script", example="bash"),
                    "lines": described(WHOLE, "the length of the script", unit="lines", example=42),
                },
                means="the installer; null without one",
            )
        ),
        "files": described(
            {
                "type": "object",
                "additionalProperties": record(
                    {
                        "parser": described(TEXT, "the format of the file", example="properties"),
                        "values": described(WHOLE, "the values that are set", unit="values", example=3),
                    }
                ),
            },
            "the configuration files that are changed before each start, by their paths",
            example={"server.properties": {"parser": "properties", "values": 3}},
        ),
        "ready": described(many(TEXT), "the texts that say that it is ready", example=[")! For help"]),
        "stop": record(
            {
                "command": nullable(described(TEXT, "the command for its console", example="stop")),
                "signal": nullable(described(TEXT, "the signal", example="SIGINT")),
            },
            means="how it is stopped",
        ),
        "denied_files": described(many(TEXT), "the files that users may not touch", example=["*.jar"]),
        "hints": described(_TEXTS, "what its features are about", example={"eula": "accept the licence"}),
        "ignored": _IGNORED,
    },
    means="What would be created from an egg.",
)

ROUTES = (
    Route(
        method="POST",
        path="/eggs",
        permission="admin",
        subject=scopes.Node,
        handler=add,
        name="import_egg",
        summary="Import an egg",
        text="The body is an egg file in JSON or YAML, or an object with the egg file in `egg` and an `id` for it. If "
        "there is an egg with this id, it becomes its newest version; containers keep the version that they were "
        "created from. The response names every field of the file that has no effect. What is stored already makes "
        "no new version (200).",
        curl=f"""call $url/eggs -d '{{"id":"echo","egg":{_EXAMPLE}}}'""",
        body=Body(EggImportBody, nulls=frozenset(), schema=_open(EggImportBody)),
        status=HTTPStatus.CREATED,
        answer=_IMPORTED,
        others=(Answer(HTTPStatus.OK, "It is stored already.", "application/json", _IMPORTED),),
        errors=("invalid_egg", "too_many_eggs", "no_space"),
    ),
    Route(
        method="POST",
        path="/eggs/check",
        permission="admin",
        subject=scopes.Node,
        handler=check,
        name="check_egg",
        summary="Check an egg",
        text="Says what would be created from an egg, which of its fields have no effect, and which variables must be "
        "filled in. Nothing is stored. The body is as for the import; `egg` can also be the id of a stored egg.",
        curl="""call $url/eggs/check -d '{"egg":"echo"}'""",
        body=Body(EggCheckBody, nulls=frozenset(), schema=_open(EggCheckBody)),
        answer=_CHECKED,
        errors=("invalid_egg", "egg_not_found", "egg_damaged"),
    ),
    Route(
        method="GET",
        path="/eggs",
        permission="admin",
        subject=scopes.Node,
        handler=list_all,
        name="list_eggs",
        summary="List the stored eggs",
        text="All of them, sorted by `id`; with `limit` or `after` a page.",
        curl='call "$url/eggs?limit=100"',
        parameters=PAGE,
        answer=to_answer("eggs", _ROW),
    ),
    Route(
        method="GET",
        path="/eggs/{egg_id}",
        permission="admin",
        subject=scopes.Node,
        handler=show,
        name="show_egg",
        summary="Show and export an egg",
        text="`egg` is the egg file in the format PLCN_v3.",
        curl="call $url/eggs/echo",
        parameters=("egg_version",),
        answer=record(
            {
                "id": _ID,
                "version": _VERSION,
                "versions": described(many(_VERSION_ROW), "its stored versions, the newest last"),
                "egg": described(_OBJECT, "the egg file in the format PLCN_v3", example=EXAMPLE),
            }
        ),
        errors=("invalid_id", "egg_not_found", "egg_damaged"),
    ),
    Route(
        method="DELETE",
        path="/eggs/{egg_id}",
        permission="admin",
        subject=scopes.Node,
        handler=delete,
        name="delete_egg",
        summary="Delete an egg",
        text="Removes all its versions. A 409 names the containers that use one of them.",
        curl="call -X DELETE $url/eggs/echo",
        answer=record({"message": message("Egg deleted"), "id": _ID}),
        errors=(*JSON, "invalid_id", "egg_not_found", "egg_in_use", "no_space"),
    ),
)
