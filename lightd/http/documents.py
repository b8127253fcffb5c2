"""The routes that tell what the API is: the document for programs, and its page for people."""

import trio
from quart import Blueprint, Response
from quart_trio import QuartTrio

from lightd.http import queries
from lightd.http.openapi.page import to_page, to_text
from lightd.http.wire import from_text

PAGE = "/docs"


def install(app: QuartTrio) -> None:
    """Add these routes to ``app``. The page is open to all, as a browser can't send what the others need."""
    routes = Blueprint("documents", __name__)

    @routes.get("/openapi.json")
    async def document() -> Response:
        queries.check_names()
        return from_text(await trio.to_thread.run_sync(to_text))

    @routes.get(PAGE)
    async def page() -> Response:
        found = await trio.to_thread.run_sync(to_page)
        response = Response(found.html, 200, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = found.policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    app.register_blueprint(routes)
