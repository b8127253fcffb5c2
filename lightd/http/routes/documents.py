"""The routes that tell what the API is: the document for programs, and its page for people.

Each is made and compressed once, and sent from there to all who ask, without a copy for any of them.
"""

import trio
from quart import Blueprint, Response, request
from quart_trio import QuartTrio

from lightd.http import queries
from lightd.http.openapi.page import to_body, to_packed, to_page

PAGE = "/docs"
MOST_CODINGS = 20
"""So many codings that a client may accept are looked at."""


def install(app: QuartTrio) -> None:
    """Add these routes to ``app``. The page is open to all, as a browser can't send what the others need."""
    routes = Blueprint("documents", __name__)

    @routes.get("/openapi.json")
    async def document() -> Response:
        queries.check_names()
        return await _to_response(await trio.to_thread.run_sync(to_body), "application/json")

    @routes.get(PAGE)
    async def page() -> Response:
        found = await trio.to_thread.run_sync(to_page)
        response = await _to_response(found.body, "text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = found.policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    app.register_blueprint(routes)


async def _to_response(body: bytes, content_type: str) -> Response:
    packs = takes_gzip(request.headers.get("Accept-Encoding", ""))
    if packs:
        body = await trio.to_thread.run_sync(to_packed, body)
    response = Response(body, 200, content_type=content_type)
    response.headers["Vary"] = "Accept-Encoding"
    if packs:
        response.headers["Content-Encoding"] = "gzip"
    return response


def takes_gzip(accepted: str) -> bool:
    """Whether a client that sent ``accepted`` (RFC 9110, 12.5.3) says that it can read gzip."""
    for coding in accepted.lower().split(",", MOST_CODINGS)[:MOST_CODINGS]:
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False
