"""The application: what stands in front of every route, and the routes.

Before a handler, in this order: a request id, the response to a preflight (``origins``), the origin, the
token, the vendor's media type, a single-use token is spent, the permission and the subject, the first audit
record, the names in the query. After it: the second audit record, headers for other origins, one log line.
Quart's lifespan is empty; everything that routes need was opened before, and is reached through ``System``.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, cast

import attrs
from quart import Request, Response, Websocket, g, request, websocket
from quart.typing import ResponseTypes
from quart_trio import QuartTrio

from actors.kernel.mailbox import Overloaded
from lightd.access.errors import LimitExceeded
from lightd.access.gate import Gate
from lightd.access.identity import Identity
from lightd.access.log_limits import LogLimits
from lightd.access.request_shares import Shares
from lightd.access.scopes import check_permission
from lightd.access.visibility import check_visible
from lightd.files.shares import PRIVILEGED
from lightd.http import audited, errors, origins, queries
from lightd.http.credentials import check_media_type, to_bearer, to_candidates, to_offered
from lightd.http.identity import to_context, to_request
from lightd.http.live.hub import Hub
from lightd.http.live.session import Sessions
from lightd.http.route import WEBSOCKET, EggId, Route
from lightd.http.routes import table
from lightd.http.transport import quart_adapter
from lightd.http.transport.application import Application
from lightd.http.transport.protocol import PROVE
from lightd.http.transport.refusal import new_request_id
from lightd.http.web_console import WebConsole
from lightd.logs.output import to_short
from lightd.system import System

logger = logging.getLogger("lightd.request")

_REQUEST_ID = re.compile(r"[!-~]{1,128}")

Routes = Mapping[str, Route]
"""Routes by their names, which are their endpoints in Quart."""


def make_app(system: System, hub: Hub, routes: Iterable[Route] = table.ROUTES) -> QuartTrio:
    """Return the application that serves ``system``, with these ``routes`` and no others."""
    app = Application("lightd", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # no route has that method
    app.url_map.converters["egg"] = EggId
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a path with a doubled slash is another path
    errors.install(app)
    by_name, shares = {route.name: route for route in routes}, Shares()
    admission = Admission(system, by_name, shares)
    app.before_request(admission.admit)
    app.before_websocket(admission.admit_websocket)
    audited.install(app, system, by_name)  # after authentication, before all handlers
    app.after_request(admission.finish)
    app.after_websocket(admission.finish_websocket)
    sessions = Sessions(system, hub, shares)
    for name, route in by_name.items():
        if route.method == WEBSOCKET:
            app.add_websocket(route.rule, endpoint=name, view_func=_to_view(route, sessions, websocket))
        else:
            view = _to_view(route, system, request)
            app.add_url_rule(route.rule, endpoint=name, view_func=view, methods=[route.method])
    return app


def _to_view(
    route: Route, context: System | Sessions, current: Request | Websocket
) -> Callable[..., Awaitable[Any]]:
    """Return the handler of ``route``, behind a check of the names in the query; an open route has none."""
    handler, known, repeatable = route.handler, route.in_query, route.repeatable
    if route.is_open:
        return partial(handler, context)

    def view(**arguments: str) -> Awaitable[Any]:
        asked: Request | Websocket = cast(Any, current)._get_current_object()  # noqa: SLF001 - documented by Werkzeug
        if asked.query_string:
            queries.check_names(asked.args, known, repeatable)
        return handler(context, **arguments)

    return view


@attrs.define(eq=False)
class Admission:
    """What happens before and after every handler; see the module."""

    _system: System
    _routes: Routes
    _shares: Shares
    _gate: Gate = attrs.field(init=False)
    _open: frozenset[str] = attrs.field(init=False)
    _logged: LogLimits = attrs.field(factory=LogLimits)
    _console: WebConsole = attrs.field(factory=WebConsole)

    def __attrs_post_init__(self) -> None:
        system = self._system
        self._gate = Gate(
            *(lambda: system.config.authorization, system.tokens, system.clock),
            *(system.fleet.endings, system.attempts),
        )
        self._open = frozenset(route.path for route in self._routes.values() if route.is_open)

    async def admit(self) -> Response | None:
        """Return the response to a preflight or a page of the web console, else None.

        Raises what the request is refused with.
        """
        asked = to_request()
        headers, config = asked.headers, self._system.config
        _begin(headers.get("X-Request-Id"))
        origins.check_host(config, headers)
        if asked.method == "OPTIONS" and (preflight := origins.to_preflight(config)) is not None:
            return preflight
        if config.server.ui and (page := await self._console.answer(asked)) is not None:
            return page
        if asked.path not in self._open:
            origins.check_request(config)
            bearer = to_bearer(headers.get("Authorization"))
            g.identity = identity = self._gate.authenticate(bearer, asked.remote_addr or "")
            _prove(asked)
            route = self._route_of(asked)
            if route is None or not route.any_media_type:
                check_media_type(",".join(headers.getlist("Accept")))
            PRIVILEGED.set(identity.is_master)
            if not identity.is_master:  # which has no limits, and is never spent
                asked.resources.enter_context(self._shares.request(identity))
                await self._gate.spend(identity)
                await self._check_scope(identity, route, asked)
        return None

    async def admit_websocket(self) -> None:
        """Raise what the handshake is refused with."""
        headers, config = websocket.headers, self._system.config
        _begin(headers.get("X-Request-Id"))
        origins.check_host(config, headers)
        in_header = to_bearer(headers.get("Authorization"))
        offered = to_offered(websocket.requested_subprotocols)
        candidates = to_candidates(websocket.args.getlist("token"), in_header, offered)
        g.authorization = config.authorization
        g.identity = identity = self._gate.authenticate(candidates, websocket.remote_addr or "")
        _prove(websocket)
        origins.check_websocket(config)  # before a token is spent on a page that may not open one
        await self._gate.spend(identity)
        await self._check_scope(identity, self._route_of(websocket), websocket)

    def _route_of(self, asked: Request | Websocket) -> Route | None:
        """Return the route, None if there is none, or none with this method: that is the error to come."""
        return None if asked.url_rule is None else self._routes[asked.url_rule.endpoint]

    async def _check_scope(self, identity: Identity, route: Route | None, asked: Request | Websocket) -> None:
        if route is None or identity.is_master:
            return
        check_permission(identity, route.permission, route.subject)
        if identity.grant.containers is not None:
            await check_visible(self._system.directory, identity, route.to_subject(asked.view_args or {}))

    async def finish(self, response: ResponseTypes) -> ResponseTypes:
        """Complete ``response`` and write the log line; one that is too large to wait is refused."""
        asked = to_request()
        response = self._hold(asked, response)
        origins.share(self._system.config, response)
        return self._finish(asked, response)

    def _hold(self, asked: quart_adapter.Request, response: ResponseTypes) -> ResponseTypes:
        """Count ``response`` until it is sent; return another one if its token has too much unsent."""
        identity = to_context().get("identity")
        in_memory = asked.method == "GET" and not isinstance(response, quart_adapter.FileResponse)
        if identity is None or not in_memory:
            return response
        try:
            asked.resources.enter_context(self._shares.answer(identity, response.content_length or 0))
        except (LimitExceeded, Overloaded) as error:
            return errors.to_response(cast(errors.Answer, errors.to_answer(error)))
        return response

    async def finish_websocket(self, response: ResponseTypes | None) -> ResponseTypes | None:
        """Complete the response to a handshake that was refused; None if it was not."""
        return None if response is None else self._finish(websocket, response)

    def _finish(self, asked: Request | Websocket, response: ResponseTypes) -> ResponseTypes:
        known = to_context()
        request_id = response.headers["X-Request-Id"] = known.request_id
        identity = known.get("identity")
        if (identity is not None and identity.is_master) or self._logged.admits(
            None if identity is None else identity.token_id, asked.remote_addr or ""
        ):
            milliseconds = round((time.perf_counter() - known.began) * 1000, 1)
            _log((asked.method, to_short(asked.path), response.status_code), request_id, milliseconds)
        return response


def _log(values: tuple[object, ...], request_id: str, milliseconds: float) -> None:
    """Write the log line; ``logger.info`` would look for its caller in the stack, which takes as long."""
    if logger.isEnabledFor(logging.INFO):
        extra = {"request_id": request_id, "ms": milliseconds}
        place = (logger.name, logging.INFO, __file__, 0)
        logger.handle(logger.makeRecord(*place, "%s %s %d", values, None, extra=extra))


def _prove(asked: Request | Websocket) -> None:
    """Let the server know that this client has a valid token."""
    prove = asked.scope["state"].get(PROVE)
    if prove is not None:
        prove()


def _begin(offered: str | None) -> None:
    known = to_context()
    known.request_id = offered if offered and _REQUEST_ID.fullmatch(offered) else new_request_id()
    known.began = time.perf_counter()
