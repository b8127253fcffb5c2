"""Where two accounts of one output meet: what was kept, the engine's log, the live stream. Pure.

None of them has numbers that the others know, and only the log has times. So they are laid over each other by
what they say: the log goes on where it repeats the end of what is kept; the stream goes on where the log
ends, and its first lines may repeat the log's last ones. Of several places that fit equally the time decides;
lines that are all the same and come faster than clocks tell apart may be counted one too many or too few
there.
"""

from collections.abc import Sequence

import attrs

from actors.container.engine import Backlog
from actors.container.lines import to_lines

LATE = 1.0
"""Seconds by which the engine may take a line down after it was read from the stream."""


@attrs.frozen
class Told:
    """A line of the console as the log tells it."""

    at: float
    text: str


def to_told(backlog: Backlog) -> list[Told]:
    """Return the lines of a backlog, those that are too long cut as the stream's are."""
    return [Told(logged.at, text) for logged in backlog.lines for text in to_lines(logged.line)]


def find_end(kept: Sequence[str], told: Sequence[Told], read_at: float) -> int | None:
    """Return how many lines of ``told`` are kept already: ``told`` goes on there.

    ``read_at`` is when the last kept line was read. None where the two don't meet.
    """
    if not kept:
        return 0
    texts = [each.text for each in told]
    known = sum(each.at <= read_at for each in told)
    best: tuple[bool, int, int] | None = None
    found = None
    for count, common in enumerate(_common_ends(kept, texts), 1):
        if not common or told[count - 1].at > read_at + LATE:
            continue
        nearness = -abs(count - known)
        whole = common == min(len(kept), count)  # else something before it is told by one of them only
        fit = (whole, nearness, common) if whole else (whole, common, nearness)
        if best is None or fit > best:
            best, found = fit, count
    return found


def _common_ends(kept: Sequence[str], texts: Sequence[str]) -> list[int]:
    """Return for each beginning of ``texts`` how many last lines it has in common with ``kept``."""
    joined: list[str | None] = [*reversed(kept), None, *reversed(texts)]
    size, reach = len(joined), [0] * len(joined)
    left = right = 0  # the stretch furthest to the right that is known to repeat the beginning (Z algorithm)
    for at in range(1, size):
        if at < right:
            reach[at] = min(right - at, reach[at - left])
        while at + reach[at] < size and joined[reach[at]] == joined[at + reach[at]]:
            reach[at] += 1
        if at + reach[at] > right:
            left, right = at, at + reach[at]
    return reach[: len(kept) : -1]


def count_repeated(told: Sequence[str], live: Sequence[str]) -> int:
    """Return how many last lines of ``told`` the stream ``live`` begins with.

    It may be more than ``live`` has so far: then the lines to come will show. The stream may have begun
    within its first line.
    """
    for start in range(len(told)):
        if _agree(told[start:], live):
            return len(told) - start
    return 0


def find_begin(told: Sequence[str], live: Sequence[str]) -> int | None:
    """Return the index of the line of ``told`` that is the first of ``live``, or that it is the end of."""
    return next((start for start in range(len(told)) if _agree(told[start:], live)), None)


def _agree(told: Sequence[str], live: Sequence[str]) -> bool:
    """Return true where both tell the same as far as both go; the first of ``live`` may lack its head."""
    whole, tail = told[0], live[0]
    if whole != tail and not (tail and whole.endswith(tail)):
        return False
    return all(one == other for one, other in zip(told[1:], live[1:], strict=False))
