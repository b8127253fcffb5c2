"""Maps every error that a route can raise to an HTTP response, in one place and in one shape.

``{"error": "<one sentence for a person>", "code": "<stable_slug>"}``. Errors of access, api, files, actors
and engines know no HTTP; the status of a code is in ``error_codes``. A 500 has the ``request_id`` of the log
line and no details. Errors before a request reaches a route have the same shape (``transport.refusal``).
"""

import errno
import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import attrs
from quart import Response, g, json
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import WebsocketMismatch

from actors.container.console.console import InputClosed, InputFull
from actors.container.engine import EngineUnavailable
from actors.kernel.decider import Rejection
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded
from lightd.access.errors import AccessError, LimitExceeded
from lightd.api.errors import ApiError
from lightd.eggs.errors import EggError
from lightd.files.errors import FileRefused
from lightd.http.error_codes import SERVER_CODES, STATUSES

logger = logging.getLogger(__name__)

RETRY_AFTER = 5
"""Seconds after which a client may try again what failed with one of ``TRANSIENT``."""

TRANSIENT = frozenset(
    {"engine_unavailable", "journal_unavailable", "overloaded", "quarantined", "volume_busy"}
)

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class HttpError(ApiError):
    """An error whose response needs headers of its own."""

    def __init__(self, code: str, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(code, message)
        self.headers = headers


@attrs.frozen
class Answer:
    """The response to an error."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = NO_HEADERS


def to_answer(error: Exception) -> Answer | None:
    """Return the response to ``error``; None if it is a bug."""
    match error:
        case HttpError():
            return Answer(STATUSES[error.code], error.code, error.message, error.headers)
        case LimitExceeded():
            return _of_code(error.code, error.message, error.retry_after)
        case ApiError() | AccessError() | Rejection():
            return _of_code(error.code, error.message)
        case EggError():
            return _of_code("invalid_egg", str(error))
        case FileRefused():
            return _of_code(error.code, str(error))
        case EngineUnavailable():
            return _of_code("engine_unavailable", ENGINE_UNAVAILABLE)
        case JournalUnavailable():
            message = (
                "the journal cannot be written (the disk is full or broken), so nothing was done: free disk"
                " space, then try again"
            )
            return _of_code("journal_unavailable", message)
        case Overloaded():
            return _of_code("overloaded", str(error))
        case ActorGone(quarantined=True):
            message = (
                "this container is in quarantine after repeated crashes of its actor; to revive it:"
                " POST /containers/:id/revive"
            )
            return _of_code("quarantined", message)
        case InputClosed() | InputFull():
            return _of_code("input_refused", str(error))
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return _of_code("no_space", "the disk is full")
        case _:
            return None


def _of_code(code: str, message: str, retry_after: int | None = None) -> Answer:
    seconds = RETRY_AFTER if retry_after is None and code in TRANSIENT else retry_after
    headers = NO_HEADERS if seconds is None else {"Retry-After": str(seconds)}
    return Answer(STATUSES[code], code, message, headers)


ENGINE_UNAVAILABLE = "the container engine does not answer"


def engine_unavailable() -> ApiError:
    """Return the error for what needs the container engine while it does not answer."""
    return ApiError("engine_unavailable", ENGINE_UNAVAILABLE)


_FRAMEWORK = MappingProxyType(
    {
        "bad_request": "the request could not be read",
        "route_not_found": "no such route",
        "method_not_allowed": "this route does not take that method",
        "request_timeout": "the body did not arrive in time",
        "body_too_large": "the body is larger than this route takes",
    }
)
"""The sentences for errors that Quart and Werkzeug raise, by their codes."""

_BY_STATUS = MappingProxyType({SERVER_CODES[code].status: code for code in _FRAMEWORK})


def to_response(answer: Answer) -> Response:
    """Return the response that says ``answer``."""
    body = json.dumps({"error": answer.message, "code": answer.code, **_extra(answer)})
    response = Response(body, answer.status, dict(answer.headers), content_type="application/json")
    if answer.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _extra(answer: Answer) -> dict[str, str]:
    return {"request_id": g.request_id} if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR else {}


def _to_framework_answer(error: HTTPException) -> Answer:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, WebsocketMismatch):
        message = "this route takes WebSockets only, or the request is a WebSocket and the route takes none"
        return Answer(status, "websocket_mismatch", message)
    code = _BY_STATUS.get(status)
    if code is None:
        return Answer(status, "refused", HTTPStatus(status).phrase.lower())
    return Answer(status, code, _FRAMEWORK[code])


async def _on_http_exception(error: HTTPException) -> Response:
    response = to_response(_to_framework_answer(error))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


async def _on_exception(error: Exception) -> Response:
    known = to_answer(error)
    if known is not None:
        return to_response(known)
    logger.error("request failed", exc_info=error, extra={"request_id": g.request_id})
    message = "an internal error of lightd: please report it with the log line of this request"
    return to_response(Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", message))


def install(app: QuartTrio) -> None:
    """Answer every error of ``app`` in the API's shape."""
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_exception)
