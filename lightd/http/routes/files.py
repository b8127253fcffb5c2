"""The routes of the files in a volume: written, listed, copied, moved, deleted, a whole one at a time."""

from functools import partial

from quart import Blueprint, Response, request
from quart_trio import QuartTrio

from lightd.api.errors import bad_request
from lightd.api.file_bodies import MOST_PATHS, FileBody, FolderBody, FromToBody, ModeBody, PathsBody
from lightd.files.copying import copy
from lightd.files.deleting import Pace, delete
from lightd.files.jail import Jail
from lightd.files.listing import LARGEST, list_folder
from lightd.files.operations import change_mode, make_folder, parse_mode, rename, write_file
from lightd.files.paths import RelativePath, parse_folder, parse_path
from lightd.http import queries
from lightd.http.routes.volumes import find
from lightd.http.wire import LISTS, WHOLE, from_text, loads, read, read_body, take_body, to_json, to_text
from lightd.system import System

PAGE = 1000


def install(app: QuartTrio, system: System) -> None:
    """Add the routes of files to ``app``."""
    routes = Blueprint("files", __name__)
    folders = system.folders

    @routes.post("/volumes/<volume_id>/files")
    async def write(volume_id: str) -> Response:
        queries.check_names()
        find(system, volume_id)
        body = await read_body(FileBody, most=WHOLE)
        path, content = parse_path(body.path), body.content.encode()
        async with folders.writing(volume_id, len(content)) as allowance:
            await folders.run(
                volume_id, lambda jail: write_file(jail, path, content, jail.owner()), allowance.charge
            )
        return to_json({"message": "File written successfully", "path": str(path)})

    @routes.post("/volumes/<volume_id>/folders")
    async def make(volume_id: str) -> Response:
        queries.check_names()
        find(system, volume_id)
        path = parse_path((await read_body(FolderBody)).path)
        async with folders.writing(volume_id, 0) as allowance:
            await folders.run(volume_id, lambda jail: make_folder(jail, path, jail.owner()), allowance.charge)
        return to_json({"message": "Folder created successfully", "path": str(path)})

    @routes.get("/volumes/<volume_id>/files")
    async def list_files(volume_id: str) -> Response:
        queries.check_names("path", "limit", "cursor")
        find(system, volume_id)
        path = parse_folder(request.args.get("path", ""))
        limit = queries.whole("limit", PAGE, 1, LARGEST)
        cursor = request.args.get("cursor")
        return from_text(await folders.run(volume_id, lambda jail: _to_listing(jail, path, limit, cursor)))

    @routes.delete("/volumes/<volume_id>/files")
    async def delete_files(volume_id: str) -> Response:
        queries.check_names()
        find(system, volume_id)
        paths = await take_body(_to_paths, most=LISTS)
        await folders.run_long(volume_id, lambda jail, pace: delete(jail, paths, pace))
        return to_json({"message": "Files deleted successfully", "paths": [str(path) for path in paths]})

    @routes.post("/volumes/<volume_id>/copy")
    async def copy_tree(volume_id: str) -> Response:
        queries.check_names()
        find(system, volume_id)
        source, destination = _parse(await read_body(FromToBody))

        def work(jail: Jail, pace: Pace) -> None:
            copy(jail, source, destination, jail.owner(), pace)

        async with folders.writing(volume_id, 0) as allowance:
            await folders.run_long(volume_id, work, allowance.charge_waiting)
        return _moved("Copied successfully", source, destination)

    @routes.post("/volumes/<volume_id>/rename")
    async def move(volume_id: str) -> Response:
        queries.check_names()
        find(system, volume_id)
        source, destination = _parse(await read_body(FromToBody))
        async with folders.writing(volume_id, None) as allowance:
            await folders.run(volume_id, partial(_rename, source, destination), allowance.charge)
        return _moved("Renamed successfully", source, destination)

    @routes.post("/volumes/<volume_id>/chmod")
    async def chmod(volume_id: str) -> Response:
        queries.check_names()
        find(system, volume_id)
        body = await read_body(ModeBody)
        path, mode = parse_path(body.path), parse_mode(body.mode)
        await folders.run(volume_id, lambda jail: change_mode(jail, path, mode))
        return to_json({"message": "Mode changed successfully", "path": str(path), "mode": f"{mode:04o}"})

    app.register_blueprint(routes)


def _to_paths(raw: bytes) -> list[RelativePath]:
    named = read(PathsBody, loads(raw)).paths
    if not 0 < len(named) <= MOST_PATHS:
        raise bad_request(f"paths: must hold 1 to {MOST_PATHS} paths")
    return [parse_path(path) for path in named]


def _parse(body: FromToBody) -> tuple[RelativePath, RelativePath]:
    return parse_path(body.source), parse_path(body.destination)


def _moved(message: str, source: RelativePath, destination: RelativePath) -> Response:
    return to_json({"message": message, "source": str(source), "destination": str(destination)})


def _rename(source: RelativePath, destination: RelativePath, jail: Jail) -> None:
    rename(jail, source, destination, jail.owner())


def _to_listing(jail: Jail, path: RelativePath, limit: int, cursor: str | None) -> str:
    """The answer as text, for the thread: ten thousand dicts would cost more than looking at the files."""
    page = list_folder(jail, path, limit, cursor)
    files = ",".join(
        f'{{"name":{to_text(entry.name)},"type":"{entry.type}","size":{entry.size},'
        f'"modified_at":{entry.modified_at},"mode":"{entry.mode}"}}'
        for entry in page.entries
    )
    return f'{{"files":[{files}],"next":{to_text(page.cursor)}}}'
