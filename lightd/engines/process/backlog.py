"""Reads an output log: the newest whole lines since a time, up to a limit. Blocks.

The two files are rotated while they are read, so the older one is opened after the newer one, and both are
reopened if they turn out to be the same file.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

from actors.container.engine import Backlog, Logged

BOUND: Final = 1024 * 1024
LINES: Final = 10_000
STAMP: Final = 32
"""Bytes of a line's time and its separators, at most."""


def read(path: Path, since: float, *, ended: bool) -> Backlog:
    """The backlog of the log at ``path``. Its unfinished line is included if the process has ``ended``."""
    older, newer = _contents(path)
    data, most = older + newer, BOUND + LINES * STAMP
    shorter = len(data) > most
    if shorter:  # otherwise many short lines would become a hundred thousand objects in one step
        data = data[-most:].partition(b"\n")[2]
    lines: list[Logged] = []
    size, cut = 0, False
    for logged in _backwards(data, ended=ended):
        if logged.at < since:
            break
        if len(lines) >= LINES or size + len(logged.line) > BOUND:
            cut = True
            break
        size += len(logged.line) + 1
        lines.append(logged)
    else:
        cut = shorter
    lines.reverse()
    return Backlog(lines, cut)


def _contents(path: Path) -> tuple[bytes, bytes]:
    while True:
        with ExitStack() as stack:
            newer = _open(path, stack)
            older = _open(path.with_name(f"{path.name}.1"), stack)
            if newer and older and os.path.sameopenfile(newer.fileno(), older.fileno()):
                continue
            return (older.read() if older else b""), (newer.read() if newer else b"")


def _open(path: Path, stack: ExitStack) -> BinaryIO | None:
    try:
        return stack.enter_context(path.open("rb"))
    except FileNotFoundError:
        return None


def _backwards(data: bytes, *, ended: bool) -> Iterator[Logged]:
    *whole, rest = data.split(b"\n")
    if rest and ended:
        last = next(filter(None, map(_to_logged, reversed(whole))), None)
        yield Logged(0.0 if last is None else last.at, rest)
    for line in reversed(whole):
        if logged := _to_logged(line):
            yield logged


def _to_logged(line: bytes) -> Logged | None:
    """A line of the log; None for one that was damaged by a full disk."""
    text, _, stamp = line.rpartition(b"\0")
    try:
        return Logged(float(stamp), text)
    except ValueError:
        return None
