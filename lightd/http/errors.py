"""Every error of a route in one shape, and the one table from an exception to its status.

What is answered before a request reaches a route has the same shape (``refusal``).

``{"error": "<one sentence for a person>", "code": "<stable_slug>"}``. A 500 carries the ``request_id`` that
the log line has, and nothing of the inside.
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
from lightd.api.errors import NONE, RETRY_AFTER, ApiError
from lightd.files import errors as files

logger = logging.getLogger(__name__)

_REJECTIONS = MappingProxyType(
    {
        "already_exists": HTTPStatus.CONFLICT,
        "not_found": HTTPStatus.NOT_FOUND,
        "installing": HTTPStatus.CONFLICT,
        "changing": HTTPStatus.CONFLICT,
        "install_failed": HTTPStatus.CONFLICT,
        "deleting": HTTPStatus.CONFLICT,
        "no_free_user": HTTPStatus.CONFLICT,
        "port_exists": HTTPStatus.CONFLICT,
        "port_not_found": HTTPStatus.NOT_FOUND,
        "port_in_use": HTTPStatus.CONFLICT,
        "token_not_found": HTTPStatus.NOT_FOUND,
        "token_spent": HTTPStatus.CONFLICT,
        "too_many_tokens": HTTPStatus.CONFLICT,
        "volume_in_use": HTTPStatus.CONFLICT,
        "volume_not_found": HTTPStatus.NOT_FOUND,
    }
)

_FILES: Mapping[type[files.FileRefused], HTTPStatus] = MappingProxyType(
    {
        files.InvalidPath: HTTPStatus.BAD_REQUEST,
        files.InvalidCursor: HTTPStatus.BAD_REQUEST,
        files.InvalidMode: HTTPStatus.BAD_REQUEST,
        files.InvalidArchive: HTTPStatus.BAD_REQUEST,
        files.NotFound: HTTPStatus.NOT_FOUND,
        files.Busy: HTTPStatus.TOO_MANY_REQUESTS,
        files.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
        files.NoSpace: HTTPStatus.INSUFFICIENT_STORAGE,
    }
)


def to_api_error(error: Exception) -> ApiError | None:
    """Return the answer that ``error`` stands for; None where it is a bug."""
    match error:
        case ApiError():
            return error
        case Rejection():
            return ApiError(_REJECTIONS[error.code], error.code, error.message)
        case files.FileRefused():
            status = _FILES.get(type(error), HTTPStatus.CONFLICT)
            return ApiError(
                status, error.code, str(error), RETRY_AFTER if isinstance(error, files.Busy) else NONE
            )
        case EngineUnavailable():
            return engine_unavailable()
        case JournalUnavailable():
            message = "nothing can be recorded now, so nothing was done: the disk is full or broken"
            return ApiError(HTTPStatus.INSUFFICIENT_STORAGE, "journal_unavailable", message, RETRY_AFTER)
        case Overloaded():
            return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", str(error), RETRY_AFTER)
        case ActorGone(quarantined=True):
            message = "this container is in quarantine after repeated crashes of its actor; it can be revived"
            return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "quarantined", message, RETRY_AFTER)
        case InputClosed() | InputFull():
            return ApiError(HTTPStatus.CONFLICT, "input_refused", str(error))
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return ApiError(HTTPStatus.INSUFFICIENT_STORAGE, "no_space", "the disk is full")
        case _:
            return None


def engine_unavailable() -> ApiError:
    """Return the error for what needs the container engine while it does not answer."""
    message = "the container engine does not answer"
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "engine_unavailable", message, RETRY_AFTER)


@attrs.frozen
class _Framework:
    code: str
    message: str


_FRAMEWORK = MappingProxyType(
    {
        400: _Framework("bad_request", "the request could not be read"),
        404: _Framework("route_not_found", "no such route"),
        405: _Framework("method_not_allowed", "this route does not take that method"),
        408: _Framework("request_timeout", "the body did not arrive in time"),
        413: _Framework("body_too_large", "the body is larger than this route takes"),
    }
)


_MISMATCH = _Framework("websocket_mismatch", "this route is for WebSockets alone, or for none")


def to_response(error: ApiError) -> Response:
    """Return the response that says ``error``."""
    body = json.dumps({"error": error.message, "code": error.code, **_extra(error)})
    response = Response(body, error.status, dict(error.headers), content_type="application/json")
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _extra(error: ApiError) -> dict[str, str]:
    return {"request_id": g.request_id} if error.status == HTTPStatus.INTERNAL_SERVER_ERROR else {}


async def _on_http_exception(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    known = _FRAMEWORK.get(status, _Framework("refused", HTTPStatus(status).phrase.lower()))
    if isinstance(error, WebsocketMismatch):
        known = _MISMATCH
    response = to_response(ApiError(status, known.code, known.message))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


async def _on_exception(error: Exception) -> Response:
    known = to_api_error(error)
    if known is not None:
        return to_response(known)
    logger.error("request failed", exc_info=error, extra={"request_id": g.request_id})
    message = "something went wrong inside of lightd"
    return to_response(ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", message))


def install(app: QuartTrio) -> None:
    """Have every error of ``app`` answered in the API's shape."""
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_exception)
