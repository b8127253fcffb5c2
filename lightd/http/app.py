"""The application: what stands in front of every route, and the routes.

Before a handler, in this order: a request id, a preflight's answer (``origins``), the origin, the token, the
vendor's header, a single-use token is spent, the scope (``scopes``, ``visibility``), the audit's first note.
After it: the audit's second note, the headers for other origins, one log line.
Quart's lifespan is empty; everything that routes need was opened before, and is reached through ``System``.
"""

import logging
import re
import time
from collections.abc import Iterable
from typing import cast

from quart import Request, Response, Websocket, g, request, websocket
from quart.routing import QuartRule
from quart.typing import ResponseTypes
from quart_trio import QuartTrio

from lightd.access.gate import Gate
from lightd.access.log_limits import Told
from lightd.access.request_shares import Shares
from lightd.access.scopes import check_permission
from lightd.access.visibility import check_visible
from lightd.files.shares import FAVOURED
from lightd.http import audited, errors, origins, scopes
from lightd.http.credentials import check_media_type, to_bearer, to_candidates, to_offered
from lightd.http.identity import of_request
from lightd.http.live import session
from lightd.http.live.hub import Hub
from lightd.http.routes import (
    archives,
    audit,
    changes,
    containers,
    documents,
    downloads,
    files,
    history,
    ports,
    quotas,
    remote,
    tokens,
    uploads,
    volumes,
)
from lightd.http.transport import quart_adapter
from lightd.http.transport.application import Application
from lightd.http.transport.protocol import PROVE
from lightd.http.transport.refusal import new_request_id
from lightd.http.wire import to_json
from lightd.logs.output import to_short
from lightd.system import System

logger = logging.getLogger("lightd.request")

ROUTES = (
    audit,
    containers,
    changes,
    history,
    volumes,
    quotas,
    files,
    downloads,
    uploads,
    archives,
    ports,
    remote,
    tokens,
)
PING = "/api/v1/public/ping"
OPEN = frozenset({PING, documents.PAGE})
_REQUEST_ID = re.compile(r"[!-~]{1,128}")


def make_app(system: System, stations: Hub) -> QuartTrio:
    """Return the application that serves ``system``."""
    app = Application("lightd", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # no route has that method
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a doubled slash is another path, not a redirection
    errors.install(app)

    gate = Gate(lambda: system.config.authorization, system.tokens, system.clock, system.fleet.endings)

    told, shares = Told(), Shares()

    @app.before_request
    async def admit() -> Response | None:
        headers = request.headers
        _begin(headers.get("X-Request-Id"))
        origins.check_host(system.config, headers)
        preflight = origins.to_preflight(system.config)
        if preflight is not None:
            return preflight
        if request.path not in OPEN:
            origins.check_request(system.config)
            bearer = to_bearer(headers.get("Authorization"))
            g.identity = gate.authenticate(bearer, request.remote_addr or "")
            _prove(request)
            check_media_type(",".join(headers.getlist("Accept")))
            cast(quart_adapter.Request, request).resources.enter_context(shares.request(g.identity))
            await gate.spend(g.identity)
            FAVOURED.set(g.identity.is_master)
            await _check_scope(system, request)
        return None

    @app.before_websocket
    async def admit_websocket() -> None:
        _begin(websocket.headers.get("X-Request-Id"))
        origins.check_host(system.config, websocket.headers)
        in_header = to_bearer(websocket.headers.get("Authorization"))
        offered = to_offered(websocket.requested_subprotocols)
        candidates = to_candidates(websocket.args.getlist("token"), in_header, offered)
        g.authorization = system.config.authorization
        g.identity = gate.authenticate(candidates, websocket.remote_addr or "")
        _prove(websocket)
        origins.check_websocket(system.config)  # before a token is spent on a page that may not
        await gate.spend(g.identity)
        await _check_scope(system, websocket)

    audited.install(app, system)  # after authentication, before all routes

    @app.after_request
    async def finish(response: ResponseTypes) -> ResponseTypes:
        origins.share(system.config, response)
        return _finish(told, request, response)

    @app.after_websocket
    async def finish_websocket(response: ResponseTypes | None) -> ResponseTypes | None:
        return None if response is None else _finish(told, websocket, response)

    @app.get(PING)
    async def ping() -> Response:
        return to_json({"status": "ok", "message": "Lightd is running", "version": system.version})

    for routes in ROUTES:
        routes.install(app, system)
    documents.install(app)
    session.install(app, system, stations, shares)
    scopes.check_listed(cast(Iterable[QuartRule], app.url_map.iter_rules()))
    return app


async def _check_scope(system: System, asked: Request | Websocket) -> None:
    identity, rule = of_request(), asked.url_rule
    # A route that isn't there, or not for this method, has no rule: that error comes first.
    if not identity.is_master and rule is not None and (route := scopes.route_of(rule, asked.method)):
        row = scopes.ROUTES[route]
        check_permission(identity, row.needs, row.subject)
        if identity.grant.containers is not None:
            subject = scopes.to_subject(row.subject, asked.view_args or {})
            await check_visible(system.directory, identity, subject)


def _prove(asked: Request | Websocket) -> None:
    """Let the server know that this client has a right token."""
    prove = asked.scope["state"].get(PROVE)
    if prove is not None:
        prove()


def _begin(offered: str | None) -> None:
    g.request_id = offered if offered and _REQUEST_ID.fullmatch(offered) else new_request_id()
    g.began = time.perf_counter()


def _finish(told: Told, asked: Request | Websocket, response: ResponseTypes) -> ResponseTypes:
    request_id = response.headers["X-Request-Id"] = g.request_id
    identity = g.get("identity")
    if (identity is not None and identity.is_master) or told.admits(
        None if identity is None else identity.token_id, asked.remote_addr or ""
    ):
        milliseconds = round((time.perf_counter() - g.began) * 1000, 1)
        extra = {"request_id": request_id, "ms": milliseconds}
        logger.info("%s %s %d", asked.method, to_short(asked.path), response.status_code, extra=extra)
    return response
