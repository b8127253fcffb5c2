"""The route that sends a file of any size, past the daemon's memory."""

from datetime import UTC, datetime
from functools import partial
from typing import cast
from urllib.parse import quote

from quart import Response, request
from werkzeug.datastructures import Headers
from werkzeug.http import http_date

from lightd.access import scopes
from lightd.api.errors import ApiError
from lightd.files.jail import Jail
from lightd.files.paths import RelativePath, to_shown
from lightd.files.reading import Download, open_download
from lightd.http import queries, ranges
from lightd.http.error_codes import FILES
from lightd.http.errors import HttpError
from lightd.http.route import Answer, Route
from lightd.http.routes.volumes import find
from lightd.http.transport import file_transfer
from lightd.http.transport.quart_adapter import FileResponse, Request
from lightd.system import System
from lightd.validation.schema import Schema

LATEST = 253_402_300_799  # the last second of the year 9999; a later date cannot be formatted


async def download(system: System, volume_id: str) -> Response:
    folders = system.folders
    find(system, volume_id)
    path = queries.path()
    resources = cast(Request, request).resources
    transfer = folders.transfer(volume_id)
    turn = folders.shares.downloads.join(volume_id)
    resources.callback(turn.leave)
    await turn.wait()

    def begin(jail: Jail) -> Download:
        return resources.enter_context(open_download(jail, path))

    file = await folders.run(volume_id, begin)
    modified_at = datetime.fromtimestamp(min(max(file.modified_at, 0), LATEST), UTC)
    span = ranges.choose(request.headers, file.size, file.etag, modified_at)
    headers = Headers({"ETag": file.etag, "Last-Modified": http_date(modified_at)})
    headers["Cache-Control"] = "private, no-cache"
    if span.status == ranges.NOT_MODIFIED:
        return Response(b"", span.status, headers)
    _check(span, file, headers)
    headers["Accept-Ranges"] = "bytes"
    headers["Content-Type"] = "application/octet-stream"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Disposition"] = to_disposition(path)
    if span.status == ranges.PARTIAL:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{file.size}"
    run = cast(file_transfer.Run, partial(folders.run_piece, transfer))
    return FileResponse(file_transfer.Part(file.descriptor, span.start, span.stop, run), span.status, headers)


def _check(span: ranges.Span, file: Download, headers: Headers) -> None:
    if span.status == ranges.FAILED:
        raise ApiError("precondition_failed", f'"{file.path}" does not match the precondition')
    if span.status == ranges.UNSATISFIABLE:
        headers["Content-Range"] = f"bytes */{file.size}"
        message = f'"{file.path}" has {file.size} bytes, none of them in the requested range'
        raise HttpError("range_not_satisfiable", message, dict(headers))


def to_disposition(path: RelativePath) -> str:
    """Return the ``Content-Disposition`` with the file's name (RFC 6266), also for old clients."""
    name = to_shown(path.name)
    plain = "".join(sign if " " <= sign <= "~" and sign not in '"\\%' else "_" for sign in name)
    exact = quote(name, safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"


_BYTES = "application/octet-stream"
_ANY: Schema = {"type": "string", "format": "binary"}

ROUTES = (
    Route(
        method="GET",
        path="/volumes/{volume_id}/files/content",
        permission="files.read",
        subject=scopes.Volume,
        handler=download,
        name="download_file",
        summary="Download a file, or a range of it",
        curl='call -r 0-99 -o head.bin "$url/volumes/$volume/files/content?path=server.jar"',
        parameters=("path", "range", "if_match", "if_none_match"),
        others=(
            Answer(200, "The bytes.", _BYTES, _ANY, ("ETag", "Last-Modified", "Content-Disposition")),
            Answer(206, "The range.", _BYTES, _ANY, ("ETag", "Content-Range", "Content-Disposition")),
            Answer(304, "Not modified.", headers=("ETag",)),
        ),
        errors=(*FILES, "precondition_failed", "range_not_satisfiable"),
    ),
)
