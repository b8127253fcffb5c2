"""The HTML page of the API: it contains its style, its script and the document, and loads nothing else.

Its Content-Security-Policy allows only that style and that script, by their hashes. The document is embedded as
JSON in which no character can end the script element; the script creates text nodes from it.
"""

import gzip
import hashlib
import json
from base64 import b64encode
from functools import cache
from importlib import resources

import attrs

from lightd.http.openapi import asyncapi
from lightd.http.openapi.document import to_document
from lightd.http.route import Sections


@attrs.frozen
class Page:
    """The page and its Content-Security-Policy."""

    html: str
    policy: str
    body: bytes
    """The HTML in UTF-8; all responses share it."""


@cache
def to_body(sections: Sections) -> bytes:
    """Return the document as JSON in UTF-8; all responses share it."""
    return to_text(sections).encode()


@cache
def to_async_body() -> bytes:
    """Return the AsyncAPI document as JSON in UTF-8; all responses share it."""
    return _to_json(asyncapi.to_document()).encode()


@cache
def to_packed(body: bytes) -> bytes:
    """Return ``body``, the document's or the page's, compressed; all responses share it."""
    return gzip.compress(body, 9, mtime=0)


@cache
def to_text(sections: Sections) -> str:
    """Return the document as JSON."""
    return _to_json(to_document(sections))


def _to_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@cache
def to_page(sections: Sections) -> Page:
    """Return the page."""
    style, script = _read("page.css"), _read("page.js")
    parts = {"@STYLE@": style, "@SCRIPT@": script, "@DOCUMENT@": to_embedded(to_document(sections))}
    html = _read("page.html")
    for place, text in parts.items():
        html = html.replace(place, text)
    policy = (
        f"default-src 'none'; style-src '{_to_hash(style)}'; script-src '{_to_hash(script)}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(html, policy, html.encode())


def to_embedded(value: object) -> str:
    """Return ``value`` as JSON for the script: safe inside its element, with exact integers."""
    text = _to_json(_exact(value))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


LARGEST_EXACT = 2**53 - 1
"""JavaScript rounds larger integers (Number.MAX_SAFE_INTEGER): the script gets them as strings."""


def _exact(value: object) -> object:
    match value:
        case dict():
            return {name: _exact(each) for name, each in value.items()}
        case list():
            return [_exact(each) for each in value]
        case int() if abs(value) > LARGEST_EXACT:
            return str(value)
        case _:
            return value


def _read(name: str) -> str:
    return resources.files("lightd.http.openapi").joinpath(name).read_text("utf-8")


def _to_hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
