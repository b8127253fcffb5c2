"""The format of a console log. Pure.

A record is one line of text. ``<number> <text>`` is a console line; ``#read <time> <life>`` says which run
the following lines belong to, and when they were read; ``#at <time>`` when they were printed, if that was
earlier; ``#missed <n>`` that n lines are missing; ``#unfinished <text>`` is the line that had no end yet when
lightd was stopped. Incomplete or malformed records, and lines whose number is not higher than the previous
one, come from a crash; they are skipped.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import attrs

from actors.container.console.log import TAIL, Entry, Numbered, Tail, to_unbroken

_READ: Final = b"#read"
_AT: Final = b"#at"
_UNFINISHED: Final = b"#unfinished"
_LONGEST_NUMBER: Final = 18
_NEAR: Final = 64 * 1024
_TIME: Final = re.compile(rb"\d{1,12}(?:\.\d{1,9})?")


@attrs.frozen
class Read:
    """The following lines belong to the run ``life`` and were read before ``at``."""

    at: float
    life: str


def to_records(entry: Entry) -> bytes:
    """Return the records of an entry."""
    parts = [f"#missed {entry.missed}\n"] if entry.missed else []
    parts.append(f"#read {entry.read_at:.6f} {entry.life}\n")
    number, last = entry.first, None
    for at, same in groupby(entry.times or [None] * len(entry.lines)):
        if at is not None and at != last:
            parts.append(f"#at {at:.3f}\n")
        last = at
        for _ in same:
            parts.append(f"{number} {entry.lines[number - entry.first]}\n")
            number += 1
    if entry.unfinished:
        parts.append(f"#unfinished {entry.unfinished}\n")
    return "".join(parts).encode("utf-8", "replace")


def from_records(data: bytes) -> Iterator[Numbered | Read | str]:
    """Parse a file, or a part of one that begins with a record; a text is the unfinished line."""
    last, at = 0, None
    for record in _whole(data):
        head, _, text = record.partition(b" ")
        number = _to_number(head)
        if number is not None and number > last:
            last = number
            yield Numbered(number, text.decode("utf-8", "replace"), at)
        elif head == _READ and (read := _to_read(text)):
            at = read.at
            yield read
        elif head == _AT:
            at = _to_time(text)
        elif head == _UNFINISHED:
            yield text.decode("utf-8", "replace")


def _whole(data: bytes) -> list[bytes]:
    return data.split(b"\n")[:-1]


def _to_number(head: bytes) -> int | None:
    return int(head) if head.isdigit() and len(head) <= _LONGEST_NUMBER else None


def _to_read(text: bytes) -> Read | None:
    time, _, life = text.partition(b" ")
    at = _to_time(time)
    return None if at is None else Read(at, life.decode("utf-8", "replace"))


def _to_time(text: bytes) -> float | None:
    return float(text) if _TIME.fullmatch(text) else None


def to_lines(data: bytes, before: int, limit: int) -> list[Numbered]:
    """Return the last lines with numbers below ``before``, at most ``limit``.

    Reads backwards from the end, because a log of short lines can have a million of them. The time of a line
    is in a record before it.
    """
    found: list[Numbered] = []
    timed = 0  # of ``found``, those at the beginning of which the time is known
    end = _find_end(data, before)
    while end >= 0 and (len(found) < limit or timed < len(found)):
        start = data.rfind(b"\n", 0, end) + 1
        head, _, text = data[start:end].partition(b" ")
        number = _to_number(head)
        if number is not None and number < before and len(found) < limit:
            before = number
            found.append(Numbered(number, text.decode("utf-8", "replace")))
        elif number is None and timed < len(found) and head in (_AT, _READ):
            at = _to_time(text.partition(b" ")[0])
            found[timed:] = [line._replace(at=at) for line in found[timed:]]
            timed = len(found)
        end = start - 1
    return found[::-1]


def _find_end(data: bytes, before: int) -> int:
    """Return the end of a record that no line with a number below ``before`` follows; -1 if there is none."""
    low, high = 0, len(data)
    while high - low > _NEAR:
        middle = (low + high) // 2
        number = _find_number(data, middle, high)
        if number is None or number >= before:
            high = middle
        else:
            low = middle
    end = data.find(b"\n", high)
    return data.rfind(b"\n") if end < 0 else end


def _find_number(data: bytes, start: int, end: int) -> int | None:
    """Return the number of the first line that begins in this part of ``data``; None if there is none."""
    while (start := data.find(b"\n", start, end) + 1) > 0:
        number = _to_number(data[start : start + _LONGEST_NUMBER + 1].partition(b" ")[0])
        if number is not None:
            return number
    return None


def to_tail(data: bytes) -> Tail:
    """Return the end of the concatenated files of a log."""
    lines: list[Numbered] = []
    read, begins, unfinished = Read(0.0, ""), 0, ""
    for each in from_records(data):
        if isinstance(each, str):
            unfinished = each
            continue
        unfinished = ""
        if isinstance(each, Numbered):
            lines.append(each)
            continue
        if each.life != read.life:
            begins = lines[-1].number if lines else 0
        read = each
    kept: Sequence[Numbered] = to_unbroken(lines)[-TAIL:]
    return Tail(
        lines[-1].number if lines else 0,
        tuple(line.text for line in kept),
        read.life,
        begins,
        read.at or None,
        tuple(line.at for line in kept),
        unfinished,
    )
