"""JSON in, strictly: a missing, unknown, ill-typed or out-of-range field is a 400 that names it."""

import itertools
import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import trio
from quart import Response, request

from lightd.api.errors import bad_request
from lightd.http.identity import of_request
from lightd.validation import decoder
from lightd.validation import reading as validation
from lightd.validation.reading import Mistakes

T = TypeVar("T")

SMALL = 512 * 1024
"""The default limit of a body, in bytes."""
LISTS = 1024 * 1024
"""The limit for bodies with a list of up to ``LONGEST_LIST`` entries."""
LARGE = 2 * 1024 * 1024
"""The limit for bodies with the text of a file or of a script."""
EMPTY = 1024
"""The limit for routes without a body: blanks and ``{}`` are allowed."""

AT_ONCE = 16 * 1024
"""Bytes that are parsed on the event loop, in less than a millisecond; larger bodies in a thread."""
PARTS_AT_ONCE = 500
"""The maximum of values and escapes in a body that is parsed on the event loop."""
PATTERNS = (b"start_pattern", b"start_texts", b"file_denylist")
"""A body with one is read in a thread: compiling it can take 30 ms. RE2 releases the interpreter lock."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

MOST_MISTAKES = 10
"""Mistakes that one response lists; of further ones it gives the number."""
ROWS = 500  # of a list that are encoded in one go


def loads(body: str | bytes) -> object:
    """Return the JSON value of ``body``; raises a 400."""
    try:
        text = body if isinstance(body, str) else body.decode("utf-8-sig")  # RFC 8259, 8.1: a mark is ignored
        value = _load_at_once(text) if is_light(body) else decoder.decode(text)
        if "\\u" in text or isinstance(body, str):
            _check_text(value)
    except RecursionError:
        raise bad_request("the body is nested too deeply", "malformed_json") from None
    except UnicodeDecodeError:
        raise bad_request("the body is not valid UTF-8", "malformed_json") from None
    except UnicodeEncodeError:
        raise bad_request(
            "the body holds half a surrogate pair, which is no character", "malformed_json"
        ) from None
    except ValueError as error:
        raise bad_request(f"the body is not valid JSON: {error}", "malformed_json") from None
    else:
        return value


def is_light(body: str | bytes) -> bool:
    """Whether ``body`` is small enough to be parsed on the event loop."""
    if len(body) > AT_ONCE:
        return False
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return sum(map(data.count, (b",", b"[", b"{", b"\\"))) <= PARTS_AT_ONCE


def _load_at_once(text: str) -> object:
    return json.loads(
        text,
        object_pairs_hook=decoder.to_object,
        parse_constant=_refuse_constant,
        parse_int=decoder.to_number,
        parse_float=decoder.to_fraction,
    )


def _check_text(value: object) -> None:
    """Raise ``UnicodeEncodeError`` if a string contains half a surrogate pair."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                text.encode()
            case list() as values:
                waiting += values
            case dict() as fields:
                waiting += fields
                waiting += fields.values()
            case _:
                pass


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def read(cls: type[T], value: object) -> T:
    """Return ``value`` as a ``cls``; raises a 400 that names each field that is wrong."""
    if not isinstance(value, dict):
        raise bad_request("the body must be a JSON object")
    mistakes: Mistakes = {}
    found = validation.read(cls, value, mistakes)
    if mistakes:
        lines = [f"{path}: {mistake}" for path, mistake in itertools.islice(mistakes.items(), MOST_MISTAKES)]
        more = len(mistakes) - MOST_MISTAKES
        raise bad_request("; ".join(lines) + (f"; and {more} more" if more > 0 else ""))
    return found


def to_json(value: object, status: int = 200) -> Response:
    """Return a response whose body is ``value``."""
    return from_text(_encode(value), status)


def to_text(value: object) -> str:
    """Return ``value`` as JSON. Call it in a thread if it can be long."""
    return _encode(value)


def from_text(text: str, status: int = 200) -> Response:
    """Return a response whose body is ``text``, which is JSON."""
    return Response(text, status, content_type="application/json")


async def to_list(key: str, rows: Iterable[object], **rest: object) -> Response:
    """Return a response with ``rows`` under ``key`` before the ``rest``, encoded a few rows at a time.

    Others have their turn in between: a list of the whole pool takes tenths of a second.
    """
    parts, left = [], iter(rows)
    while stretch := list(itertools.islice(left, ROWS)):
        parts.append(_encode(stretch)[1:-1])
        await trio.lowlevel.checkpoint()
    end = "".join(f",{_encode(name)}:{_encode(value)}" for name, value in rest.items())
    return from_text(f"{{{_encode(key)}:[{','.join(parts)}]{end}}}")


async def read_body(cls: type[T], *, most: int = SMALL) -> T:
    """Return the body of this request as a ``cls``; raises a 400, and a 413 over ``most`` bytes."""
    return await take_body(lambda body: read(cls, loads(body)), most=most)


async def take_body(take: Callable[[bytes], T], *, most: int = SMALL) -> T:
    """Return ``take`` of this request's body; it runs in a thread if that can take long.

    Raises a 413 over ``most`` bytes, by the declared length alone, and what ``take`` raises.
    """
    request.max_content_length = most
    return await digest(await _read_bytes(), take)


async def _read_bytes() -> bytes:
    body: bytes = await request.get_data(as_text=False)  # type: ignore[assignment]  # bytes, as it is asked for
    return body


async def digest(body: bytes, take: Callable[[bytes], T]) -> T:
    """Return ``take(body)``; it runs in a thread if that can take long."""
    if is_light(body) and not any(name in body for name in PATTERNS):
        return take(body)
    limiter = _FOR_MASTER if of_request().is_master else _FOR_OTHERS
    return await trio.to_thread.run_sync(partial(take, body), limiter=limiter)


_FOR_MASTER, _FOR_OTHERS = trio.CapacityLimiter(1), trio.CapacityLimiter(1)
"""The threads that parse bodies: one is reserved for the master token."""


async def refuse_body() -> None:
    """Raise a 400 if this request has a body that is not empty; it is not parsed."""
    request.max_content_length = EMPTY
    body = await _read_bytes()
    if b"".join(body.split()) not in (b"", b"{}"):
        raise bad_request("this route takes no fields")
