"""Lists: whole, or in pages if the query has ``limit`` or ``after``; and the filters of containers.

A page is in the order of the rows' cursors, not in the order of the whole list: a row that is created or
deleted between two pages neither repeats nor hides another one. ``next`` is the cursor of the last row of a
page, null after the last page.
"""

import heapq
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import trio
from quart import Response, request

from actors.container.fleet import Member
from lightd.api import bodies
from lightd.api.errors import bad_request
from lightd.http import queries
from lightd.http.openapi.schemas import TEXT, described, many, record
from lightd.http.wire import to_list
from lightd.validation.schema import Schema, nullable

T = TypeVar("T")

PAGE: Final = ("page_limit", "after")
"""The parameters of every list."""
FILTERS: Final = ("label", "state")
"""Those of lists of containers."""
MOST: Final = 1000
USUAL: Final = 100
LONGEST: Final = 200
AT_ONCE: Final = 2000
"""Rows that are put in order on the event loop; more in a thread."""


async def to_listing(
    name: str, rows: Sequence[T], to_row: Callable[[T], Any], to_cursor: Callable[[T], str]
) -> Response:
    """Return the response with all ``rows``, or with the page of them that the query asks for."""
    shown, rest = await to_page(rows, to_cursor)
    return await to_list(name, map(to_row, shown), **rest)


async def to_page(
    rows: Sequence[T], to_cursor: Callable[[T], str]
) -> tuple[Sequence[T], dict[str, str | None]]:
    """Return all ``rows``, or the page that the query asks for and its ``next``; raises a 400."""
    after = request.args.get("after")
    if after is None and "limit" not in request.args:
        return rows, {}
    if after is not None and len(after) > LONGEST:
        raise bad_request("after: must be the `next` of the page before")
    limit = queries.whole("limit", USUAL, 1, MOST)
    cut = partial(_cut, rows, to_cursor, after or "", limit + 1)
    found = cut() if len(rows) <= AT_ONCE else await trio.to_thread.run_sync(cut)
    shown = found[:limit]
    return shown, {"next": to_cursor(shown[-1]) if len(found) > limit else None}


def _cut(rows: Sequence[T], to_cursor: Callable[[T], str], after: str, count: int) -> list[T]:
    return heapq.nsmallest(count, (row for row in rows if to_cursor(row) > after), key=to_cursor)


def to_answer(name: str, row: Schema) -> Schema:
    """Return the schema of a list."""
    following = described(
        nullable(TEXT),
        "`after` of the next page, null after the last one; only if the query has `limit` or `after`",
        example="server-001",
    )
    return record({name: described(many(row), f"the {name}")}, {"next": following})


def to_filter() -> Callable[[Member], bool]:
    """Return whether a container has all labels and one of the states of the query; raises a 400."""
    given = [queries.by_rule("label", bodies.LABEL, text) for text in request.args.getlist("label")]
    states = frozenset(
        queries.by_rule("state", bodies.POWER_STATE, text) for text in request.args.getlist("state")
    )
    parts = [label.partition("=") for label in given]
    labels = [(name, value if equals else None) for name, equals, value in parts]

    def matches(member: Member) -> bool:
        if states and member.state.power_state not in states:
            return False
        spec = member.state.spec
        has = {} if spec is None else dict(spec.labels)
        return all(name in has and value in (None, has[name]) for name, value in labels)

    return matches
