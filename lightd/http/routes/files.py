"""The routes that write, list, copy, move and delete files of a volume."""

from functools import partial

from quart import Response, request

from lightd.access import scopes
from lightd.api import file_bodies
from lightd.api.errors import bad_request
from lightd.api.file_bodies import MOST_PATHS, FileBody, FolderBody, FromToBody, ModeBody, PathsBody
from lightd.files.copying import copy
from lightd.files.deleting import Pace, delete
from lightd.files.jail import Jail
from lightd.files.listing import LARGEST, list_folder
from lightd.files.operations import change_mode, make_folder, parse_mode, rename, write_file
from lightd.files.paths import RelativePath, parse_folder, parse_path
from lightd.http import queries
from lightd.http.error_codes import FILES, JSON
from lightd.http.openapi.schemas import TEXT, described, many, message, record, ref
from lightd.http.route import Body, Route
from lightd.http.routes.volumes import find
from lightd.http.wire import LARGE, LISTS, from_text, loads, read, read_body, take_body, to_json, to_text
from lightd.system import System
from lightd.validation.schema import Schema, nullable

PAGE = 1000


async def write(system: System, volume_id: str) -> Response:
    folders = system.folders
    find(system, volume_id)
    body = await read_body(FileBody, most=LARGE)
    path, content = parse_path(body.path), body.content.encode()
    async with folders.writing(volume_id, len(content)) as allowance:
        await folders.run(
            volume_id, lambda jail: write_file(jail, path, content, jail.owner()), allowance.charge
        )
    return to_json({"message": "File written successfully", "path": path.text})


async def make(system: System, volume_id: str) -> Response:
    folders = system.folders
    find(system, volume_id)
    path = parse_path((await read_body(FolderBody)).path)
    async with folders.writing(volume_id, 0) as allowance:
        await folders.run(volume_id, lambda jail: make_folder(jail, path, jail.owner()), allowance.charge)
    return to_json({"message": "Folder created successfully", "path": path.text})


async def list_files(system: System, volume_id: str) -> Response:
    find(system, volume_id)
    path = parse_folder(request.args.get("path", ""))
    limit = queries.whole("limit", PAGE, 1, LARGEST)
    cursor = request.args.get("cursor")
    return from_text(await system.folders.run(volume_id, lambda jail: _to_listing(jail, path, limit, cursor)))


async def delete_files(system: System, volume_id: str) -> Response:
    find(system, volume_id)
    paths = await take_body(_to_paths, most=LISTS)
    await system.folders.run_long(volume_id, lambda jail, pace: delete(jail, paths, pace))
    return to_json({"message": "Files deleted successfully", "paths": [path.text for path in paths]})


async def copy_tree(system: System, volume_id: str) -> Response:
    folders = system.folders
    find(system, volume_id)
    source, destination = _parse(await read_body(FromToBody))

    def work(jail: Jail, pace: Pace) -> None:
        copy(jail, source, destination, jail.owner(), pace)

    async with folders.writing(volume_id, 0) as allowance:
        await folders.run_long(volume_id, work, allowance.charge_waiting)
    return _moved("Copied successfully", source, destination)


async def move(system: System, volume_id: str) -> Response:
    folders = system.folders
    find(system, volume_id)
    source, destination = _parse(await read_body(FromToBody))
    async with folders.writing(volume_id, None) as allowance:
        await folders.run(volume_id, partial(_rename, source, destination), allowance.charge)
    return _moved("Renamed successfully", source, destination)


async def chmod(system: System, volume_id: str) -> Response:
    find(system, volume_id)
    body = await read_body(ModeBody)
    path, mode = parse_path(body.path), parse_mode(body.mode)
    await system.folders.run(volume_id, lambda jail: change_mode(jail, path, mode))
    return to_json({"message": "Mode changed successfully", "path": path.text, "mode": f"{mode:04o}"})


def _to_paths(raw: bytes) -> list[RelativePath]:
    named = read(PathsBody, loads(raw)).paths
    if not 0 < len(named) <= MOST_PATHS:
        raise bad_request(f"paths: must hold 1 to {MOST_PATHS} paths")
    return [parse_path(path) for path in named]


def _parse(body: FromToBody) -> tuple[RelativePath, RelativePath]:
    return parse_path(body.source), parse_path(body.destination)


def _moved(message: str, source: RelativePath, destination: RelativePath) -> Response:
    return to_json({"message": message, "source": source.text, "destination": destination.text})


def _rename(source: RelativePath, destination: RelativePath, jail: Jail) -> None:
    rename(jail, source, destination, jail.owner())


