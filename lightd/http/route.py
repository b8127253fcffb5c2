"""A route is one record: registration, authorization, the audit, OpenAPI and its page follow from it."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from werkzeug.routing import BaseConverter

from lightd.access.scopes import (
    NOTHING,
    REQUIREMENTS,
    Container,
    Node,
    Operation,
    Port,
    Subject,
    Visible,
    Volume,
)
from lightd.api import bodies
from lightd.eggs.limits import NO_ID
from lightd.http import queries
from lightd.http.openapi.parameters import PARAMETERS
from lightd.validation.schema import Schema

WEBSOCKET: Final = "WS"
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", WEBSOCKET)

_IN_PATH: Final[Mapping[type[Subject], tuple[set[str], set[str]]]] = MappingProxyType(
    {
        Visible: (set(), set()),
        Container: ({"internal_id"}, {"credential_id"}),
        Volume: ({"volume_id"}, {"operation_id"}),
        Operation: ({"operation_id"}, set()),
        Port: ({"ip", "port"}, set()),
    }
)
"""The parameters in the path of a route about each subject: those it must have, and those it can have."""


class EggId(BaseConverter):
    """The id of an egg in a path: not the name of a route, which would have this one's methods, too."""

    regex = rf"(?!{NO_ID}\Z)[^/]+"
    part_isolating = True


@attrs.frozen(eq=False)
class Body:
    """A JSON body that is read as ``cls``; ``schema`` replaces the one that is derived from the class.

    ``nulls`` are the fields that can be null; None means every field whose type allows it.
    """

    cls: type[Any]
    required: bool = True
    nulls: frozenset[str] | None = None
    schema: Schema | None = None


@attrs.frozen(eq=False)
class Answer:
    """A response other than JSON with status 200: bytes, a page, or no body."""

    status: int
    means: str
    media: str | None = None
    schema: Schema = attrs.field(factory=dict)
    headers: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, eq=False)
class Route:
    """One route. It can't be created without a permission, or with a subject that its path doesn't name.

    ``path`` is in OpenAPI's notation, ``name`` the operation id. ``permission`` is one of ``REQUIREMENTS``,
    and required for ``subject``. ``handler`` takes the system (for a WebSocket: the sessions) and the
    parameters in the path. ``parameters`` are those outside of the path, by their names in ``PARAMETERS``
    (for a WebSocket: in ``SOCKET_PARAMETERS``); any other query parameter is a 400. ``errors`` are codes in
    ``error_codes.CODES``, in addition to those of every route. ``example`` has the values that the example of
    its ``answer`` has instead of those of the schema. ``curl`` is a working shell line that uses
    ``call``, ``$url`` and the variables that ``before`` sets.
    """

    method: str = attrs.field(validator=attrs.validators.in_(METHODS))
    path: str
    permission: str = attrs.field(validator=attrs.validators.in_(REQUIREMENTS))
    subject: type[Subject]
    handler: Callable[..., Awaitable[Any]]
    name: str
    summary: str
    curl: str = ""
    text: str = ""
    before: str = ""
    parameters: tuple[str, ...] = ()
    body: Body | None = None
    raw_body: bool = False
    answer: Schema | None = None
    example: Mapping[str, Any] = MappingProxyType({})
    status: int = 200
    others: tuple[Answer, ...] = ()
    errors: tuple[str, ...] = ()
    any_media_type: bool = False
    """Served whatever the ``Accept`` header is, for clients that can't send the vendor's media type."""
    urgent: bool = False
    """Carried out also while the audit can't be written: it makes room on a disk that may be full, or is what
    an operator sends to a server then."""

    def __attrs_post_init__(self) -> None:
        if self.subject is Node:
            return  # its path can name anything: a token for some containers is refused
        needed, possible = _IN_PATH[self.subject]
        if not needed <= set(self.in_path) <= needed | possible:
            raise ValueError(f"{self.method} {self.path} names something else than a {self.subject.__name__}")

    @property
    def in_path(self) -> tuple[str, ...]:
        """The names of the parameters in the path, in its order."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def in_query(self) -> frozenset[str]:
        """The names of the parameters in the query."""
        if self.method == WEBSOCKET:
            return frozenset(self.parameters)
        found = (PARAMETERS[name] for name in self.parameters)
        return frozenset(each["name"] for each in found if each["in"] == "query")

    @property
    def repeatable(self) -> frozenset[str]:
        """The names of the parameters that the query can have several times."""
        if self.method == WEBSOCKET:
            return frozenset()
        found = (PARAMETERS[name] for name in self.parameters)
        return frozenset(each["name"] for each in found if each["schema"].get("type") == "array")

    @property
    def rule(self) -> str:
        """The path in Quart's notation. ``EggId`` has the ids of eggs."""
        return self.path.replace("{egg_id}", "<egg:egg_id>").replace("{", "<").replace("}", ">")

    @property
    def is_open(self) -> bool:
        """Whether it needs neither a token nor the vendor's media type."""
        return self.permission == NOTHING

    def to_subject(self, arguments: Mapping[str, str]) -> Subject:
        """Return what a request is about; raises a 400 if a part of its path is malformed."""
        if self.subject is Container:
            return Container(queries.internal_id(arguments["internal_id"]))
        if self.subject is Volume:
            return Volume(queries.volume_id(arguments["volume_id"]))
        if self.subject is Operation:
            return Operation(arguments["operation_id"])
        if self.subject is Port:
            return to_port(arguments["ip"], arguments["port"])
        return Visible() if self.subject is Visible else Node()


def to_port(ip: str, port: str) -> Port:
    """Return the port that a path and the query's ``protocol`` name; raises a 400."""
    return Port(str(queries.by_rule("ip", bodies.IP, ip)), queries.port(port), queries.protocol())


def _with_deletions_last(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    return tuple(sorted(routes, key=lambda route: route.method == "DELETE"))


@attrs.frozen(eq=False)
class Section:
    """A group of routes. Their shell lines work in this order; those that delete something come last."""

    name: str
    text: str
    routes: tuple[Route, ...] = attrs.field(converter=_with_deletions_last)


Sections = tuple[Section, ...]
