"""The audit of what comes in: every call that may change anything, by whoever has a valid token.

It is noted here, once for all routes and frames: behind the door and in front of the handler, and again with
the answer. What came in without a valid token is told by the log alone: whoever has none could fill the disk.
Of a body, a query, or a console's command nothing is kept.
"""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

from quart import Blueprint, Response, g, request, websocket
from quart.typing import ResponseTypes
from quart_trio import QuartTrio

from lightd.api.errors import ApiError
from lightd.audit.entry import UNANSWERED, Asked, Entry, to_text
from lightd.audit.trail import Call, follow
from lightd.http import queries
from lightd.http.errors import to_api_error
from lightd.http.identity import of_request
from lightd.http.wire import to_json
from lightd.system import System

CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MOST: Final = 1000


def install(app: QuartTrio, system: System) -> None:
    """Have every changing call of ``app`` noted, and add the route that tells of them.

    Belongs behind the function that admits callers, which sets ``g.identity``.
    """
    trail = system.audit

    @app.before_request
    async def begin() -> None:
        if request.method in CHANGING and request.routing_exception is None:
            call = _to_call(system)
            call.urgent = _is_urgent()
            g.call = call
            follow(call)
            await trail.begin(call)

    @app.after_request
    async def end(response: ResponseTypes) -> ResponseTypes:
        if request.method in CHANGING and _is_known(response):
            call = g.get("call") or _to_call(system)
            await trail.end(call, response.status_code, await _to_code(response))
        return response

    @app.teardown_request
    async def leave(_error: BaseException | None) -> None:
        if call := g.get("call"):
            trail.end_nowait(call, None, UNANSWERED)

    routes = Blueprint("audit", __name__)

    @routes.get("/audit")
    async def show() -> Response:
        queries.check_names("since", "limit")
        since, limit = queries.whole("since", 0, 0, 2**62), queries.whole("limit", 100, 1, MOST)
        entries = await trail.read(since, limit)
        following = entries[-1].seq if entries else since
        return to_json({"entries": [to_row(entry) for entry in entries], "next": following})

    app.register_blueprint(routes)


@asynccontextmanager
async def told(system: System, subject: str, what: str, *, urgent: bool = False) -> AsyncIterator[None]:
    """Have what is done in the block noted as ``what``, done over this WebSocket to ``subject``."""
    asked = _to_asked(system, f"WS {what}", websocket.path, websocket.remote_addr)
    call = Call(asked, subject, urgent=urgent)
    follow(call)
    try:
        await system.audit.begin(call)
        yield
        system.audit.end_nowait(call, HTTPStatus.OK, None)
    except Exception as error:
        refusal = to_api_error(error) or ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "")
        system.audit.end_nowait(call, refusal.status, refusal.code)
        raise
    finally:
        system.audit.end_nowait(call, None, UNANSWERED)  # where it was cancelled


def to_row(entry: Entry) -> dict[str, Any]:
    """Return an entry as the API shows it."""
    asked, outcome = entry.asked, entry.outcome
    return {
        "seq": entry.seq,
        "at": asked.at,
        "token_id": asked.token_id,
        "address": asked.address,
        "request_id": asked.request_id,
        "method": asked.method,
        "route": asked.route,
        "subject": outcome.subject,
        "operation_id": outcome.operation_id,
        "status": outcome.status,
        "code": outcome.code,
    }


def _is_known(response: ResponseTypes) -> bool:
    """Whether the caller was let in; a token that was known and is good no more is none."""
    return "identity" in g and ("call" in g or response.status_code != HTTPStatus.UNAUTHORIZED)


def _to_call(system: System) -> Call:
    asked = _to_asked(system, request.method, request.path, request.remote_addr)
    values: Iterable[Any] = (request.view_args or {}).values()
    return Call(asked, to_text("/".join(map(str, values))) or None)


def _to_asked(system: System, method: str, path: str, address: str | None) -> Asked:
    return Asked(
        system.audit.clock(), of_request().token_id, address or "", g.request_id, method, to_text(path)
    )


def _is_urgent() -> bool:
    """Whether it makes room on a disk that may be full: a deletion in a volume."""
    return request.method == "DELETE" and "/files" in (request.url_rule.rule if request.url_rule else "")


async def _to_code(response: ResponseTypes) -> str | None:
    """Return the slug of an answer: every error's is in its body."""
    if response.status_code < HTTPStatus.BAD_REQUEST or not isinstance(response, Response):
        return None
    code: str = json.loads(await response.get_data(as_text=False))["code"]
    return code
