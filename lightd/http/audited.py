"""Records in the audit every call that can change something, by everybody with a valid token.

This is the one place that reads the current request or WebSocket for the audit. A call is recorded between
authentication and its handler, and again with its response. A call without a valid token is only in the log:
otherwise anybody could fill the disk. Bodies, queries and the text of console commands are never recorded.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

from quart import Response, g, websocket
from quart.typing import ResponseTypes
from quart_trio import QuartTrio

from lightd.audit.entry import UNANSWERED, Asked, to_text
from lightd.audit.trail import Call, follow
from lightd.http.errors import Answer, to_answer
from lightd.http.identity import of_request, to_context, to_request
from lightd.http.route import Route
from lightd.system import System

CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def install(app: QuartTrio, system: System, routes: Mapping[str, Route]) -> None:
    """Record every call of ``app`` that can change something.

    Must be called after the function that authenticates was registered: it sets ``g.identity``.
    """
    trail = system.audit

    @app.before_request
    async def begin() -> None:
        request = to_request()
        if request.method in CHANGING and request.routing_exception is None:
            call = _to_call(system)
            rule = request.url_rule
            call.urgent = rule is not None and routes[rule.endpoint].urgent
            g.call = call
            follow(call)
            await trail.begin(call)

    @app.after_request
    async def end(response: ResponseTypes) -> ResponseTypes:
        if to_request().method in CHANGING and _is_known(response):
            call = g.get("call") or _to_call(system)
            await trail.end(call, response.status_code, await _to_code(response))
        return response

    @app.teardown_request
    async def leave(_error: BaseException | None) -> None:
        if call := to_context().get("call"):
            trail.end_nowait(call, None, UNANSWERED)


@asynccontextmanager
async def recorded(system: System, subject: str, what: str, *, urgent: bool = False) -> AsyncIterator[None]:
    """Record ``what`` is done in the block to ``subject``, over the current WebSocket."""
    asked = _to_asked(system, f"WS {what}", websocket.path, websocket.remote_addr)
    call = Call(asked, subject, urgent=urgent)
    follow(call)
    try:
        await system.audit.begin(call)
        yield
        system.audit.end_nowait(call, HTTPStatus.OK, None)
    except Exception as error:
        answer = to_answer(error) or Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "")
        system.audit.end_nowait(call, answer.status, answer.code)
        raise
    finally:
        system.audit.end_nowait(call, None, UNANSWERED)  # where it was cancelled


def _is_known(response: ResponseTypes) -> bool:
    """Whether the caller was authenticated: not if its single-use token was spent meanwhile."""
    return "identity" in g and ("call" in g or response.status_code != HTTPStatus.UNAUTHORIZED)


def _to_call(system: System) -> Call:
    request = to_request()
    asked = _to_asked(system, request.method, request.path, request.remote_addr)
    values: Iterable[Any] = (request.view_args or {}).values()
    return Call(asked, to_text("/".join(map(str, values))) or None)


def _to_asked(system: System, method: str, path: str, address: str | None) -> Asked:
    return Asked(
        system.audit.clock(), of_request().token_id, address or "", g.request_id, method, to_text(path)
    )


async def _to_code(response: ResponseTypes) -> str | None:
    """Return the code of an error, from its body; None for any other response."""
    if response.status_code < HTTPStatus.BAD_REQUEST or not isinstance(response, Response):
        return None
    code: str = json.loads(await response.get_data(as_text=False))["code"]
    return code
