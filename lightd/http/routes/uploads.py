"""The routes of uploads: files of any size, in constant memory.

An upload is written to a temporary file, which is then renamed to its place. An upload with a name
(``upload=``) can arrive in parts; each says its offset and the length of the whole file.
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import TypeVar, cast

import attrs
import trio
from quart import Response, request
from werkzeug.datastructures import ETags

from lightd.access import scopes
from lightd.api.errors import bad_request
from lightd.files import errors
from lightd.files.charging import NOTHING, PIECE, Amount
from lightd.files.jail import Jail
from lightd.files.paths import RelativePath
from lightd.files.quota.allowance import Allowance
from lightd.files.uploads import ANY, Condition, Upload, arrived_of, forget, open_upload
from lightd.files.volumes import VolumeFolders
from lightd.http import queries
from lightd.http.error_codes import FILES, JSON
from lightd.http.openapi.schemas import TEXT, WHOLE, described, either, message, record
from lightd.http.route import Route
from lightd.http.routes.volumes import find
from lightd.http.transport import file_transfer
from lightd.http.transport.quart_adapter import Request
from lightd.http.wire import refuse_body, to_json
from lightd.system import System

LARGEST = 2**62
AHEAD = Amount(2 * PIECE)
"""The space that is reserved before each piece of a body of unknown length: more than a piece."""

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@attrs.frozen
class Piece:
    """The position of a body in a named upload; without a name it is the whole file."""

    upload: str | None
    offset: int
    length: int | None


async def upload(system: System, volume_id: str) -> Response:
    folders = system.folders
    find(system, volume_id)
    path = queries.path()
    piece = _piece()
    condition = Condition(
        _to_tags(request.if_match, "If-Match"), _to_tags(request.if_none_match, "If-None-Match")
    )
    run = cast(file_transfer.Run, partial(folders.run_piece, folders.transfer(volume_id)))
    async with (
        folders.uploading(volume_id),
        folders.writing(volume_id, _declared(piece)) as allowance,
        _opened(folders, volume_id, path, piece, condition, allowance) as arriving,
    ):
        await _receive(run, arriving, piece.length, allowance)
        if piece.length is not None and arriving.offset < piece.length:
            part = {"path": path.text, "offset": arriving.offset, "length": piece.length}
            return to_json({"message": "Part received", **part})
        etag = await run(arriving.commit)
    answer = {"message": "File uploaded successfully", "path": path.text, "size": arriving.offset}
    response = to_json({**answer, "etag": etag})
    response.headers["ETag"] = etag
    return response


async def arrived(system: System, volume_id: str) -> Response:
    find(system, volume_id)
    path, name = queries.path(), _needed_name()
    offset = await system.folders.run(volume_id, partial(arrived_of, path=path, name=name))
    return to_json({"path": path.text, "upload": name, "offset": offset})


async def abandon(system: System, volume_id: str) -> Response:
    find(system, volume_id)
    path, name = queries.path(), _needed_name()
    await refuse_body()
    await system.folders.run(volume_id, partial(forget, path=path, name=name))
    return to_json({"message": "Upload abandoned", "path": path.text, "upload": name})


@asynccontextmanager
async def _opened(
    folders: VolumeFolders,
    volume_id: str,
    path: RelativePath,
    piece: Piece,
    condition: Condition,
    allowance: Allowance,
) -> AsyncIterator[Upload]:
    """Yield the upload, ready for ``piece``; it is opened, closed and cleaned up in threads."""
    with ExitStack() as stack:

        def begin(jail: Jail) -> Upload:
            arriving = stack.enter_context(open_upload(jail, path, jail.owner(), piece.upload, condition))
            arriving.begin_at(piece.offset)
            return arriving

        try:
            arriving = await folders.run(volume_id, begin, allowance.charge)
            if piece.length is not None:
                await _prepare(allowance, arriving, piece.length)
            yield arriving
        finally:
            with trio.CancelScope(shield=True):
                await folders.run_piece(folders.transfer(volume_id), stack.close)


async def _prepare(allowance: Allowance, arriving: Upload, length: int) -> None:
    """Reserve room for the whole file, not only for this part; a new upload is removed if there is none."""
    try:
        await allowance.prepare(Amount(length - arriving.offset))
    except errors.NoSpace:
        if arriving.offset == 0:
            arriving.abandon()
        raise


async def _receive(
    run: file_transfer.Run, arriving: Upload, length: int | None, allowance: Allowance
) -> None:
    async def run_allowed(work: Callable[[], T]) -> T:
        """Reserve room before the work runs in a thread, as all volumes share the threads."""
        if request.content_length is None:
            await allowance.prepare(NOTHING, AHEAD)
        return await run(work)

    def write(piece: memoryview) -> None:
        if length is not None and arriving.offset + len(piece) > length:
            raise bad_request(f"length: more than the {length} bytes that were announced arrived")
        arriving.write(piece)

    body = cast(Request, request).body
    body.limit = None
    await body.pour(file_transfer.Sink(write, run_allowed))


def _declared(piece: Piece) -> int:
    """Return the bytes for which there must be room before the upload is opened."""
    return 0 if piece.upload is not None else request.content_length or 0


def _piece() -> Piece:
    name = _name()
    length = queries.optional_whole(request.args, "length")
    offset = queries.whole("offset", 0, 0, LARGEST)
    if name is None:
        if "offset" in request.args or length is not None:
            raise bad_request("upload: is missing: offset and length belong to an upload that has a name")
    elif length is None:
        raise bad_request("length: is missing: how long the whole file will be")
    elif offset > length:
        raise bad_request("offset: must not be greater than length")
    return Piece(name, offset, length)


def _name() -> str | None:
    name = request.args.get("upload")
    if name is not None and not _NAME.fullmatch(name):
        raise bad_request("upload: must be 1 to 64 letters, digits, '_' and '-'")
    return name


def _needed_name() -> str:
    name = _name()
    if name is None:
        raise bad_request("upload: is missing")
    return name


def _to_tags(etags: ETags, header: str) -> frozenset[str] | None:
    if header not in request.headers:
        return None
    weak = header == "If-None-Match"
    return frozenset({ANY} if etags.star_tag else {f'"{tag}"' for tag in etags.as_set(include_weak=weak)})


_ETAG = described(TEXT, "changes with the contents", example='"1a2b3c-3e8-18f0c4e2a"')

_STORED = either(
    record({"message": message("File uploaded successfully"), "path": TEXT, "size": WHOLE, "etag": _ETAG}),
    record({"message": message("Part received"), "path": TEXT, "offset": WHOLE, "length": WHOLE}),
)

ROUTES = (
    Route(
        method="PUT",
        path="/volumes/{volume_id}/files/content",
        permission="files.write",
        subject=scopes.Volume,
        handler=upload,
        name="upload_file",
        summary="Upload a file, or a part of one",
        text="The body is the contents of the file, of any size. It is written to a temporary file, which replaces the "
        "target when it is complete. For a resumable upload, give it a name (`upload`) and the total size "
        "(`length`); each body is then a part that begins at `offset`, and received parts are kept for 24 hours.",
        curl='head -c 1000 /dev/zero | call -T - "$url/volumes/$volume/files/content?path=server.jar"',
        parameters=("path", "upload", "offset", "length", "if_match", "if_none_match"),
        raw_body=True,
        answer=_STORED,
        errors=(*FILES, "invalid_offset", "precondition_failed"),
    ),
    Route(
        method="GET",
        path="/volumes/{volume_id}/files/upload",
        permission="files.write",
        subject=scopes.Volume,
        handler=arrived,
        name="show_upload",
        summary="Show the progress of an upload",
        text="`offset` is 0 if nothing has been received.",
        before="head -c 400 /dev/zero | call -T - "
        '"$url/volumes/$volume/files/content?path=big.jar&upload=b1&length=1000"',
        curl='call "$url/volumes/$volume/files/upload?path=big.jar&upload=b1"',
        parameters=("path", "upload_named"),
        answer=record({"path": TEXT, "upload": TEXT, "offset": WHOLE}),
        errors=FILES,
    ),
    Route(
        method="DELETE",
        path="/volumes/{volume_id}/files/upload",
        permission="files.write",
        subject=scopes.Volume,
        handler=abandon,
        name="abandon_upload",
        summary="Cancel an upload",
        curl='call -X DELETE "$url/volumes/$volume/files/upload?path=big.jar&upload=b1"',
        parameters=("path", "upload_named"),
        answer=record({"message": message("Upload abandoned"), "path": TEXT, "upload": TEXT}),
        errors=(*FILES, *JSON),
        urgent=True,
    ),
)