def _to_listing(jail: Jail, path: RelativePath, limit: int, cursor: str | None) -> str:
    """Return the response as JSON, made in the thread: dicts for ten thousand files would cost more."""
    page = list_folder(jail, path, limit, cursor)
    files = ",".join(
        f'{{"name":{to_text(entry.name)},"type":"{entry.type}","size":{entry.size},'
        f'"modified_at":{entry.modified_at},"mode":"{entry.mode}"}}'
        for entry in page.entries
    )
    return f'{{"files":[{files}],"next":{to_text(page.cursor)}}}'


def _to_moved_schema(text: str) -> Schema:
    return record({"message": message(text), "source": TEXT, "destination": TEXT})


ROUTES = (
    Route(
        method="POST",
        path="/volumes/{volume_id}/files",
        permission="files.write",
        subject=scopes.Volume,
        handler=write,
        name="write_file",
        summary="Write a text file",
        text="Creates parent folders; the file is replaced as a whole or not at all.",
        curl="""call $url/volumes/$volume/files -d '{"path":"conf/motd.txt","content":"Welcome\\n"}'""",
        body=Body(file_bodies.FileBody),
        answer=record({"message": message("File written successfully"), "path": TEXT}),
        errors=(*FILES, *JSON),
    ),
    Route(
        method="POST",
        path="/volumes/{volume_id}/folders",
        permission="files.write",
        subject=scopes.Volume,
        handler=make,
        name="make_folder",
        summary="Create a folder",
        text="Creates parent folders; succeeds if the folder exists.",
        curl="""call $url/volumes/$volume/folders -d '{"path":"worlds/one"}'""",
        body=Body(file_bodies.FolderBody),
        answer=record({"message": message("Folder created successfully"), "path": TEXT}),
        errors=(*FILES, *JSON),
    ),
    Route(
        method="GET",
        path="/volumes/{volume_id}/files",
        permission="files.read",
        subject=scopes.Volume,
        handler=list_files,
        name="list_files",
        summary="List a folder",
        text="Folders first, then files, each sorted by name.",
        curl='call "$url/volumes/$volume/files?path=conf&limit=100"',
        parameters=("folder", "page", "cursor"),
        answer=record(
            {
                "files": many(ref("File")),
                "next": nullable(
                    described(
                        TEXT,
                        "the value for `cursor` that continues; null: this was the last page",
                        example="ZnNlcnZlci5qYXI",
                    )
                ),
            }
        ),
        errors=(*FILES, "invalid_cursor"),
    ),
    Route(
        method="POST",
        path="/volumes/{volume_id}/copy",
        permission="files.write",
        subject=scopes.Volume,
        handler=copy_tree,
        name="copy_file",
        summary="Copy a file or a folder",
        text="409 if the destination exists. Links are copied as links, special files are skipped. "
        "If the client disconnects, the copy is cancelled and removed.",
        curl="""call $url/volumes/$volume/copy -d '{"source":"conf","destination":"conf.old"}'""",
        body=Body(file_bodies.FromToBody),
        answer=_to_moved_schema("Copied successfully"),
        errors=(*FILES, *JSON),
    ),
    Route(
        method="POST",
        path="/volumes/{volume_id}/rename",
        permission="files.write",
        subject=scopes.Volume,
        handler=move,
        name="rename_file",
        summary="Rename or move a file or a folder",
        text="Creates parent folders; 409 if the destination exists.",
        curl="""call $url/volumes/$volume/rename -d '{"source":"conf.old","destination":"old/conf"}'""",
        body=Body(file_bodies.FromToBody),
        answer=_to_moved_schema("Renamed successfully"),
        errors=(*FILES, *JSON),
    ),
    Route(
        method="POST",
        path="/volumes/{volume_id}/chmod",
        permission="files.write",
        subject=scopes.Volume,
        handler=chmod,
        name="change_mode",
        summary="Change a file's mode",
        text="`mode` is a string of three octal digits.",
        curl="""call $url/volumes/$volume/chmod -d '{"path":"conf/motd.txt","mode":"600"}'""",
        body=Body(file_bodies.ModeBody),
        answer=record({"message": message("Mode changed successfully"), "path": TEXT, "mode": TEXT}),
        errors=(*FILES, *JSON, "invalid_mode"),
    ),
    Route(
        method="DELETE",
        path="/volumes/{volume_id}/files",
        permission="files.write",
        subject=scopes.Volume,
        handler=delete_files,
        name="delete_files",
        summary="Delete files and folders",
        text="404 if one of them does not exist; then nothing is deleted.",
        curl="""call -X DELETE $url/volumes/$volume/files -d '{"paths":["old","server.jar"]}'""",
        body=Body(file_bodies.PathsBody),
        answer=record({"message": message("Files deleted successfully"), "paths": many(TEXT)}),
        errors=(*FILES, *JSON),
        urgent=True,
    ),
)
