"""The newest lines of a console, numbered from 1 and stored as joined blocks of bytes.

Adding lines costs a few passes over their bytes, however many lines they are. Old lines are dropped in whole
blocks. Lines are converted to texts only when they are read, and only as many as are requested.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Final

import attrs

from actors.container.console.lines import Block, to_block, to_texts
from actors.kernel.ephemeral import Stretch, Wake

BLOCK_LINES: Final = 500
BLOCK_BYTES: Final = 32 * 1024
"""The most lines and bytes of one stored block; a single longer line is a block of its own."""


@attrs.frozen
class Kept:
    """A block, the number of its last line, and when it was printed (Unix seconds), None if not known."""

    last: int
    block: Block
    at: float | None = None

    @property
    def first(self) -> int:
        """The number of its first line."""
        return self.last - self.block.count + 1


@attrs.frozen
class Lines(Stretch[str]):
    """Lines, and when each was printed."""

    times: Sequence[float | None] = ()


@attrs.define(eq=False)
class Scrollback:
    """The newest lines; see ``ephemeral.Ring``, which it is one of, for lines alone.

    Bounded by ``items`` lines and ``size`` bytes; at the second bound a block goes as a whole. The newest
    block is always kept. ``volume`` counts the bytes of all that was ever put in,
    with their ends.
    """

    items: int
    size: int
    wake: Wake = attrs.field(factory=Wake)
    _kept: deque[Kept] = attrs.field(factory=deque)
    _held: int = 0
    _last: int = 0
    _first: int = 1
    volume: int = 0

    @property
    def last(self) -> int:
        """The number of the newest line, 0 before the first."""
        return self._last

    @property
    def first(self) -> int:
        """The number of the oldest line that is still kept; ``last + 1`` where none is."""
        return self._first

    def push(self, lines: Sequence[str], times: Sequence[float | None] = ()) -> None:
        """Append ``lines``, which were printed at ``times``; without these, the times are unknown."""
        begin = 0
        for at, same in groupby(times or [None] * len(lines)):
            end = begin + len(list(same))
            self.put(to_block(lines[begin:end]), at)
            begin = end

    def put(self, block: Block, at: float | None = None) -> None:
        """Append the lines of ``block``, printed at ``at``, and wake the readers once."""
        if not block.count:
            return
        self.volume += len(block.data) + 1
        data, count = block.data, block.count
        if count > self.items:
            data, count = data[_find_last(data, count, self.items) :], self.items
        if len(data) > self.size and (start := data.find(b"\n", len(data) - self.size) + 1):
            data = data[start:]
            count = data.count(b"\n") + 1
        if count < block.count:  # whatever is kept is older than what goes
            self._kept.clear()
            self._held = 0
        self._last += block.count - count
        for piece in _to_pieces(data):
            self._last += piece.count
            self._kept.append(Kept(self._last, piece, at))
            self._held += len(piece.data)
        self._make_room()
        self.wake.notify()

    def _make_room(self) -> None:
        oldest = self._last - self.items + 1
        while len(self._kept) > 1 and (self._held > self.size or self._kept[0].last < oldest):
            self._held -= len(self._kept.popleft().block.data)
        self._first = max(oldest, self._kept[0].first)

    def resume(self, lines: Lines) -> None:
        """Begin with what an earlier one had, under its numbers; only before the first ``push``."""
        self._last = lines.first - 1
        self._first = lines.first
        self.push(lines.items, lines.times)

    def read(self, after: int, limit: int, size: int | None = None, within: float = math.inf) -> Lines:
        """Return at most ``limit`` lines with numbers over ``after``, and how many of them are lost.

        A number beyond the newest line is taken for the newest. Lines of more than ``size`` bytes in all
        are no more than those of one block. All were printed less than ``within`` seconds from the first.
        """
        after = min(after, self._last)
        first = max(after + 1, self._first)
        lines: list[str] = []
        times: list[float | None] = []
        left = self._held + 1 if size is None else size
        for kept in self._from(first):
            if times and are_apart(times[0], kept.at, within):
                break
            begin = first + len(lines) - kept.first
            lines += to_texts(kept.block)[begin : begin + limit - len(lines)]
            times += [kept.at] * (len(lines) - len(times))
            left -= len(kept.block.data)
            if len(lines) >= limit or left <= 0:
                break
        return Lines(first, lines, first - after - 1, times)

    def _from(self, first: int) -> Iterator[Kept]:
        """Give the blocks from the one with line ``first`` on, looked for from the end that is nearer."""
        if self._kept and self._kept[-1].first <= first:
            return iter((self._kept[-1],))  # what a viewer that is up to date wants
        if first - self._first < self._last - first:
            return (kept for kept in self._kept if kept.last >= first)
        skipped = 0
        for kept in reversed(self._kept):
            if kept.last < first:
                break
            skipped += 1
        return islice(self._kept, len(self._kept) - skipped, None)

    def keep(self, limit: int) -> Sequence[Kept]:
        """Return the blocks that have the newest lines, at most ``limit``, and perhaps some before them.

        They are the reader's, whatever is put in afterwards.
        """
        return list(self._from(max(self._last - limit + 1, self._first)))

    def tail(self, limit: int) -> Lines:
        """Return the newest lines, at most ``limit``."""
        return self.read(max(self._last - limit, self._first - 1), limit)


def are_apart(one: float | None, other: float | None, seconds: float) -> bool:
    """Return true if two times differ by ``seconds`` or more, or if only one of them is known."""
    if one is None or other is None:
        return one is not other and seconds < math.inf
    return abs(other - one) >= seconds


def _find_last(data: bytes, count: int, limit: int) -> int:
    """Return where the last ``limit`` of ``count`` lines begin, after fewer looks than ``data`` has bits."""
    low, high, skip = 0, len(data), count - limit
    while skip > BLOCK_LINES:
        middle = (low + high) // 2
        found = data.count(b"\n", low, middle)
        if found < skip:
            low, skip = middle, skip - found
        else:
            high = middle
    return high - len(data[low:high].split(b"\n", skip)[-1])


def _to_pieces(data: bytes) -> Iterator[Block]:
    at = 0
    while at <= len(data):
        end = len(data)
        if end - at > BLOCK_BYTES:
            end = data.rfind(b"\n", at, at + BLOCK_BYTES + 1)
            end = data.find(b"\n", at) if end < 0 else end
            end = len(data) if end < 0 else end
        count = data.count(b"\n", at, end) + 1
        if count > BLOCK_LINES:
            end -= len(data[at:end].split(b"\n", BLOCK_LINES)[-1]) + 1
            count = BLOCK_LINES
        yield Block(count, data[at:end])
        at = end + 1
