"""The application: what stands in front of every route, and the routes.

In front of a handler: a request id, the token, the vendor's header. Nothing else. Behind it: one log line.
Quart's lifespan is empty; whatever the routes need was opened before, and is reached through ``System``.
"""

import logging
import re
import time
import uuid

from quart import Response, g, request, websocket
from quart.typing import ResponseTypes
from quart_trio import QuartTrio

from lightd.http import containers, errors, ports, quotas, sessions, volumes
from lightd.http.auth import Gate, check_media_type, to_bearer, to_offered
from lightd.http.stations import Stations
from lightd.http.wire import to_json
from lightd.system import System

logger = logging.getLogger("lightd.request")

PING = "/api/v1/public/ping"
_REQUEST_ID = re.compile(r"[!-~]{1,128}")


def make_app(system: System, stations: Stations) -> QuartTrio:
    """Return the application that serves ``system``."""
    app = QuartTrio("lightd", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a doubled slash is another path, not a redirection
    gate = Gate(system.config.authorization.enabled, system.config.authorization.token)
    errors.install(app)

    @app.before_request
    async def admit() -> None:
        _begin(request.headers.get("X-Request-Id"))
        if request.path != PING:
            gate.check_token(to_bearer(request.headers.get("Authorization")))
            check_media_type(",".join(request.headers.getlist("Accept")))

    @app.before_websocket
    async def admit_websocket() -> None:
        _begin(websocket.headers.get("X-Request-Id"))
        in_header = to_bearer(websocket.headers.get("Authorization"))
        offered = to_offered(websocket.requested_subprotocols)
        gate.check_token([*websocket.args.getlist("token"), *in_header, *offered])

    @app.after_request
    async def finish(response: ResponseTypes) -> ResponseTypes:
        return _finish(request.method, request.path, response)

    @app.after_websocket
    async def finish_websocket(response: ResponseTypes | None) -> ResponseTypes | None:
        return None if response is None else _finish("GET", websocket.path, response)

    @app.get(PING)
    async def ping() -> Response:
        return to_json({"status": "ok", "message": "Lightd is running", "version": system.version})

    containers.install(app, system)
    volumes.install(app, system)
    quotas.install(app, system)
    ports.install(app, system)
    sessions.install(app, system, stations)
    return app


def _begin(offered: str | None) -> None:
    g.began = time.perf_counter()
    g.request_id = offered if offered and _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


def _finish(method: str, path: str, response: ResponseTypes) -> ResponseTypes:
    response.headers["X-Request-Id"] = g.request_id
    logger.info(
        "%s %s %d",
        method,
        path,
        response.status_code,
        extra={"request_id": g.request_id, "ms": round((time.perf_counter() - g.began) * 1000, 1)},
    )
    return response
