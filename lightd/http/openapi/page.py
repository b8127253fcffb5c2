"""The page for people: one piece of HTML that holds its style, its script and the document, and loads nothing.

What it may do is said in its Content-Security-Policy, by the hashes of just that style and that script. The
document stands in it as JSON in which no character can end it; the script makes text nodes of it.
"""

import hashlib
import json
from base64 import b64encode
from functools import cache
from importlib import resources

import attrs

from lightd.http.openapi.document import to_document


@attrs.frozen
class Page:
    """The page, and the policy that it is sent with."""

    html: str
    policy: str


@cache
def to_text() -> str:
    """Return the document as JSON."""
    return json.dumps(to_document(), separators=(",", ":"), ensure_ascii=False)


@cache
def to_page() -> Page:
    """Return the page."""
    style, script = _read("page.css"), _read("page.js")
    parts = {"@STYLE@": style, "@SCRIPT@": script, "@DOCUMENT@": to_embedded(to_text())}
    html = _read("page.html")
    for place, text in parts.items():
        html = html.replace(place, text)
    policy = (
        f"default-src 'none'; style-src '{_to_hash(style)}'; script-src '{_to_hash(script)}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(html, policy)


def to_embedded(text: str) -> str:
    """Return JSON as it may stand within a script element: without anything that could end that."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(name: str) -> str:
    return resources.files("lightd.http.openapi").joinpath(name).read_text("utf-8")


def _to_hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
