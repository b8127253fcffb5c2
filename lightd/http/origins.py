"""Which web pages may use the API from a browser: open a WebSocket, or read a response (CORS).

1. A client without ``Origin`` is not a browser: it only needs a token.
2. A WebSocket can be opened by pages of the node itself (also over TLS that a proxy terminates: the same host
   with ``https``), of the panel, and of ``server.allowed_origins``.
   Otherwise any page could open one with the credentials of its visitor.
3. Responses are only shared with pages of ``server.allowed_origins``, and never with cookies, of which
   there are none. If the list is empty, no response has CORS headers.
4. A preflight of such a page is answered before the token is checked, as it never has one.
5. Without authorization no token keeps a foreign page out. Then every request is checked by rule 2, and its
   ``Host`` must name this machine: a loopback address, ``localhost``, or the value of ``server.host``.
"""

from http import HTTPStatus

import attrs
from quart import Response, request, websocket
from quart.typing import ResponseTypes
from werkzeug.datastructures import Headers

from lightd.api.errors import ApiError
from lightd.config.rules import EVERY_ORIGIN, is_loopback, to_origin
from lightd.config.sections import Configuration

SCHEMES = {"ws": "http", "wss": "https"}
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
SENT = (
    "Authorization, Accept, Content-Type, X-Request-Id, Range, If-Range, If-Match, If-None-Match, "
    "If-Modified-Since, If-Unmodified-Since"
)
SHOWN = "X-Request-Id, ETag, Accept-Ranges, Content-Range, Content-Disposition, Retry-After"
REMEMBERED = "600"  # seconds that a browser may cache a preflight


@attrs.frozen
class Origins:
    """The allowed origins: those ``listed`` in the configuration, and the one of ``panel``, a URL."""

    listed: tuple[str, ...]
    panel: str = ""

    @property
    def lists_all(self) -> bool:
        """Whether answers are shared with every page."""
        return EVERY_ORIGIN in self.listed

    def lists(self, origin: str) -> bool:
        """Whether answers are shared with pages of ``origin``."""
        return self.lists_all or to_origin(origin) in self.listed

    def admits(self, origin: str, own: str) -> bool:
        """Whether pages of ``origin`` may open a WebSocket at ``own``, the node as the client calls it."""
        if self.lists(origin):
            return True
        found = to_origin(origin)
        return found is not None and found in (to_origin(own), _behind_tls(own), _to_origin_of(self.panel))


def _behind_tls(own: str) -> str | None:
    """Return the origin of the node's pages where a proxy terminates TLS in front of it; None with TLS."""
    scheme, _, host = own.partition("://")
    return to_origin(f"https://{host}") if scheme == "http" else None


def _to_origin_of(url: str) -> str | None:
    return to_origin("/".join(url.split("/", 3)[:3]))


def of(config: Configuration) -> Origins:
    """Return the origins that ``config`` allows."""
    return Origins(config.server.allowed_origins, config.remote.url)


def check_websocket(config: Configuration) -> None:
    """Raise a 403 if the page that opens this WebSocket is not allowed to."""
    _check(config, websocket.headers, SCHEMES.get(websocket.scheme, websocket.scheme))


def check_request(config: Configuration) -> None:
    """Raise a 403 if authorization is off and the origin of this request is not allowed."""
    if not config.authorization.enabled:
        _check(config, request.headers, request.scheme)


def check_host(config: Configuration, headers: Headers) -> None:
    """Raise a 403 if authorization is off and ``Host`` is not a name of this machine."""
    if config.authorization.enabled:
        return
    own = config.server.host.lower()
    for host in headers.getlist("Host"):
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if not is_loopback(name) and name.lower() != own:
            message = "without authorization the Host header must name this machine, such as localhost"
            raise ApiError("host_not_allowed", message)


def _check(config: Configuration, headers: Headers, scheme: str) -> None:
    named = headers.getlist("Origin")
    if named and not of(config).admits(",".join(named), f"{scheme}://{headers.get('Host', '')}"):
        message = (
            "web pages of this origin cannot use the API; an operator can add it to server.allowed_origins"
        )
        raise ApiError("origin_not_allowed", message)


def to_preflight(config: Configuration) -> Response | None:
    """Return the response to a preflight of a listed origin; None for any other request."""
    origin, method = request.headers.get("Origin"), request.headers.get("Access-Control-Request-Method")
    if request.method != "OPTIONS" or origin is None or method is None or not of(config).lists(origin):
        return None
    response = Response(b"", HTTPStatus.NO_CONTENT)
    response.headers["Access-Control-Allow-Methods"] = METHODS
    response.headers["Access-Control-Allow-Headers"] = SENT
    response.headers["Access-Control-Max-Age"] = REMEMBERED
    return response


def share(config: Configuration, response: ResponseTypes) -> None:
    """Add the CORS headers to ``response`` if the origin of the request is listed."""
    if not config.server.allowed_origins:
        return
    response.headers.add("Vary", "Origin")
    origin, origins = request.headers.get("Origin"), of(config)
    if origin is not None and origins.lists(origin):
        response.headers["Access-Control-Allow-Origin"] = EVERY_ORIGIN if origins.lists_all else origin
        response.headers["Access-Control-Expose-Headers"] = SHOWN
