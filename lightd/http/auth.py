"""Who may come in: the token first, then the vendor's media type. Only ``ping`` and ``/docs`` are open."""

import hmac
import re
from collections.abc import Iterable
from http import HTTPStatus

import attrs

from lightd.http.errors import ApiError

MEDIA_TYPE = "application/vnd.pkglatv1+json"
SUBPROTOCOL = "lightd."
_BEARER = re.compile(r"(?i:bearer) +(\S+)")


@attrs.frozen
class Gate:
    """Checks credentials against the master token; lets everybody in where ``enabled`` is false."""

    enabled: bool
    token: str = attrs.field(repr=False)

    def check_token(self, candidates: Iterable[str]) -> None:
        """Raise a 401 unless one of ``candidates`` is a valid token."""
        if not self.enabled:
            return
        expected = self.token.encode()
        # Each is compared in whole and in constant time; no early end tells how far a guess got.
        matches = [hmac.compare_digest(candidate.encode(), expected) for candidate in candidates]
        if not any(matches):
            raise ApiError(HTTPStatus.UNAUTHORIZED, "unauthorized", "a valid token is needed")


def to_bearer(authorization: str | None) -> list[str]:
    """Return the token of an ``Authorization`` header, in a list of at most one."""
    found = _BEARER.fullmatch(authorization.strip()) if authorization else None
    return [found[1]] if found else []


def to_offered(subprotocols: Iterable[str]) -> list[str]:
    """Return the tokens among the sub-protocols that a WebSocket client offers."""
    return [name.removeprefix(SUBPROTOCOL) for name in subprotocols if name.startswith(SUBPROTOCOL)]


def check_media_type(accept: str) -> None:
    """Raise a 403 unless ``accept``, a header of RFC 9110 section 12.5.1, lists the vendor's media type."""
    if accept.lower() == MEDIA_TYPE:
        return
    offered = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    if MEDIA_TYPE not in offered:
        message = "the Accept header must be Application/vnd.pkglatv1+json"
        raise ApiError(HTTPStatus.FORBIDDEN, "vendor_header_required", message)
