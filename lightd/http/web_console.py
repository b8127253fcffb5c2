"""The web console: its page, at ``/`` and at every path below ``/ui/``, and the files that the page loads.

``ui/build.mjs`` makes the files, compresses them and names them by their contents, so clients may keep them
for ever. A wheel contains them; where they are missing, the page says how to make them. The page names its
files relative to its own path, so it works below any path that a proxy adds. It needs no token and reveals
nothing about the node.
"""

import gzip
import json
import secrets
from functools import partial
from html import escape
from importlib import resources
from pathlib import Path
from typing import Final

import attrs
import trio
from quart import Response
from werkzeug.exceptions import NotFound

from lightd.http.coding import takes_gzip
from lightd.http.transport import quart_adapter

FOLDER: Final = Path(__file__).parent.parent / "ui"
ASSETS: Final = "/ui/assets/"
FOR_EVER: Final = "public, max-age=31536000, immutable"
TYPES: Final = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}

_PAGE: Final = resources.files(__package__).joinpath("web_console.html").read_text("utf-8")
_MISSING: Final = resources.files(__package__).joinpath("web_console_missing.html").read_text("utf-8")


@attrs.frozen
class Built:
    """The files of the console, compressed, by their names; and those that the page loads first."""

    script: str
    style: str
    files: dict[str, bytes]


@attrs.define(eq=False)
class WebConsole:
    """Answers the requests for the page and for its files, which are read once."""

    _folder: Path = attrs.field(factory=lambda: FOLDER)
    _built: Built | None = None
    _plain: dict[str, bytes] = attrs.field(factory=dict)
    """Files that somebody has asked for without compression: all responses share them, as the others."""

    async def answer(self, request: quart_adapter.Request) -> Response | None:
        """Return the response to a request for the console; None if the request is for something else.

        Raises a 404 for a file that does not exist.
        """
        path = request.path
        if request.method not in {"GET", "HEAD"} or not (path in {"/", "/ui"} or path.startswith("/ui/")):
            return None
        if self._built is None:
            self._built = await trio.to_thread.run_sync(read, self._folder)
        if path.startswith(ASSETS):
            return await self._to_file(request, path.removeprefix(ASSETS))
        return _to_page(self._built, request.scope["raw_path"].partition(b"?")[0].count(b"/"))

    async def _to_file(self, request: quart_adapter.Request, name: str) -> Response:
        body = None if self._built is None else self._built.files.get(name)
        if body is None:
            raise NotFound
        etag = f'"{name}"'
        headers = {"Cache-Control": FOR_EVER, "ETag": etag, "Vary": "Accept-Encoding"}
        if etag in request.headers.get("If-None-Match", ""):
            return Response(b"", 304, headers)
        if takes_gzip(request.headers.get("Accept-Encoding", "")):
            headers["Content-Encoding"] = "gzip"
        else:
            if name not in self._plain:
                plain = await trio.to_thread.run_sync(gzip.decompress, body)
                self._plain.setdefault(name, plain)
            body = self._plain[name]
        return Response(body, 200, headers, content_type=TYPES[name.rpartition(".")[2]])


def read(folder: Path) -> Built | None:
    """Return the files that ``ui/build.mjs`` has made in ``folder``; None if it has not."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except FileNotFoundError:
        return None
    files = {name: (folder / f"{name}.gz").read_bytes() for name in manifest["files"]}
    return Built(manifest["script"], manifest["style"], files)


def _to_page(built: Built | None, slashes: int) -> Response:
    """Return the page for a path with this number of slashes."""
    up, nonce = "../" * (slashes - 1), secrets.token_urlsafe(16)
    to_link = partial(escape, quote=True)
    if built is None:
        html, status = _MISSING.format(docs=to_link(f"{up}docs")), 503
    else:
        script, style = f"{up}ui/assets/{built.script}", f"{up}ui/assets/{built.style}"
        html = _PAGE.format(
            nonce=nonce, script=to_link(script), style=to_link(style), docs=to_link(f"{up}docs")
        )
        status = 200
    response = Response(html, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return response
