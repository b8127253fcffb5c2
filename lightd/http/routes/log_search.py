"""Searches a console's lines by time and by expression, from the newest back, a page at a time.

Lines are read in pages of ``PAGE``, from memory and then from the log on disk; within a page they are searched
in parts that take no noticeable time on the event loop. What a search can cost is bounded: by ``PAGES``, and by
``GREP_LIMIT`` for the expression.
"""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import attrs
from quart import request

from actors.container.console.console import Console
from actors.container.console.lines import to_plain
from actors.container.console.log import Numbered
from lightd.api.errors import bad_request
from lightd.engines.patterns import BadPattern, Pattern, check_pattern, compile_pattern
from lightd.http.wire import PATTERNS, digest

PAGE: Final = 10_000
PAGES: Final = 25
PART_LINES: Final = 250
PART_BYTES: Final = 32 * 1024
GREP_LIMIT: Final = 2.0
"""Seconds of processor that an expression may take in one request."""

_SECONDS: Final = re.compile(r"(?a)\d{1,12}(?:\.\d{1,9})?")
_DURATION: Final = re.compile(r"(?a)(?:\d{1,9}(?:\.\d{1,9})?[smhd])+")
_PART: Final = re.compile(r"(?a)(\d{1,9}(?:\.\d{1,9})?)([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DATE: Final = re.compile(r"(?a)\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[ +-]\d\d:\d\d)?)?")
_MEANS: Final = (
    "must be Unix seconds, a time (2026-01-31, 2026-01-31T12:00:00Z), or a duration before now (90s, 1h30m)"
)


@attrs.frozen(eq=False)
class Wanted:
    """The lines printed from ``since`` up to ``until`` (Unix seconds), of which ``grep`` matches the text."""

    since: float = -math.inf
    until: float = math.inf
    grep: Pattern | None = None

    @property
    def everything(self) -> bool:
        """True if every line is wanted."""
        return self.grep is None and (self.since, self.until) == (-math.inf, math.inf)

    def covers(self, line: Numbered) -> bool:
        """Return whether a line is of the wanted time; one without a time is if all times are wanted."""
        if line.at is None:
            return (self.since, self.until) == (-math.inf, math.inf)
        return self.since <= line.at < self.until


async def read_wanted(now: float) -> Wanted:
    """Return what the query asks for; raises a 400 that names the parameter."""
    since = _read_time("since", now, -math.inf)
    until = _read_time("until", now, math.inf)
    if until < since:
        raise bad_request("until: must not be before since")
    text = request.args.get("grep")
    if text is None:
        return Wanted(since, until)
    return Wanted(since, until, await digest(PATTERNS[0], lambda _: _to_pattern(text)))


def _to_pattern(text: str) -> Pattern:
    try:
        check_pattern(text)
        return compile_pattern(text)
    except BadPattern as error:
        raise bad_request(f"grep: is not a valid regular expression: {error}") from None


def _read_time(name: str, now: float, default: float) -> float:
    text = request.args.get(name)
    if text is None:
        return default
    at = to_time(text, now)
    if at is None:
        raise bad_request(f"{name}: {_MEANS}")
    return at


def to_time(text: str, now: float) -> float | None:
    """Return a time as ``docker logs --since`` reads it, in Unix seconds; None if it is none.

    A date without an offset is in UTC. A plus in a query may have become a space.
    """
    if _SECONDS.fullmatch(text):
        return float(text)
    if _DURATION.fullmatch(text):
        return now - sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if not _DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.upper().replace(" ", "+"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


async def search(console: Console, limit: int, wanted: Wanted) -> tuple[list[Numbered], Numbered | None]:
    """Return the last ``limit`` lines that are wanted, and the unfinished one, which is one of them.

    Raises a 400 if the expression takes too much time.
    """
    page: Sequence[Numbered] = await console.end(PAGE)
    last = page[-1].number if page else console.lines.last
    unfinished = console.to_shown()
    if unfinished is not None and (unfinished.number != last + 1 or not unfinished.text):
        unfinished = None
    if unfinished is not None and not await _select(console, [unfinished], 1, wanted):
        unfinished = None
    limit -= unfinished is not None
    found: list[Numbered] = []
    for count in range(PAGES):
        if count:
            page = await console.older(page[0].number, PAGE)
        if not page:
            break
        found = [*await _select(console, page, limit - len(found), wanted), *found]
        if len(found) >= limit or _is_before(page[0], wanted.since):
            break
    return found, unfinished


def _is_before(line: Numbered, since: float) -> bool:
    return line.at is not None and line.at < since


async def _select(console: Console, lines: Sequence[Numbered], limit: int, wanted: Wanted) -> list[Numbered]:
    """Return the last ``limit`` of ``lines`` that are wanted."""
    found: list[Numbered] = []
    for part in _to_parts(lines):
        await console.turns.next()
        covered = [line for line in part if wanted.covers(line)]
        if covered and wanted.grep is not None:
            covered = await _grep(covered, wanted.grep)
        found = [*covered, *found]
        if len(found) >= limit:
            break
    return found[len(found) - limit :] if len(found) > limit else found


def _to_parts(lines: Sequence[Numbered]) -> Iterator[Sequence[Numbered]]:
    """Give ``lines`` in parts, the last part first."""
    end = len(lines)
    while end > 0:
        begin, size = end - 1, len(lines[end - 1].text)
        while begin > 0 and end - begin < PART_LINES and size < PART_BYTES:
            begin -= 1
            size += len(lines[begin].text)
        yield lines[begin:end]
        end = begin


async def _grep(lines: Sequence[Numbered], pattern: Pattern) -> list[Numbered]:
    joined = to_plain("\n".join([line.text for line in lines]).encode("utf-8", "replace"))
    if not await _matches(pattern, joined):
        return []
    texts = joined.split(b"\n")
    return [line for line, text in zip(lines, texts, strict=True) if await _matches(pattern, text)]


async def _matches(pattern: Pattern, text: bytes) -> bool:
    if pattern.seconds > GREP_LIMIT:
        raise bad_request("grep: takes too long with these lines: use a simpler expression or `since`")
    return pattern(text) if pattern.is_quick(len(text)) else await pattern.search(text)
