"""The routes of quotas: how much a volume may hold and does hold, and another size for it."""

from functools import partial
from typing import Any

from quart import Blueprint, Response
from quart_trio import QuartTrio

from actors.volumes import messages
from lightd.access import rates
from lightd.api.commands import begin_operation, settle
from lightd.api.file_bodies import SizeBody
from lightd.files.quota.kind import MEGABYTE
from lightd.files.quota.limits import entries_of
from lightd.files.quota.quotas import to_mb
from lightd.http import queries
from lightd.http.identity import of_request
from lightd.http.routes.volumes import find
from lightd.http.wire import read_body, to_json
from lightd.system import System


def install(app: QuartTrio, system: System) -> None:
    """Add the routes of quotas to ``app``."""
    routes = Blueprint("quotas", __name__)

    @routes.get("/volumes/<volume_id>/quota")
    async def show(volume_id: str) -> Response:
        queries.check_names()
        find(system, volume_id)
        return to_json(await _to_quota(system, volume_id))

    @routes.post("/volumes/<volume_id>/resize")
    async def resize(volume_id: str) -> Response:
        queries.check_names()
        find(system, volume_id)
        system.rates.spend(rates.CHANGING, volume_id, of_request())
        size = (await read_body(SizeBody)).size
        await system.quotas.check_fits(volume_id, size)
        await settle(partial(_resize, system, volume_id, size))
        return to_json(await _to_quota(system, volume_id))

    app.register_blueprint(routes)


async def _resize(system: System, volume_id: str, size: int) -> None:
    async with system.quotas.resizing(volume_id, size):
        await system.volumes.ref.ask(messages.Resize(volume_id, size), begin_operation())


async def _to_quota(system: System, volume_id: str) -> dict[str, Any]:
    """A volume's quota as a client sees it; without a size, only what it holds is known."""
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
