"""The routes of volumes: their life. What is in them has modules of its own."""

import uuid
from functools import partial
from typing import Any

from quart import Blueprint, Response
from quart_trio import QuartTrio

from actors.volumes import messages
from actors.volumes.decider import Volume
from lightd.api.commands import begin_operation, settle
from lightd.api.errors import not_found
from lightd.api.file_bodies import VolumeBody
from lightd.audit.trail import about
from lightd.http import queries
from lightd.http.identity import of_request
from lightd.http.volume_users import hand_over, to_users
from lightd.http.wire import loads, read, refuse_body, take_body, to_json, to_list
from lightd.system import System


def install(app: QuartTrio, system: System) -> None:
    """Add the routes of volumes to ``app``."""
    routes = Blueprint("volumes", __name__)

    @routes.post("/volumes")
    async def create() -> Response:
        queries.check_names()
        body = await take_body(_read_volume)
        volume_id = str(uuid.uuid4())
        about(volume_id)
        await settle(partial(_create, system, volume_id, body.size))
        return to_json(_to_volume(system, find(system, volume_id)), 201)

    @routes.get("/volumes")
    async def list_all() -> Response:
        queries.check_names()
        volumes, containers = system.volumes.view.state.volumes, of_request().grant.containers
        reached = volumes.keys() if containers is None else system.directory.volumes_of(containers)
        shown = [volume for volume_id, volume in volumes.items() if volume_id in reached]
        return await to_list("volumes", (_to_volume(system, volume) for volume in shown))

    @routes.get("/volumes/<volume_id>")
    async def show(volume_id: str) -> Response:
        queries.check_names()
        return to_json(_to_volume(system, find(system, volume_id)))

    @routes.delete("/volumes/<volume_id>")
    async def delete(volume_id: str) -> Response:
        queries.check_names()
        find(system, volume_id)
        await refuse_body()
        await system.delete_volume(volume_id, begin_operation())
        return to_json({"message": "Volume deleted successfully"})

    app.register_blueprint(routes)


def _read_volume(raw: bytes) -> VolumeBody:
    return read(VolumeBody, loads(raw)) if raw.strip() else VolumeBody()


async def _create(system: System, volume_id: str, size: int | None) -> None:
    async with system.quotas.making(volume_id, size):
        command = messages.Create(volume_id, size, system.clock(), to_users(system))
        await system.volumes.ref.ask(command, begin_operation())
    await hand_over(system, volume_id)


def find(system: System, volume_id: str) -> Volume:
    """Return the volume; raises a 400 for what can't be an id, a 404 where there is none."""
    volume = system.volumes.view.state.volumes.get(queries.volume_id(volume_id))
    if volume is None:
        raise not_found("volume")
    return volume


def _to_volume(system: System, volume: Volume) -> dict[str, Any]:
    path = {"path": str(system.folders.path_of(volume.volume_id))}  # the host's business
    return {
        "volume_id": volume.volume_id,
        "id": volume.volume_id,
        **(path if of_request().grant.allows("admin") else {}),
        "created_at": volume.created_at,
        "quota_mb": volume.quota_mb,
        "quota_kind": system.quotas.kind_of(volume.volume_id).name,
    }
