"""The routes of volumes and of the files in them."""

import uuid
from functools import partial
from typing import Any

from quart import Blueprint, Response, request
from quart_trio import QuartTrio

from actors.volumes import messages as told
from actors.volumes.decider import Volume
from lightd.files.listing import list_folder
from lightd.files.operations import make_folder, write_file
from lightd.files.paths import parse_folder, parse_path
from lightd.http import queries
from lightd.http.bodies import FileBody, FolderBody, VolumeBody
from lightd.http.errors import not_found
from lightd.http.wire import loads, read, read_body, to_json
from lightd.system import System, new_operation_id, settle

PAGE = 1000
LARGEST_PAGE = 10_000


def install(app: QuartTrio, system: System) -> None:
    """Add the routes of volumes to ``app``."""
    routes = Blueprint("volumes", __name__)

    @routes.post("/volumes")
    async def create() -> Response:
        queries.check_names()
        raw = await request.get_data(as_text=False)
        body = read(VolumeBody, loads(raw)) if raw.strip() else VolumeBody()
        volume_id = str(uuid.uuid4())
        await settle(partial(_create, system, volume_id, body.size))
        return to_json(_to_volume(system, _find(system, volume_id)), 201)

    @routes.get("/volumes")
    async def list_all() -> Response:
        queries.check_names()
        volumes = system.volumes.view.state.volumes.values()
        return to_json({"volumes": [_to_volume(system, volume) for volume in volumes]})

    @routes.get("/volumes/<volume_id>")
    async def show(volume_id: str) -> Response:
        queries.check_names()
        return to_json(_to_volume(system, _find(system, volume_id)))

    @routes.post("/volumes/<volume_id>/files")
    async def write(volume_id: str) -> Response:
        queries.check_names()
        _find(system, volume_id)
        body = await read_body(FileBody)
        path, content = parse_path(body.path), body.content.encode()
        work = partial(write_file, path=path, content=content, owner=system.folders.owner)
        async with system.quotas.writing(volume_id, len(content)):
            await system.folders.run(volume_id, work)
        return to_json({"message": "File written successfully", "path": str(path)})

    @routes.post("/volumes/<volume_id>/folders")
    async def make(volume_id: str) -> Response:
        queries.check_names()
        _find(system, volume_id)
        path = parse_path((await read_body(FolderBody)).path)
        async with system.quotas.writing(volume_id):
            await system.folders.run(volume_id, partial(make_folder, path=path, owner=system.folders.owner))
        return to_json({"message": "Folder created successfully", "path": str(path)})

    @routes.get("/volumes/<volume_id>/files")
    async def list_files(volume_id: str) -> Response:
        queries.check_names("path", "limit", "cursor")
        _find(system, volume_id)
        path = parse_folder(request.args.get("path", ""))
        limit = queries.whole("limit", PAGE, 1, LARGEST_PAGE)
        cursor = request.args.get("cursor")
        work = partial(list_folder, path=path, limit=limit, cursor=cursor)
        page = await system.folders.run(volume_id, work)
        files = [
            {
                "name": entry.name,
                "type": entry.type,
                "size": entry.size,
                "modified_at": entry.modified_at,
                "mode": entry.mode,
            }
            for entry in page.entries
        ]
        return to_json({"files": files, "next": page.cursor})

    app.register_blueprint(routes)


async def _create(system: System, volume_id: str, size: int | None) -> None:
    async with system.quotas.making(volume_id, size):
        await system.volumes.ref.ask(told.Create(volume_id, size, system.clock()), new_operation_id())


def _find(system: System, volume_id: str) -> Volume:
    volume = system.volumes.view.state.volumes.get(queries.volume_id(volume_id))
    if volume is None:
        raise not_found("volume")
    return volume


def _to_volume(system: System, volume: Volume) -> dict[str, Any]:
    return {
        "volume_id": volume.volume_id,
        "id": volume.volume_id,
        "path": str(system.folders.path_of(volume.volume_id)),
        "created_at": volume.created_at,
        "quota_mb": volume.quota_mb,
        "quota_kind": system.quotas.kind_of(volume.volume_id).name,
    }
