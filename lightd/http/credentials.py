"""Where a request or a handshake carries its token, and the media type that every request needs."""

import re
from collections.abc import Iterable, Sequence

from lightd.api.errors import ApiError

MEDIA_TYPE = "application/vnd.pkglatv1+json"
SUBPROTOCOL = "lightd."
_BEARER = re.compile(r"(?i:bearer) +(\S+)")


def to_candidates(in_query: Sequence[str], in_header: Sequence[str], offered: Sequence[str]) -> list[str]:
    """Return the tokens of a handshake, at most one from each place, so that it is not one try for many."""
    return [token for token in (*in_query[:1], *in_header[:1], *offered[:1]) if token]


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
        raise ApiError("vendor_header_required", "the Accept header must be Application/vnd.pkglatv1+json")
