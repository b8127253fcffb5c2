"""A refusal of the API as an exception: a status, a stable code and a sentence.

What the actors and the files refuse is mapped to one by ``lightd.http.errors``.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

NONE: Mapping[str, str] = MappingProxyType({})
RETRY_AFTER = MappingProxyType({"Retry-After": "5"})


class ApiError(Exception):
    """An answer other than success: its status, its slug, its sentence, and headers of its own."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] = NONE) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def bad_request(message: str, code: str = "invalid_request") -> ApiError:
    """Return the error for input that is wrong; ``message`` names the field."""
    return ApiError(HTTPStatus.BAD_REQUEST, code, message)


def not_found(what: str) -> ApiError:
    """Return the error for something that isn't there, or is none of the caller's business."""
    return ApiError(HTTPStatus.NOT_FOUND, f"{what}_not_found", f"no such {what}")
