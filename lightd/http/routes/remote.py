"""The routes of the configuration and of the panel."""

from typing import Any

import attrs
from quart import Blueprint, Response
from quart_trio import QuartTrio

from lightd.api.errors import bad_request
from lightd.config.sections import ConfigurationError
from lightd.http import queries
from lightd.http.wire import refuse_body, to_json
from lightd.system import System


def install(app: QuartTrio, system: System) -> None:
    """Add the routes of the configuration and of the panel to ``app``."""
    routes = Blueprint("remote", __name__)

    @routes.get("/remote/config")
    async def show() -> Response:
        queries.check_names()
        return to_json(system.config.masked())

    @routes.get("/remote/status")
    async def status() -> Response:
        queries.check_names()
        return to_json(to_status(system))

    @routes.post("/remote/config/reload")
    async def take_on() -> Response:
        queries.check_names()
        await refuse_body()
        try:
            reloaded = await system.reload()
        except ConfigurationError as error:
            raise bad_request("; ".join(error.mistakes), "invalid_configuration") from None
        return to_json(
            {
                "message": "Configuration reloaded successfully",
                "applied": list(reloaded.applied),
                "restart_required": list(reloaded.restart_required),
            }
        )

    app.register_blueprint(routes)


def to_status(system: System) -> dict[str, Any]:
    """Return the status of the panel connection and of its pending updates."""
    status, exchanged = system.remote_status, system.exchanged
    return {
        "enabled": system.config.remote.enabled,
        "healthy": system.config.remote.enabled and status.healthy is True,
        "last_ok": status.last_ok,
        "last_error": status.last_error,
        "backlog": status.backlog,
        "oldest_pending_at": status.oldest_pending_at,
        "cursor": status.cursor,
        "refused": status.refused,
        "config": {
            "pulled_at": exchanged.pulled_at,
            "pushed_at": exchanged.pushed_at,
            "conflicts": [attrs.asdict(conflict) for conflict in exchanged.conflicts],
        },
    }
