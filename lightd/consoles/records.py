"""The format of a console log. Pure.

A record is one line of text. ``<number> <text>`` is a console line; ``#read <time> <life>`` says which run
the following lines belong to, and when they were read; ``#missed <n>`` that n lines are missing. Incomplete
or malformed records, and lines whose number is not higher than the previous one, come from a crash; they are
skipped.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from actors.container.console.log import TAIL, Entry, Numbered, Tail, to_unbroken

_READ: Final = b"#read"
_LONGEST_NUMBER: Final = 18


@attrs.frozen
class Read:
    """The following lines belong to the run ``life`` and were read before ``at``."""

    at: float
    life: str


def to_records(entry: Entry) -> bytes:
    """Return the records of an entry."""
    head = f"#missed {entry.missed}\n" if entry.missed else ""
    head += f"#read {entry.read_at:.6f} {entry.life}\n"
    lines = "".join([f"{number} {text}\n" for number, text in enumerate(entry.lines, entry.first)])
    return (head + lines).encode("utf-8", "replace")


def from_records(data: bytes) -> Iterator[Numbered | Read]:
    """Parse a file, or a part of one that begins with a record."""
    last = 0
    for record in _whole(data):
        head, _, text = record.partition(b" ")
        number = _to_number(head)
        if number is not None and number > last:
            last = number
            yield number, text.decode("utf-8", "replace")
        elif head == _READ and (read := _to_read(text)):
            yield read


def _whole(data: bytes) -> list[bytes]:
    return data.split(b"\n")[:-1]


def _to_number(head: bytes) -> int | None:
    return int(head) if head.isdigit() and len(head) <= _LONGEST_NUMBER else None


def _to_read(text: bytes) -> Read | None:
    at, _, life = text.partition(b" ")
    try:
        return Read(float(at), life.decode("utf-8", "replace"))
    except ValueError:
        return None


def to_lines(data: bytes, before: int, limit: int) -> list[Numbered]:
    """Return the last lines with numbers below ``before``, at most ``limit``.

    Reads backwards from the end, because a log of short lines can have a million of them.
    """
    found: list[Numbered] = []
    end = data.rfind(b"\n")
    while end >= 0 and len(found) < limit:
        start = data.rfind(b"\n", 0, end) + 1
        head, _, text = data[start:end].partition(b" ")
        number = _to_number(head)
        if number is not None and number < before:
            before = number
            found.append((number, text.decode("utf-8", "replace")))
        end = start - 1
    return found[::-1]


def to_tail(data: bytes) -> Tail:
    """Return the end of the concatenated files of a log."""
    lines: list[Numbered] = []
    read, begins = Read(0.0, ""), 0
    for each in from_records(data):
        if isinstance(each, Read):
            if each.life != read.life:
                begins = lines[-1][0] if lines else 0
            read = each
        else:
            lines.append(each)
    if not lines:
        return Tail(life=read.life, read_at=read.at or None)
    kept: Sequence[Numbered] = to_unbroken(lines)[-TAIL:]
    return Tail(lines[-1][0], [text for _, text in kept], read.life, begins, read.at or None)
