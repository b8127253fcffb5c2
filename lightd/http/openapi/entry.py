"""What one route is to a client: an entry of the document. Pure values; ``document`` puts them together."""

from typing import Any

import attrs

from lightd.http.openapi.schemas import Schema


@attrs.frozen
class Body:
    """A body in JSON, read as ``cls``; ``schema`` stands for it where it can't be made from the class.

    ``nulls`` are the fields that may be null, all that their types allow where it is None.
    """

    cls: type[Any]
    required: bool = True
    nulls: frozenset[str] | None = None
    schema: Schema | None = None


@attrs.frozen
class Answer:
    """An answer other than a JSON of status 200: bytes, a page, nothing."""

    status: int
    means: str
    media: str | None = None
    schema: Schema = attrs.field(factory=dict)
    headers: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Entry:
    """One route. ``path`` is as OpenAPI writes it, ``name`` the operation's, ``faults`` the codes of its errors.

    ``curl`` is a line that works where it stands: ``call``, ``$url`` and the variables that ``before`` sets.
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
    """Routes that belong together, in an order in which they can be tried."""

    name: str
    text: str
    entries: tuple[Entry, ...]
