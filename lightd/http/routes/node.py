"""The route that says that the daemon is running."""

from quart import Response

from lightd.access import scopes
from lightd.http.openapi.schemas import TEXT, described, message, record
from lightd.http.route import Route
from lightd.http.wire import to_json
from lightd.system import System


async def ping(system: System) -> Response:
    return to_json({"status": "ok", "message": "Lightd is running", "version": system.version})


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/public/ping",
        permission=scopes.NOTHING,
        subject=scopes.Node,
        handler=ping,
        name="ping",
        summary="Check that the daemon is running",
        curl="curl -sS $url/api/v1/public/ping",
        answer=record(
            {
                "status": described(message("ok"), "always `ok`"),
                "message": described(message("Lightd is running"), "the same for people"),
                "version": TEXT,
            }
        ),
    ),
)
