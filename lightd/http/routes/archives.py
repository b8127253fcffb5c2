"""The routes of archives, and of the operations that create and extract them."""

from collections.abc import Awaitable, Callable

import trio
from quart import Response

from lightd.access import scopes
from lightd.api import file_bodies
from lightd.api.commands import begin_operation
from lightd.api.errors import ApiError, bad_request, not_found
from lightd.api.file_bodies import MOST_PATHS, CompressBody, DecompressBody
from lightd.files import archiving
from lightd.files.archives import Kind
from lightd.files.jail import Jail
from lightd.files.jobs import Job
from lightd.files.paths import ROOT, RelativePath, parse_folder, parse_path
from lightd.files.quota.allowance import Allowance
from lightd.files.shares import Turn
from lightd.http import queries
from lightd.http.error_codes import FILES, JSON, VOLUME
from lightd.http.openapi.answers import FILE_OPERATION, SUCCEEDED
from lightd.http.openapi.schemas import TEXT, WHOLE, described, either, many, message, record, ref
from lightd.http.route import Body, Route
from lightd.http.routes.volumes import find
from lightd.http.wire import LISTS, loads, read, read_body, refuse_body, take_body, to_json
from lightd.system import System
from lightd.validation.schema import Schema

Work = Callable[[Jail, Job, Turn, Allowance], Awaitable[int]]
"""The work of a job, with the volume opened for it."""


async def compress(system: System, volume_id: str) -> Response:
    wait = queries.seconds("wait")
    find(system, volume_id)
    kind, output, sources = await take_body(_to_compression, most=LISTS)

    def work(jail: Jail, job: Job, turn: Turn, allowance: Allowance) -> Awaitable[int]:
        owner, whole = jail.owner(), sources == [ROOT]
        return archiving.compress(
            jail, sources, output, kind, owner, job.advance, turn, allowance, whole=whole
        )

    job = await _follow(system, "compress", volume_id, work, wait)
    if job.status == "pending":
        return _pending("Compression started", job)
    answer = {"message": "Compression successful", "archive_path": output.text, "size": job.answer}
    return to_json({**answer, "operation_id": job.operation_id})


async def decompress(system: System, volume_id: str) -> Response:
    wait = queries.seconds("wait")
    find(system, volume_id)
    body = await read_body(DecompressBody)
    archive, destination = parse_path(body.archive_path), parse_folder(body.destination)

    def work(jail: Jail, job: Job, turn: Turn, allowance: Allowance) -> Awaitable[int]:
        return archiving.extract(jail, archive, destination, jail.owner(), job.advance, turn, allowance)

    job = await _follow(system, "decompress", volume_id, work, wait)
    if job.status == "pending":
        return _pending("Decompression started", job)
    answer = {"message": "Decompression successful", "destination": destination.text}
    return to_json({**answer, "left_out": job.answer, "operation_id": job.operation_id})


async def list_all(system: System, volume_id: str) -> Response:
    find(system, volume_id)
    return to_json({"operations": [job.to_shown() for job in system.jobs.of(volume_id)]})


async def show(system: System, volume_id: str, operation_id: str) -> Response:
    return to_json(_find_job(system, volume_id, operation_id).to_shown())


async def cancel(system: System, volume_id: str, operation_id: str) -> Response:
    job = _find_job(system, volume_id, operation_id)
    await refuse_body()
    job.cancel()
    await job.done.wait()
    return to_json({"message": "Operation ended", **job.to_shown()})


def _to_compression(raw: bytes) -> tuple[Kind, RelativePath, list[RelativePath]]:
    body = read(CompressBody, loads(raw))
    kind: Kind = body.format  # type: ignore[assignment]  # its rule is the same list
    output = parse_path(to_name(body.output_name, kind))
    if body.sources is not None and not 0 < len(body.sources) <= MOST_PATHS:
        raise bad_request(f"sources: must hold 1 to {MOST_PATHS} paths")
    sources = [ROOT] if body.sources is None else [parse_path(source) for source in body.sources]
    return kind, output, sources


def to_name(name: str, kind: Kind) -> str:
    """Return ``name`` with the file extension of ``kind``, which is added if it is missing."""
    ending = f".{kind}"
    bare = name.rstrip("/")
    return name if not bare or bare.lower().endswith(ending) else f"{bare}{ending}"


async def _follow(system: System, kind: str, volume_id: str, work: Work, wait: float | None) -> Job:
    """Start a job; return it when it has succeeded, or still pending after ``wait`` seconds.

    Without ``wait`` it is cancelled if the client disconnects. Raises the error that it failed with.
    """

    async def run(job: Job) -> int:
        async with (
            system.folders.writing(volume_id, 0) as allowance,
            system.folders.open_for_archive(volume_id) as (jail, turn),
        ):
            return await work(jail, job, turn, allowance)

    job = system.jobs.start(begin_operation(kind), kind, volume_id, run)
    try:
        with trio.move_on_after(float("inf") if wait is None else wait):
            await job.done.wait()
    finally:
        if wait is None:
            job.cancel()
    if job.failure is not None:
        raise job.failure
    if job.status == "cancelled":
        raise ApiError("cancelled", "the operation was cancelled on request")
    return job


