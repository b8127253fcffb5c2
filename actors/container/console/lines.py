"""Bytes in, lines out; and lines as a person reads them. Pure.

Bytes are split before they are decoded, so a character that arrives in two chunks stays whole. A line longer
than ``LONGEST`` bytes is cut, between characters.

A program prints as much as it likes, in lines as short as it likes: 256 KiB may be 131,072 lines. So lines
stay joined, in a ``Block``, and what is done with all of them is a fixed number of calls into C. Only
``to_texts`` makes an object of each line; its callers bound how many.
"""

import codecs
import re
from collections.abc import Iterator, Sequence

import attrs

from actors.container.console.screen import REDRAW, STEP, Row
from actors.kernel.steps import Steps, run

LONGEST = 16 * 1024
SLICE = 32 * 1024
LOOKS = 20_000
"""Control characters that are looked at in one step."""

# ECMA-48: CSI sequences, then the string controls (OSC, DCS, SOS, PM, APC) up to their end, then the rest.
# A sequence ends with its line.
_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    rb"|[PX^_][^\x1b\n]*(?:\x1b\\)?|[ -/]*[0-~]?)"
)
_ENDS = re.compile(r"\r\n|\r|\n")

_CONTROLS = bytes(code for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n")


@attrs.frozen
class Block:
    """So many lines, joined by newlines, the last one without its end; ``count`` may be 0."""

    count: int
    data: bytes

    def split(self, count: int) -> tuple[list[str], "Block"]:
        """Return the first lines, at most ``count``, and the others."""
        if self.count <= count:
            return to_texts(self), NOTHING
        rest = self.data.split(b"\n", count)[-1]
        head = self.data[: len(self.data) - len(rest) - 1]
        return to_texts(Block(count, head)), Block(self.count - count, rest)


NOTHING = Block(0, b"")


def to_block(lines: Sequence[str]) -> Block:
    """Return ``lines`` as a block."""
    return Block(len(lines), "\n".join(lines).encode("utf-8", "replace")) if lines else NOTHING


def to_texts(block: Block) -> list[str]:
    """Return the lines of a block."""
    if not block.count:
        return []
    text = block.data.decode("utf-8", "replace")
    lines = text.split("\n")
    return [line.rstrip("\r") for line in lines] if "\r" in text else lines


@attrs.define(eq=False)
class LineSplitter:
    """Cuts a stream of bytes into lines, without their ends; the same ones however the stream is chunked.

    A line that the program has drawn over (``screen.REDRAW``) is what a person sees of it; others are kept as
    they came.
    """

    work: int = 0
    """What the drawing has cost so far; see ``Row.work``."""
    _rest: bytes = b""
    _row: Row | None = None
    _cut: bool = False

    @property
    def has_begun(self) -> bool:
        """True if there is an unfinished line."""
        return bool(self._rest) or self._row is not None

    @property
    def unfinished(self) -> str:
        """The last line as far as it has come, without the half of a character; empty if it has not begun."""
        if self._row is not None:
            return self._row.text
        return codecs.getincrementaldecoder("utf-8")("replace").decode(self._rest).rstrip("\r")

    def feed(self, chunk: bytes) -> Block:
        """Return the lines that ``chunk`` completes."""
        return run(self.steps(chunk))

    def steps(self, chunk: bytes) -> Steps[Block]:
        """As ``feed``, in steps."""
        if self._row is None and not self._cut and len(self._rest) + len(chunk) <= LONGEST:
            data = self._rest + chunk
            if not _is_drawn_over(data):
                head, found, self._rest = data.rpartition(b"\n")
                return _to_block([head]) if found else NOTHING
        blocks: list[Block] = []
        if self._row is not None:
            line, found, chunk = chunk.partition(b"\n")
            blocks.append((yield from self._draw(line)))
            if not found:
                return blocks[0]
            blocks.append(self._end_line())
        head, found, rest = (self._rest + chunk).rpartition(b"\n")
        if found:
            self._rest = b""
            for lines in self._long_ones(head):
                blocks += [(yield from lines)]
        blocks.append((yield from self._begin(rest)))
        return join(blocks)

    def flush(self) -> Block:
        """Return the unfinished last line, where there is one, and forget it."""
        block = self._end_line()
        return block if block.data else NOTHING

    def _end_line(self) -> Block:
        """Return the line that has come, and begin the next one."""
        pieces = [self._rest] if self._row is None else _encoded(self._row.finish())
        block = _shown(pieces) if self._row is None or self._cut else _to_block(pieces)
        self._rest, self._row, self._cut = b"", None, False
        return block

    def _begin(self, line: bytes) -> Steps[Block]:
        """Take the beginning of a line, or the next part of one that was cut; return the pieces cut off."""
        pieces: list[bytes] = []
        start = 0
        while not (drawn := REDRAW.search(line, start, start + LONGEST)) and len(line) - start > LONGEST:
            end = _boundary(line, start + LONGEST)
            pieces.append(line[start:end])
            start = end
            yield
        self._cut = self._cut or bool(pieces)
        if not drawn:
            self._rest = line[start:]
            return _shown(pieces)
        self._rest, self._row = b"", Row(LONGEST)
        return join([_shown(pieces), (yield from self._draw(line[start:]))])

    def _draw(self, data: bytes) -> Steps[Block]:
        """Draw ``data`` on the unfinished line; return the pieces cut off."""
        assert self._row is not None  # noqa: S101 - for the type checker
        before = self._row.work
        yield from self._row.feed(data)
        self.work += self._row.work - before
        lines, self._row.lines = self._row.lines, []
        self._cut = self._cut or bool(lines)
        return _shown(_encoded(lines))

    def _long_ones(self, head: bytes) -> Iterator[Steps[Block]]:
        """Give the lines of ``head``: those that are short together, and each that is too long in pieces."""
        begin = at = 0
        while at <= len(head):
            if self._cut:
                end = -1
            elif len(head) - at <= LONGEST:
                break
            else:
                end = head.rfind(b"\n", at, at + LONGEST + 1)
            if end < 0:  # the line at ``at`` is too long, or the rest of one
                if begin < at:
                    yield self._whole(head[begin : at - 1])
                end = head.find(b"\n", at)
                end = len(head) if end < 0 else end
                yield self._one(head[at:end])
                begin = end + 1
            at = end + 1
        if begin <= len(head):
            yield self._whole(head[begin:])

    def _one(self, line: bytes) -> Steps[Block]:
        """Return a whole line, in pieces if it is too long."""
        pieces = yield from self._begin(line)
        return join([pieces, self._end_line()])

    def _whole(self, data: bytes) -> Steps[Block]:
        """Return short lines, those that were drawn over as a person sees them."""
        if data.count(b"\x1b") + data.count(b"\r") < LOOKS:
            return (yield from self._redrawn(data))
        blocks: list[Block] = []
        for piece in to_slices(data, SLICE):
            blocks.append((yield from self._redrawn(piece)))
            yield
        return join(blocks)

    def _redrawn(self, data: bytes) -> Steps[Block]:
        """As ``_whole``, the first look at all of them in one step."""
        if not _is_drawn_over(data):
            return _to_block([data])
        found, pieces, at, work = REDRAW.search(data), list[bytes](), 0, 0
        while found:
            start = max(data.rfind(b"\n", at, found.start()) + 1, at)
            end = data.find(b"\n", found.end())
            end = len(data) if end < 0 else end
            if start > at:
                pieces.append(data[at : start - 1])
            row = Row(LONGEST)
            yield from row.feed(data[start:end])
            pieces += _encoded(row.finish())
            work += row.work
            self.work += row.work
            if work > STEP:
                yield
                work = 0
            at = end + 1
            found = REDRAW.search(data, at) if at <= len(data) else None
        if at <= len(data):
            pieces.append(data[at:])
        return _to_block(pieces)


def _is_drawn_over(data: bytes) -> bool:
    """Return whether ``REDRAW`` is in ``data``; looks for what most output does not have first."""
    if b"\x1b" not in data and b"\b" not in data and data.count(b"\r") == data.count(b"\r\n"):
        return False
    return REDRAW.search(data) is not None


def to_pieces(line: bytes) -> Steps[list[str]]:
    """Return what a ``LineSplitter`` makes of one whole line, given without its end."""
    if len(line) <= LONGEST and not REDRAW.search(line):
        return to_texts(Block(1, line))
    return to_texts((yield from LineSplitter().steps(line + b"\n")))


def _encoded(lines: Sequence[str]) -> list[bytes]:
    return [piece for line in lines for piece in _pieces(line.encode("utf-8", "replace"))]


def _to_block(pieces: list[bytes]) -> Block:
    data = b"\n".join(pieces)
    return Block(data.count(b"\n") + 1, data)


def join(blocks: Sequence[Block]) -> Block:
    """Return the lines of all ``blocks``."""
    found = [block for block in blocks if block.count]
    if len(found) == 1:
        return found[0]
    return Block(sum(block.count for block in found), b"\n".join([block.data for block in found]))


def _pieces(line: bytes) -> list[bytes]:
    pieces, start = [], 0
    while len(line) - start > LONGEST:
        end = _boundary(line, start + LONGEST)
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


def _shown(pieces: list[bytes]) -> Block:
    found = [piece for piece in pieces if piece.rstrip(b"\r")]
    return Block(len(found), b"\n".join(found))


def _boundary(data: bytes, cut: int) -> int:
    """Return ``cut``, moved back to the start of the UTF-8 character that it would halve."""
    start = cut
    while start > cut - 4 and data[start] & 0xC0 == 0x80:  # noqa: PLR2004 - RFC 3629: 10xxxxxx continues
        start -= 1
    return start if start > cut - 4 else cut


def to_plain(data: bytes) -> bytes:
    """Return the text of lines that a ``LineSplitter`` has made, without colours and other sequences.

    It is valid UTF-8, and has as many lines as before.
    """
    if not data.isascii():
        data = data.decode("utf-8", "replace").encode()
    if b"\x1b" in data:
        data = _ESCAPES.sub(b"", data)
    return data.translate(None, _CONTROLS)


def to_input(text: str, *, tty: bool) -> bytes:
    """Return the lines of ``text`` as a program reads them, each with its end.

    On a terminal a line ends with what the Enter key sends, a carriage return. The terminal turns it into a
    newline (ICRNL), unless the program reads the keys themselves, and then it waits for this key. On a pipe
    the end is a newline.
    """
    enter = "\r" if tty else "\n"
    return "".join(f"{line}{enter}" for line in _ENDS.split(text.rstrip("\r\n"))).encode()


def to_slices(data: bytes, size: int) -> Iterator[bytes]:
    """Give ``data`` in pieces of about ``size`` bytes, each of which ends with a line."""
    at = 0
    while len(data) - at > size:
        end = data.find(b"\n", at + size)
        if end < 0:
            break
        yield data[at:end]
        at = end + 1
    yield data[at:]
