"""The routes of quotas: the maximum and current size of a volume, and a new maximum."""

from functools import partial
from typing import Any

from quart import Response

from actors.volumes import messages
from lightd.access import rates, scopes
from lightd.api import file_bodies
from lightd.api.commands import begin_operation, settle
from lightd.api.file_bodies import SizeBody
from lightd.files.quota.kind import MEGABYTE
from lightd.files.quota.limits import entries_of
from lightd.files.quota.quotas import to_mb
from lightd.http.error_codes import JSON, RECORDS, VOLUME
from lightd.http.identity import of_request
from lightd.http.openapi.schemas import ref
from lightd.http.route import Body, Route
from lightd.http.routes.volumes import find
from lightd.http.wire import read_body, to_json
from lightd.system import System


async def show(system: System, volume_id: str) -> Response:
    find(system, volume_id)
    return to_json(await _to_quota(system, volume_id))


async def resize(system: System, volume_id: str) -> Response:
    find(system, volume_id)
    system.rates.spend(rates.CHANGING, volume_id, of_request())
    size = (await read_body(SizeBody)).size
    await system.quotas.check_fits(volume_id, size)
    await settle(partial(_resize, system, volume_id, size))
    return to_json(await _to_quota(system, volume_id))


async def _resize(system: System, volume_id: str, size: int) -> None:
    async with system.quotas.resizing(volume_id, size):
        await system.volumes.ref.ask(messages.Resize(volume_id, size), begin_operation())


async def _to_quota(system: System, volume_id: str) -> dict[str, Any]:
    """Return a volume's quota as the API shows it; without a maximum, only its current size is set."""
    used = await system.quotas.usage(volume_id)
    size_mb = system.quotas.sizes().get(volume_id)
    shown: dict[str, Any] = {"size_mb": size_mb, "used_mb": to_mb(used), "available_mb": None}
    shown |= {"percentage_used": None, "kind": system.quotas.kind_of(volume_id).name}
    shown |= {"entries_used": system.quotas.entries(volume_id), "entries_limit": entries_of(size_mb)}
    if size_mb is not None:
        size = size_mb * MEGABYTE
        shown["available_mb"] = to_mb(max(size - used, 0))
        shown["percentage_used"] = round(100 * used / size, 2)
    return shown


ROUTES = (
    Route(
        method="GET",
        path="/volumes/{volume_id}/quota",
        permission="files.read",
        subject=scopes.Volume,
        handler=show,
        name="show_quota",
        summary="Show the maximum and current size of a volume",
        curl="call $url/volumes/$volume/quota",
        answer=ref("Quota"),
        errors=(*VOLUME, "file_not_found", "file_not_allowed", "overloaded"),
    ),
    Route(
        method="POST",
        path="/volumes/{volume_id}/resize",
        permission="admin",
        subject=scopes.Volume,
        handler=resize,
        name="resize_volume",
        summary="Resize a volume",
        text="Also while its server runs. A size below the current usage is rejected.",
        curl="""call $url/volumes/$volume/resize -d '{"size":2048}'""",
        body=Body(file_bodies.SizeBody),
        answer=ref("Quota"),
        errors=(
            *(*VOLUME, *JSON, *RECORDS, "not_found", "file_not_found", "file_not_allowed"),
            *("quota_below_usage", "volume_not_mounted", "no_space", "too_often"),
        ),
    ),
)