def _pending(message: str, job: Job) -> Response:
    return to_json({"message": message, "operation_id": job.operation_id, "status": "pending"})


def _find_job(system: System, volume_id: str, operation_id: str) -> Job:
    find(system, volume_id)
    job = system.jobs.get(operation_id)
    if job is None or job.volume_id != volume_id:
        raise not_found("operation")
    return job


def _to_answer(what: str, fields: dict[str, Schema]) -> Schema:
    operation_id = FILE_OPERATION["operation_id"]
    return either(
        record({"message": message(f"{what} successful"), **fields, "operation_id": operation_id}),
        record(
            {
                "message": message(f"{what} started"),
                "operation_id": operation_id,
                "status": message("pending"),
            },
            means="With `wait`, if the work was not done by then.",
        ),
    )


_OF_ONE = (*VOLUME, "operation_not_found")
_SET = 'sed \'s/.*"operation_id":"\\([^"]*\\)".*/\\1/\''

ROUTES = (
    Route(
        method="POST",
        path="/volumes/{volume_id}/compress",
        permission="files.write",
        subject=scopes.Volume,
        handler=compress,
        name="compress",
        summary="Create an archive",
        text="The file extension is added to `output_name` if it is missing. Without `sources`, the whole volume is packed, "
        "except earlier archives of the whole volume, and an existing `output_name` is a 409; with `sources` it is replaced.",
        curl="call $url/volumes/$volume/compress "
        """-d '{"format":"tar.gz","output_name":"backup","sources":["conf","worlds"]}'""",
        parameters=("wait",),
        body=Body(file_bodies.CompressBody),
        answer=_to_answer(
            "Compression",
            {
                "archive_path": described(
                    TEXT, "the path of the archive, relative to the volume", example="backup.tar.gz"
                ),
                "size": described(WHOLE, "the size of the archive", unit="bytes", example=1048576),
            },
        ),
        errors=(*FILES, *JSON, "invalid_archive", "cancelled"),
    ),
    Route(
        method="POST",
        path="/volumes/{volume_id}/decompress",
        permission="files.write",
        subject=scopes.Volume,
        handler=decompress,
        name="decompress",
        summary="Extract an archive",
        text="The format is detected from the contents: zip, tar (also gz, bz2, xz, zst), or a single compressed file. Folders "
        "are merged, files are replaced; after a failure the destination is unchanged. `left_out` is the number of skipped "
        "entries: devices, FIFOs, and links in another program's archive that lead out.",
        curl="call $url/volumes/$volume/decompress "
        """-d '{"archive_path":"backup.tar.gz","destination":"restored"}'""",
        parameters=("wait",),
        body=Body(file_bodies.DecompressBody),
        answer=_to_answer(
            "Decompression",
            {
                "destination": described(TEXT, "the folder, relative to the volume", example="restored"),
                "left_out": described(WHOLE, "how many entries were skipped", unit="entries", example=0),
            },
        ),
        errors=(*FILES, *JSON, "invalid_archive", "cancelled"),
    ),
    Route(
        method="GET",
        path="/volumes/{volume_id}/operations",
        permission="files.read",
        subject=scopes.Volume,
        handler=list_all,
        name="list_file_operations",
        summary="List archive operations",
        curl="call $url/volumes/$volume/operations",
        answer=record(
            {"operations": described(many(ref("FileOperation")), "the operations, the oldest first")}
        ),
        errors=VOLUME,
    ),
    Route(
        method="GET",
        path="/volumes/{volume_id}/operations/{operation_id}",
        permission="files.read",
        subject=scopes.Volume,
        handler=show,
        name="show_file_operation",
        summary="Show an archive operation",
        before='packing=$(call "$url/volumes/$volume/compress?wait=0" '
        """-d '{"format":"zip","output_name":"all"}' | """ + _SET + ")",
        curl="call $url/volumes/$volume/operations/$packing",
        answer=ref("FileOperation"),
        errors=_OF_ONE,
    ),
    Route(
        method="DELETE",
        path="/volumes/{volume_id}/operations/{operation_id}",
        permission="files.write",
        subject=scopes.Volume,
        handler=cancel,
        name="end_file_operation",
        summary="Cancel an archive operation",
        text="The response is sent when it has ended. A finished operation is not changed.",
        curl="call -X DELETE $url/volumes/$volume/operations/$packing",
        answer=record({"message": message("Operation ended"), **FILE_OPERATION}, example=SUCCEEDED),
        errors=(*_OF_ONE, *JSON),
    ),
)
