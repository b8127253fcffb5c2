"""The routes that create, list, show and delete volumes."""

import uuid
from functools import partial
from operator import attrgetter
from typing import Any

from quart import Response

from actors.volumes import messages
from actors.volumes.decider import Volume
from lightd.access import scopes
from lightd.adoption import adopt_volume
from lightd.api import file_bodies
from lightd.api.commands import begin_operation, settle
from lightd.api.errors import not_found
from lightd.api.file_bodies import VolumeBody
from lightd.audit.trail import about
from lightd.http import queries
from lightd.http.error_codes import JSON, RECORDS, VOLUME
from lightd.http.identity import of_request
from lightd.http.listing import PAGE, to_answer, to_listing
from lightd.http.openapi.schemas import message, record, ref
from lightd.http.route import Body, Route
from lightd.http.routes.containers import to_inventory
from lightd.http.volume_users import hand_over, to_users
from lightd.http.wire import loads, read, read_body, refuse_body, take_body, to_json
from lightd.system import System


async def create(system: System) -> Response:
    body = await take_body(_read_volume)
    volume_id = str(uuid.uuid4())
    about(volume_id)
    await settle(partial(_create, system, volume_id, body.size))
    return to_json(_to_volume(system, find(system, volume_id)), 201)


async def adopt(system: System) -> Response:
    body = await read_body(file_bodies.AdoptVolumeBody)
    about(body.volume_id)
    cause = begin_operation("adopt")
    await settle(partial(adopt_volume, system, to_inventory(system), body.volume_id, body.size, cause))
    return to_json(_to_volume(system, find(system, body.volume_id)))


async def list_all(system: System) -> Response:
    volumes, containers = system.volumes.view.state.volumes, of_request().grant.containers
    reached = volumes.keys() if containers is None else system.directory.volumes_of(containers)
    shown = [volume for volume_id, volume in volumes.items() if volume_id in reached]
    return await to_listing("volumes", shown, partial(_to_volume, system), attrgetter("volume_id"))


async def show(system: System, volume_id: str) -> Response:
    return to_json(_to_volume(system, find(system, volume_id)))


async def delete(system: System, volume_id: str) -> Response:
    find(system, volume_id)
    await refuse_body()
    await system.delete_volume(volume_id, begin_operation())
    return to_json({"message": "Volume deleted successfully"})


def _read_volume(raw: bytes) -> VolumeBody:
    return read(VolumeBody, loads(raw)) if raw.strip() else VolumeBody()


async def _create(system: System, volume_id: str, size: int | None) -> None:
    async with system.quotas.making(volume_id, size):
        command = messages.Create(volume_id, size, system.clock(), to_users(system), system.reserved)
        await system.volumes.ref.ask(command, begin_operation())
    await hand_over(system, volume_id)


def find(system: System, volume_id: str) -> Volume:
    """Return the volume; raises a 400 for a malformed id, and a 404 if there is none."""
    volume = system.volumes.view.state.volumes.get(queries.volume_id(volume_id))
    if volume is None:
        raise not_found("volume")
    return volume


def _to_volume(system: System, volume: Volume) -> dict[str, Any]:
    path = {"path": str(system.folders.path_of(volume.volume_id))}  # reveals a path of the host
    return {
        "volume_id": volume.volume_id,
        "id": volume.volume_id,
        **(path if of_request().grant.allows("admin") else {}),
        "created_at": volume.created_at,
        "quota_mb": volume.quota_mb,
        "quota_kind": system.quotas.kind_of(volume.volume_id).name,
    }


ROUTES = (
    Route(
        method="POST",
        path="/volumes",
        permission="admin",
        subject=scopes.Node,
        handler=create,
        name="create_volume",
        summary="Create a volume",
        curl="""call $url/volumes -d '{"size":1024}'""",
        body=Body(file_bodies.VolumeBody, required=False),
        answer=ref("Volume"),
        status=201,
        errors=(*JSON, *RECORDS, "no_space", "no_free_user", "volume_not_mounted"),
    ),
    Route(
        method="POST",
        path="/orphans/volumes/adopt",
        permission="admin",
        subject=scopes.Node,
        handler=adopt,
        name="adopt_volume",
        summary="Adopt a volume of a lost journal",
        text="Registers a volume whose folder exists, with its content. It keeps its size, unless another one is given, "
        "and its user, if the daemon stored them. `lightd orphans` lists such volumes.",
        curl='call $url/orphans/volumes/adopt -d \'{"volume_id":"a3f1c2d4-0000-4000-8000-5e6f708192a3"}\'',
        body=Body(file_bodies.AdoptVolumeBody),
        answer=ref("Volume"),
        errors=(
            *(*VOLUME, *JSON, *RECORDS, "not_adoptable", "already_exists", "file_not_found"),
            "volume_not_mounted",
        ),
    ),
    Route(
        method="GET",
        path="/volumes",
        permission="files.read",
        subject=scopes.Visible,
        handler=list_all,
        name="list_volumes",
        summary="List volumes",
        text="All of them, the oldest first; with `limit` or `after` a page, sorted by `volume_id`.",
        curl="call $url/volumes",
        parameters=PAGE,
        answer=to_answer("volumes", ref("Volume")),
    ),
    Route(
        method="GET",
        path="/volumes/{volume_id}",
        permission="files.read",
        subject=scopes.Volume,
        handler=show,
        name="show_volume",
        summary="Show a volume",
        curl="call $url/volumes/$volume",
        before='volume=$(call -X POST $url/volumes | sed \'s/.*"volume_id":"\\([^"]*\\)".*/\\1/\')',
        answer=ref("Volume"),
        errors=VOLUME,
    ),
    Route(
        method="DELETE",
        path="/volumes/{volume_id}",
        permission="admin",
        subject=scopes.Volume,
        handler=delete,
        name="delete_volume",
        summary="Delete a volume and its files",
        text="It is inaccessible immediately; its disk space is freed in the background.",
        curl="call -X DELETE $url/volumes/$spare",
        before='spare=$(call -X POST $url/volumes | sed \'s/.*"volume_id":"\\([^"]*\\)".*/\\1/\')',
        answer=record({"message": message("Volume deleted successfully")}),
        errors=(*VOLUME, *JSON, *RECORDS, "not_found", "volume_in_use", "file_not_found"),
    ),
)
