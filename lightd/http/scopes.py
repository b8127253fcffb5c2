"""Who may do what: a row for every route, and one for every kind of frame.

1. ``ROUTES`` is the one place that says what a route needs. A route without a row keeps the daemon from
   starting: nothing is open by oversight.
2. What a token lacks the permission for is a 403, whatever it is about. What is not of its containers is
   a 404 that says the same whether it is there or not (``visibility``).
3. A token for some containers gets at nothing that is the node's as a whole, whatever its permissions: it
   could name another's volume, mount or port there.
4. A viewer is sent the kinds of frames that its token may see. What it sends is looked up frame by frame.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import attrs
from quart.routing import QuartRule

from actors.tokens.grant import PERMISSIONS, Grant
from lightd.access.identity import Identity
from lightd.api.errors import ApiError

NOTHING: Final = "nothing"
TOKEN: Final = "any token"  # noqa: S105 - says which, and is none
MASTER: Final = "the master token"


class Subject(Enum):
    """What a route is about. Its path names what is ``needed`` for that, and maybe what is ``besides``."""

    NODE = "the node", (), ()
    REACHED = "what the token reaches", (), ()  # the handler leaves out the rest
    CONTAINER = "the container", ("internal_id",), ()
    VOLUME = "the volume", ("volume_id",), ("operation_id",)
    OPERATION = "the operation", ("operation_id",), ()
    PORT = "the port", ("ip", "port"), ()

    def __init__(self, title: str, needed: tuple[str, ...], besides: tuple[str, ...]) -> None:
        self.title = title
        self.needed = frozenset(needed)
        self.besides = frozenset(besides)

    def fits(self, arguments: Iterable[str]) -> bool:
        """Return true where a path with these ``arguments`` names one of this kind, and nothing unknown."""
        return self.needed <= set(arguments) <= self.needed | self.besides


@attrs.frozen
class Row:
    """What a route needs (a permission, ``NOTHING``, ``TOKEN`` or ``MASTER``), and what it is about."""

    needs: str = attrs.field(validator=attrs.validators.in_((*PERMISSIONS, NOTHING, TOKEN, MASTER)))
    subject: Subject


_CONTAINER, _VOLUME = "/containers/<internal_id>", "/volumes/<volume_id>"

ROUTES: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "GET /api/v1/public/ping": Row(NOTHING, Subject.NODE),
        "GET /docs": Row(NOTHING, Subject.NODE),
        "GET /openapi.json": Row(TOKEN, Subject.REACHED),
        # tokens
        "POST /auth/tokens": Row(MASTER, Subject.NODE),
        "GET /auth/tokens": Row(MASTER, Subject.NODE),
        "DELETE /auth/tokens/<token_id>": Row(MASTER, Subject.NODE),
        # the node
        "GET /remote/config": Row(MASTER, Subject.NODE),
        "POST /remote/config/reload": Row(MASTER, Subject.NODE),
        "GET /remote/status": Row("admin", Subject.NODE),
        "GET /audit": Row(MASTER, Subject.NODE),
        # containers
        "POST /containers": Row("admin", Subject.NODE),
        "GET /containers": Row(TOKEN, Subject.REACHED),
        f"GET {_CONTAINER}": Row(TOKEN, Subject.CONTAINER),
        f"PATCH {_CONTAINER}": Row("admin", Subject.CONTAINER),
        f"DELETE {_CONTAINER}": Row("admin", Subject.CONTAINER),
        f"POST {_CONTAINER}/start": Row("power", Subject.CONTAINER),
        f"POST {_CONTAINER}/stop": Row("power", Subject.CONTAINER),
        f"POST {_CONTAINER}/kill": Row("power", Subject.CONTAINER),
        f"POST {_CONTAINER}/restart": Row("power", Subject.CONTAINER),
        f"POST {_CONTAINER}/revive": Row("admin", Subject.CONTAINER),
        f"POST {_CONTAINER}/reinstall": Row("admin", Subject.CONTAINER),
        f"POST {_CONTAINER}/rebind-network": Row("network", Subject.CONTAINER),
        f"GET {_CONTAINER}/events": Row(TOKEN, Subject.CONTAINER),
        f"GET {_CONTAINER}/logs": Row("console.read", Subject.CONTAINER),
        "GET /operations/<operation_id>": Row(TOKEN, Subject.OPERATION),
        # volumes
        "POST /volumes": Row("admin", Subject.NODE),
        "GET /volumes": Row("files.read", Subject.REACHED),
        f"GET {_VOLUME}": Row("files.read", Subject.VOLUME),
        f"DELETE {_VOLUME}": Row("admin", Subject.VOLUME),
        f"GET {_VOLUME}/quota": Row("files.read", Subject.VOLUME),
        f"POST {_VOLUME}/resize": Row("admin", Subject.VOLUME),
        f"GET {_VOLUME}/files": Row("files.read", Subject.VOLUME),
        f"POST {_VOLUME}/files": Row("files.write", Subject.VOLUME),
        f"DELETE {_VOLUME}/files": Row("files.write", Subject.VOLUME),
        f"POST {_VOLUME}/folders": Row("files.write", Subject.VOLUME),
        f"POST {_VOLUME}/copy": Row("files.write", Subject.VOLUME),
        f"POST {_VOLUME}/rename": Row("files.write", Subject.VOLUME),
        f"POST {_VOLUME}/chmod": Row("files.write", Subject.VOLUME),
        f"GET {_VOLUME}/files/content": Row("files.read", Subject.VOLUME),
        f"PUT {_VOLUME}/files/content": Row("files.write", Subject.VOLUME),
        f"GET {_VOLUME}/files/upload": Row("files.write", Subject.VOLUME),
        f"DELETE {_VOLUME}/files/upload": Row("files.write", Subject.VOLUME),
        f"POST {_VOLUME}/compress": Row("files.write", Subject.VOLUME),
        f"POST {_VOLUME}/decompress": Row("files.write", Subject.VOLUME),
        f"GET {_VOLUME}/operations": Row("files.read", Subject.VOLUME),
        f"GET {_VOLUME}/operations/<operation_id>": Row("files.read", Subject.VOLUME),
        f"DELETE {_VOLUME}/operations/<operation_id>": Row("files.write", Subject.VOLUME),
        # ports
        "POST /network/ports": Row("network", Subject.NODE),
        "POST /network/ports/bulk": Row("network", Subject.NODE),
        "POST /network/ports/bulk-delete": Row("network", Subject.NODE),
        "GET /network/ports": Row("network", Subject.REACHED),
        "GET /network/ports/random": Row("network", Subject.REACHED),
        "GET /network/ports/<ip>/<port>": Row("network", Subject.PORT),
        "PUT /network/ports/<ip>/<port>/use": Row("network", Subject.NODE),
        "DELETE /network/ports/<ip>/<port>": Row("network", Subject.NODE),
        # WebSockets
        "WS /ws/<internal_id>": Row(TOKEN, Subject.CONTAINER),
        "WS /ws": Row(TOKEN, Subject.REACHED),
    }
)

INBOUND: Final[Mapping[str, str]] = MappingProxyType(
    {
        "send_command": "console.write",
        "resize": "console.write",
        "request_logs": "console.read",
        "power": "power",
    }
)
"""What each kind of frame that a viewer sends needs."""

OUTBOUND: Final[Mapping[str, str]] = MappingProxyType(
    {
        "event": TOKEN,
        "daemon_message": TOKEN,
        "error": TOKEN,
        "console": "console.read",
        "gap": "console.read",
        "logs": "console.read",
        "stats": "stats",
    }
)
"""What a viewer needs to be sent each kind of frame."""

Kinds = frozenset[str]

EVERY_KIND: Final[Kinds] = frozenset(OUTBOUND)


class UnlistedRoute(Exception):  # noqa: N818 - names the state
    """A route has no row, or one that doesn't fit it: the daemon doesn't start with it."""


def to_routes(rule: QuartRule) -> list[str]:
    """Return what ``rule`` is in the table: one name for each method that has a handler of its own."""
    if rule.websocket:
        return [f"WS {rule.rule}"]
    methods = {"*"} if rule.methods is None else set(rule.methods)  # None takes whatever is sent
    if "GET" in methods:
        methods.discard("HEAD")
    if rule.provide_automatic_options:
        methods.discard("OPTIONS")
    return [f"{method} {rule.rule}" for method in sorted(methods)]


def check_listed(rules: Iterable[QuartRule], table: Mapping[str, Row] = ROUTES) -> None:
    """Raise ``UnlistedRoute`` unless every route has a row that fits it."""
    for rule in rules:
        for route in to_routes(rule):
            if route not in table:
                raise UnlistedRoute(f"{route} has no row in the table of scopes")
            subject = table[route].subject
            # What the node as a whole is needed for may name anything: no containers are enough for it.
            if subject is not Subject.NODE and not subject.fits(rule.arguments):
                raise UnlistedRoute(f"{route} names something else than {subject.title}")


def route_of(rule: QuartRule, method: str) -> str | None:
    """Return the name of what a request asks for, None where the framework itself answers."""
    if method == "OPTIONS" and rule.provide_automatic_options:
        return None
    if rule.websocket:
        return f"WS {rule.rule}"
    if method == "HEAD" and rule.methods is not None and "GET" in rule.methods:
        method = "GET"
    return f"{method} {rule.rule}"


def check_allows(grant: Grant, needs: str) -> None:
    """Raise a 403 that names the permission where ``grant`` lacks what is needed."""
    if needs in PERMISSIONS and not grant.allows(needs):
        raise _denied(f"this token lacks the permission {needs}")


def check_row(row: Row, identity: Identity) -> None:
    """Raise a 403 unless ``identity`` may do what ``row`` stands for at all, to what it reaches."""
    if row.needs == MASTER and not identity.is_master:
        raise ApiError(HTTPStatus.FORBIDDEN, "master_token_required", "only the master token may do this")
    check_allows(identity.grant, row.needs)
    if row.subject is Subject.NODE and row.needs != NOTHING and identity.grant.containers is not None:
        raise _denied("this is about the node, and the token is for some containers")


def kinds_for(grant: Grant) -> Kinds:
    """Return the kinds of frames that a viewer with ``grant`` is sent."""
    return frozenset(kind for kind, needs in OUTBOUND.items() if needs == TOKEN or grant.allows(needs))


def _denied(message: str) -> ApiError:
    return ApiError(HTTPStatus.FORBIDDEN, "permission_denied", message)
