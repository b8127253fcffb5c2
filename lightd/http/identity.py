"""The request, or the WebSocket, that is being handled, and the identity of its client.

Quart's own names for them (``request``, ``g``) are proxies, which look the object up at every use.
"""

from typing import Any, cast

from quart import g, request

from lightd.access.identity import Identity
from lightd.http.transport import quart_adapter


def of_request() -> Identity:
    """Return who makes this request, or opens this WebSocket."""
    identity: Identity = to_context().identity
    return identity


def to_request() -> quart_adapter.Request:
    """Return the request itself."""
    found: quart_adapter.Request = cast(Any, request)._get_current_object()  # noqa: SLF001 - documented by Werkzeug
    return found


def to_context() -> Any:  # noqa: ANN401 - it has the attributes that are set
    """Return what ``g`` stands for."""
    return cast(Any, g)._get_current_object()  # noqa: SLF001 - as above
