"""The entry of one route in the document. Values only; ``document`` builds the document from them."""

from typing import Any

import attrs

from lightd.http.openapi.schemas import Schema


@attrs.frozen
class Body:
    """A JSON body that is read as ``cls``; ``schema`` replaces the one that is derived from the class.

    ``nulls`` are the fields that can be null; None means every field whose type allows it.
    """

    cls: type[Any]
    required: bool = True
    nulls: frozenset[str] | None = None
    schema: Schema | None = None


@attrs.frozen
class Answer:
    """A response other than JSON with status 200: bytes, a page, or no body."""

    status: int
    means: str
    media: str | None = None
    schema: Schema = attrs.field(factory=dict)
    headers: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Entry:
    """One route. ``path`` is in OpenAPI's notation, ``name`` the operation id, ``faults`` its error codes.

    ``curl`` is a working shell line that uses ``call``, ``$url`` and the variables that ``before`` sets.
    """

    method: str
    path: str
    name: str
    summary: str
    curl: str
    text: str = ""
    before: str = ""
    parameters: tuple[str, ...] = ()
    body: Body | None = None
    raw_body: bool = False
    answer: Schema | None = None
    status: int = 200
    others: tuple[Answer, ...] = ()
    faults: tuple[str, ...] = ()
    open_to_all: bool = False


@attrs.frozen
class Section:
    """A group of routes, in an order in which their shell lines work."""

    name: str
    text: str
    entries: tuple[Entry, ...]
