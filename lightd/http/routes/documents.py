"""The routes of the OpenAPI and AsyncAPI documents: as JSON for programs, and as an HTML page for people.

Each is made and compressed once. All responses share that memory. The page is open to everybody, as a browser
can't send the headers that the other routes need.
"""

from collections.abc import Callable

import trio
from quart import Response, request

from lightd.access import scopes
from lightd.http.coding import takes_gzip
from lightd.http.openapi.page import to_async_body, to_body, to_packed, to_page
from lightd.http.openapi.schemas import TEXT, described
from lightd.http.route import Answer, Route, Sections
from lightd.system import System


async def _to_response(body: bytes, content_type: str) -> Response:
    packs = takes_gzip(request.headers.get("Accept-Encoding", ""))
    if packs:
        body = await trio.to_thread.run_sync(to_packed, body)
    response = Response(body, 200, content_type=content_type)
    response.headers["Vary"] = "Accept-Encoding"
    if packs:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _to_route(
    title: str, version: str, to_document: Callable[[], bytes], *, name: str, summary: str, text: str = ""
) -> Route:
    """Return the route of a document in the format ``title``; ``version`` is that of the format."""
    key = title.partition(" ")[0].lower()

    async def show(_: System) -> Response:
        return await _to_response(await trio.to_thread.run_sync(to_document), "application/json")

    return Route(
        method="GET",
        path=f"/{key}.json",
        permission=scopes.TOKEN,
        subject=scopes.Visible,
        handler=show,
        name=name,
        summary=summary,
        text=text,
        curl=f"call $url/{key}.json",
        answer={
            "type": "object",
            "description": f"The {title} document.",
            "examples": [{key: version, "info": {"title": "lightd"}}],
        },
    )


def to_routes(get_sections: Callable[[], Sections]) -> tuple[Route, ...]:
    """Return these routes; the document describes the routes of the sections that ``get_sections`` returns."""

    async def page(_: System) -> Response:
        found = await trio.to_thread.run_sync(to_page, get_sections())
        response = await _to_response(found.body, "text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = found.policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return (
        _to_route(
            "OpenAPI 3.1",
            "3.1.0",
            lambda: to_body(get_sections()),
            name="show_document",
            summary="This document as JSON",
            text="Its server address is relative: it is the address that the document was fetched from.",
        ),
        _to_route(
            "AsyncAPI 3",
            "3.0.0",
            to_async_body,
            name="show_frames",
            summary="The frames of the WebSockets as an AsyncAPI document",
        ),
        Route(
            method="GET",
            path="/docs",
            permission=scopes.NOTHING,
            subject=scopes.Node,
            handler=page,
            name="show_page",
            summary="This document as an HTML page",
            text="A single page that loads no other resources.",
            curl="curl -sS $url/docs",
            others=(
                Answer(200, "The page.", "text/html", described(TEXT, "HTML", example="<!doctype html>…")),
            ),
        ),
    )
