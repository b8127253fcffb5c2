"""Finds where records of one output overlap: the console's lines, the engine's log, the stream. Pure.

They share no numbers, and only the log has times, so they are aligned by their text. The log continues where
it repeats the end of the console; the stream continues where the log ends, and its first lines can repeat the
last ones of the log. If several positions fit equally well, the time decides; among identical lines that are
printed faster than the clocks distinguish, one can be repeated or missing.

The log of a busy process has ten thousand lines, so the work is done in steps, and each line is looked at
a fixed number of times whatever its text.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from actors.container.console.lines import to_pieces
from actors.container.engine import Backlog
from actors.kernel.steps import Steps

STEP: Final = 250
"""Lines that are processed in one step."""

LATE = 1.0
"""Seconds by which the engine may log a line after it was read from the stream."""


@attrs.frozen
class LogLine:
    """A line of the engine's log."""

    at: float
    text: str


def to_log_lines(backlog: Backlog) -> Steps[list[LogLine]]:
    """Return the lines of a backlog; long ones are cut as those of the stream are."""
    logged: list[LogLine] = []
    for begin in range(0, len(backlog.lines), STEP):
        lines = backlog.lines[begin : begin + STEP]
        for each in lines:
            logged += [LogLine(each.at, text) for text in (yield from to_pieces(each.line))]
        yield
    return logged


def find_end(kept: Sequence[str], logged: Sequence[LogLine], read_at: float) -> Steps[int | None]:
    """Return how many lines of ``logged`` are kept already: ``logged`` goes on there.

    ``read_at`` is when the last kept line was read. None where the two don't meet.
    """
    if not kept:
        return 0
    texts = [each.text for each in logged]
    known = sum(each.at <= read_at for each in logged)
    best: tuple[bool, int, int] | None = None
    found = None
    common_ends = yield from _common_ends(kept, texts)
    for count, common in enumerate(common_ends, 1):
        if not count % STEP:
            yield
        if not common or logged[count - 1].at > read_at + LATE:
            continue
        nearness = -abs(count - known)
        whole = common == min(len(kept), count)  # else something before it is printed by one of them only
        fit = (whole, nearness, common) if whole else (whole, common, nearness)
        if best is None or fit > best:
            best, found = fit, count
    return found


def _common_ends(kept: Sequence[str], texts: Sequence[str]) -> Steps[Sequence[int]]:
    """Return for each beginning of ``texts`` how many last lines it has in common with ``kept``."""
    reach = yield from _reach([*reversed(kept), None, *reversed(texts)])
    return reach[: len(kept) : -1]


def _reach(joined: Sequence[str | None]) -> Steps[list[int]]:
    """Return for each place how many lines from there on are those from the beginning on (Z algorithm)."""
    size, reach = len(joined), [0] * len(joined)
    left = right = 0  # the stretch furthest to the right that is known to repeat the beginning
    for at in range(1, size):
        if not at % STEP:
            yield
        if at < right:
            reach[at] = min(right - at, reach[at - left])
        while at + reach[at] < size and joined[reach[at]] == joined[at + reach[at]]:
            reach[at] += 1
        if at + reach[at] > right:
            left, right = at, at + reach[at]
    return reach


def find_begin(logged: Sequence[str], live: Sequence[str]) -> Steps[int | None]:
    """Return the index of the first line of ``logged`` from which on the stream ``live`` tells the same.

    They agree as far as both go, and the first of ``live`` may lack its head. None where they don't.
    """
    first, others = live[0], live[1 : len(logged)]
    reach = yield from _reach([*others, None, *logged])
    for start, whole in enumerate(logged):
        if not (start + 1) % STEP:
            yield
        if whole == first or (first and whole.endswith(first)):
            rest = len(logged) - start - 1
            if rest == 0 or reach[len(others) + 1 + start + 1] >= min(rest, len(others)):
                return start
    return None
