"""Which part of a file is sent, or none, by the headers of a request (RFC 9110, 13 and 14). Pure."""

import re
from datetime import datetime
from typing import Final

import attrs
from werkzeug.datastructures import Headers
from werkzeug.http import parse_date, parse_etags

_PLACE: Final = re.compile(r"[0-9]{0,18}")

PARTIAL: Final = 206
NOT_MODIFIED: Final = 304
FAILED: Final = 412
UNSATISFIABLE: Final = 416


@attrs.frozen
class Span:
    """The status of the response, and the bytes from ``start`` to before ``stop``."""

    status: int
    start: int = 0
    stop: int = 0


def choose(headers: Headers, size: int, etag: str, modified_at: datetime) -> Span:
    """Return the response to a GET of a file: 200, 206, 304, 412 or 416. ``etag`` has its quotes.

    The response to several ranges, or to a malformed one, is the whole file, as RFC 9110 allows.
    """
    tag = etag.strip('"')
    if "If-Match" in headers:
        if not parse_etags(headers["If-Match"]).contains(tag):
            return Span(FAILED)
    elif (since := parse_date(headers.get("If-Unmodified-Since"))) is not None and modified_at > since:
        return Span(FAILED)
    if "If-None-Match" in headers:
        if parse_etags(headers["If-None-Match"]).contains_weak(tag):
            return Span(NOT_MODIFIED)
    elif (since := parse_date(headers.get("If-Modified-Since"))) is not None and modified_at <= since:
        return Span(NOT_MODIFIED)
    if "Range" not in headers or not _in_range(headers.get("If-Range"), etag, modified_at):
        return Span(200, 0, size)
    return _to_span(headers["Range"], size)


def _in_range(condition: str | None, etag: str, modified_at: datetime) -> bool:
    """Whether the range applies: the client's copy, named in ``If-Range``, is of this version of the file."""
    if condition is None or condition == etag:
        return True
    return (date := parse_date(condition)) is not None and date == modified_at


def _to_span(text: str, size: int) -> Span:
    unit, _, span = text.partition("=")
    first, dash, last = (part.strip() for part in span.partition("-"))
    places = _PLACE.fullmatch(first) and _PLACE.fullmatch(last) and (first or last)
    if unit.strip().lower() != "bytes" or not dash or not places:
        return Span(200, 0, size)
    if not first:
        length = min(int(last), size)
        return Span(PARTIAL, size - length, size) if length else Span(UNSATISFIABLE)
    start, stop = int(first), int(last) + 1 if last else size
    if last and stop <= start:
        return Span(200, 0, size)
    return Span(PARTIAL, start, min(stop, size)) if start < size else Span(UNSATISFIABLE)
