"""Holes in files: ranges of zeros that use no disk space (lseek(2), ``SEEK_HOLE``)."""

import errno
import heapq
import os
from collections.abc import Iterator
from itertools import chain
from typing import IO, Final

import attrs

from lightd.files.charging import PIECE, Charge
from lightd.files.deleting import Pace

BLOCK: Final = 4096
"""Bytes that are written or left out as a whole: the block size of all supported file systems."""

WORTH_IT: Final = 64 << 10
"""A file with this many bytes in holes is stored as sparse in a tar: the headers need about 2 KiB."""

MOST: Final = 1000
"""The maximum number of holes in a tar's map: about 28 KiB, of the 64 KiB of headers that ``tars`` reads."""

EXTENT: Final = 32
"""Bytes charged for each extent after a hole: up to 16 bytes, in blocks that can be half empty."""

ANY: Final = 1 << 62  # bytes: more than a file can have

_ZEROS: Final = bytes(BLOCK)


@attrs.frozen
class Layout:
    """A file of ``size`` bytes: data in ``extents`` (start, end), in order, and holes elsewhere."""

    size: int
    extents: tuple[tuple[int, int], ...]

    @property
    def stored(self) -> int:
        """Bytes that are not in holes."""
        return sum(end - start for start, end in self.extents)

    @property
    def holds_together(self) -> bool:
        borders = [border for extent in self.extents for border in extent]
        return borders == sorted(borders) and all(0 <= border <= self.size for border in (0, *borders))


UNKNOWN: Final = Layout(0, ((0, ANY),))
"""A file that is data from its beginning to the end of its contents."""


def data_in(file: int, size: int) -> Iterator[tuple[int, int]]:
    """The extents (start, end) of ``file`` that are not holes, up to ``size``."""
    at = 0
    while at < size:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
            at = min(os.lseek(file, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data after this point
                return
            raise
        if start < at:
            yield start, at


def layout_of(file: int, state: os.stat_result, pace: Pace) -> Layout | None:
    """Where the data of ``file`` is, None if its holes are smaller than ``WORTH_IT``.

    If there are more than ``MOST`` holes, the smallest ones count as data.
    """
    size = state.st_size
    if size - state.st_blocks * 512 < WORTH_IT:
        return None
    holes = sorted(heapq.nlargest(MOST, _holes_in(file, size, pace), key=lambda hole: hole[1] - hole[0]))
    starts, ends = [start for start, _ in holes], [end for _, end in holes]
    extents = zip([0, *ends], [*starts, size], strict=True)
    return Layout(size, tuple((start, end) for start, end in extents if start < end))


def _holes_in(file: int, size: int, pace: Pace) -> Iterator[tuple[int, int]]:
    """The holes (start, end) of ``file``, in whole blocks."""
    before = 0
    for start, end in chain(data_in(file, size), [(size, size)]):
        pace(0)
        first, last = before + -before % BLOCK, start - start % BLOCK if start < size else size
        if first < last:
            yield first, last
        before = end


def pieces_of(contents: IO[bytes], layout: Layout) -> Iterator[tuple[int, bytes]]:
    """The data of ``contents``, which contains no holes, with the offsets where it belongs."""
    for start, end in layout.extents:
        at = start
        while at < end and (piece := contents.read(min(PIECE, end - at))):
            yield at, piece
            at += len(piece)


@attrs.define(eq=False)
class SparseWriter:
    """Writes a new file from its beginning to its end; blocks of zeros become holes, which are not charged.

    Every written block is charged completely, except the rest of the last one, which is part of ``ENTRY``.
    """

    _file: int
    _charge: Charge
    size: int = 0
    _charged: int = 0  # charged up to this offset

    def write(self, at: int, piece: bytes) -> None:
        """Write ``piece`` at ``at``, which must not be before the end of what was written."""
        for start, end in _stretches(at, piece):
            self._charge(self._cost(at + start, at + end), 0)
            _write_all(self._file, piece[start:end], at + start)
        self.size = at + len(piece)

    def end_at(self, size: int) -> None:
        """Set the size of the file to ``size``, or to what was written, if that is more."""
        self.size = max(self.size, size)
        os.ftruncate(self._file, self.size)

    def _cost(self, start: int, end: int) -> int:
        before, self._charged = self._charged, end
        begun, block = before + -before % BLOCK, start - start % BLOCK
        if block <= begun:
            return end - before
        return begun - before + EXTENT + end - block


def _stretches(at: int, piece: bytes) -> Iterator[tuple[int, int]]:
    """The parts (start, end) of ``piece``, to be written at ``at``, without the blocks of zeros."""
    start = here = 0
    while here < len(piece):
        end = min(here + BLOCK - (at + here) % BLOCK, len(piece))
        if piece[here:end] == _ZEROS[: end - here]:
            if start < here:
                yield start, here
            start = end
        here = end
    if start < here:
        yield start, here


def _write_all(file: int, piece: bytes, at: int) -> None:
    rest = memoryview(piece)
    while rest:
        count = os.pwrite(file, rest, at)
        rest, at = rest[count:], at + count
