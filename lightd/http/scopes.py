"""What each route needs: a permission, and a subject. The daemon doesn't start with a route without a row."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import attrs
from quart.routing import QuartRule

from lightd.access.scopes import (
    MASTER,
    NOTHING,
    REQUIREMENTS,
    TOKEN,
    Container,
    Node,
    Operation,
    Port,
    Subject,
    Visible,
    Volume,
)
from lightd.api import bodies
from lightd.http import queries


@attrs.frozen
class Row:
    """What a route needs, and what it is about."""

    needs: str = attrs.field(validator=attrs.validators.in_(REQUIREMENTS))
    subject: type[Subject]


_IN_PATH: Final[Mapping[type[Subject], tuple[set[str], set[str]]]] = MappingProxyType(
    {
        Node: (set(), set()),
        Visible: (set(), set()),
        Container: ({"internal_id"}, set()),
        Volume: ({"volume_id"}, {"operation_id"}),
        Operation: ({"operation_id"}, set()),
        Port: ({"ip", "port"}, set()),
    }
)
"""What a path names that is about a subject, and what it may name besides."""


def _fits(subject: type[Subject], arguments: set[str]) -> bool:
    needed, besides = _IN_PATH[subject]
    return needed <= arguments <= needed | besides


def to_subject(kind: type[Subject], arguments: Mapping[str, str]) -> Subject:
    """Return what a request is about; raises a 400 if a part of its path is malformed."""
    if kind is Container:
        return Container(queries.internal_id(arguments["internal_id"]))
    if kind is Volume:
        return Volume(queries.volume_id(arguments["volume_id"]))
    if kind is Operation:
        return Operation(arguments["operation_id"])
    if kind is Port:
        return to_port(arguments["ip"], arguments["port"])
    return Visible() if kind is Visible else Node()


def to_port(ip: str, port: str) -> Port:
    """Return the port that a path and the query's ``protocol`` name; raises a 400."""
    return Port(str(queries.by_rule("ip", bodies.IP, ip)), queries.port(port), queries.protocol())


_CONTAINER, _VOLUME = "/containers/<internal_id>", "/volumes/<volume_id>"

ROUTES: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "GET /api/v1/public/ping": Row(NOTHING, Node),
        "GET /docs": Row(NOTHING, Node),
        "GET /openapi.json": Row(TOKEN, Visible),
        # tokens
        "POST /auth/tokens": Row(MASTER, Node),
        "GET /auth/tokens": Row(MASTER, Node),
        "DELETE /auth/tokens/<token_id>": Row(MASTER, Node),
        # the node
        "GET /remote/config": Row(MASTER, Node),
        "POST /remote/config/reload": Row(MASTER, Node),
        "GET /remote/status": Row("admin", Node),
        "GET /audit": Row(MASTER, Node),
        # containers
        "POST /containers": Row("admin", Node),
        "GET /containers": Row(TOKEN, Visible),
        f"GET {_CONTAINER}": Row(TOKEN, Container),
        f"PATCH {_CONTAINER}": Row("admin", Container),
        f"DELETE {_CONTAINER}": Row("admin", Container),
        f"POST {_CONTAINER}/start": Row("power", Container),
        f"POST {_CONTAINER}/stop": Row("power", Container),
        f"POST {_CONTAINER}/kill": Row("power", Container),
        f"POST {_CONTAINER}/restart": Row("power", Container),
        f"POST {_CONTAINER}/revive": Row("admin", Container),
        f"POST {_CONTAINER}/reinstall": Row("admin", Container),
        f"POST {_CONTAINER}/rebind-network": Row("network", Container),
        f"GET {_CONTAINER}/events": Row(TOKEN, Container),
        f"GET {_CONTAINER}/logs": Row("console.read", Container),
        "GET /operations/<operation_id>": Row(TOKEN, Operation),
        # volumes
        "POST /volumes": Row("admin", Node),
        "GET /volumes": Row("files.read", Visible),
        f"GET {_VOLUME}": Row("files.read", Volume),
        f"DELETE {_VOLUME}": Row("admin", Volume),
        f"GET {_VOLUME}/quota": Row("files.read", Volume),
        f"POST {_VOLUME}/resize": Row("admin", Volume),
        f"GET {_VOLUME}/files": Row("files.read", Volume),
        f"POST {_VOLUME}/files": Row("files.write", Volume),
        f"DELETE {_VOLUME}/files": Row("files.write", Volume),
        f"POST {_VOLUME}/folders": Row("files.write", Volume),
        f"POST {_VOLUME}/copy": Row("files.write", Volume),
        f"POST {_VOLUME}/rename": Row("files.write", Volume),
        f"POST {_VOLUME}/chmod": Row("files.write", Volume),
        f"GET {_VOLUME}/files/content": Row("files.read", Volume),
        f"PUT {_VOLUME}/files/content": Row("files.write", Volume),
        f"GET {_VOLUME}/files/upload": Row("files.write", Volume),
        f"DELETE {_VOLUME}/files/upload": Row("files.write", Volume),
        f"POST {_VOLUME}/compress": Row("files.write", Volume),
        f"POST {_VOLUME}/decompress": Row("files.write", Volume),
        f"GET {_VOLUME}/operations": Row("files.read", Volume),
        f"GET {_VOLUME}/operations/<operation_id>": Row("files.read", Volume),
        f"DELETE {_VOLUME}/operations/<operation_id>": Row("files.write", Volume),
        # ports
        "POST /network/ports": Row("network", Node),
        "POST /network/ports/bulk": Row("network", Node),
        "POST /network/ports/bulk-delete": Row("network", Node),
        "GET /network/ports": Row("network", Visible),
        "GET /network/ports/random": Row("network", Visible),
        "GET /network/ports/<ip>/<port>": Row("network", Port),
        "PUT /network/ports/<ip>/<port>/use": Row("network", Node),
        "DELETE /network/ports/<ip>/<port>": Row("network", Node),
        # WebSockets
        "WS /ws/<internal_id>": Row(TOKEN, Container),
        "WS /ws": Row(TOKEN, Visible),
    }
)


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
            if subject is not Node and not _fits(subject, set(rule.arguments)):
                raise UnlistedRoute(f"{route} names something else than a {subject.__name__}")


def route_of(rule: QuartRule, method: str) -> str | None:
    """Return the name of what a request asks for, None where the framework itself answers."""
    if method == "OPTIONS" and rule.provide_automatic_options:
        return None
    if rule.websocket:
        return f"WS {rule.rule}"
    if method == "HEAD" and rule.methods is not None and "GET" in rule.methods:
        method = "GET"
    return f"{method} {rule.rule}"
