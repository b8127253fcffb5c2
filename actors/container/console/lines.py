"""Bytes in, lines out; and lines as a person reads them. Pure.

Bytes are split before they are decoded, so a character that arrives in two chunks stays whole. A line longer
than ``LONGEST`` bytes is cut, between characters.

A program prints as much as it likes, in lines as short as it likes: 256 KiB may be 131,072 lines. So lines
stay joined, in a ``Block``, and what is done with all of them is a fixed number of calls into C. Only
``to_texts`` makes an object of each line; its callers bound how many.
"""

import re
from collections.abc import Iterator, Sequence

import attrs

LONGEST = 16 * 1024

# ECMA-48: CSI sequences, then the string controls (OSC, DCS, SOS, PM, APC) up to their end, then the rest.
# A sequence ends with its line.
_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    rb"|[PX^_][^\x1b\n]*(?:\x1b\\)?|[ -/]*[0-~]?)"
)
_ERASED = re.compile(r"(?:[^\x08\n]\x08)+")
_RUNS = re.compile(r"[^\x08\n]+|\x08+|\n")
_ROUNDS = 3
"""How often an erased character that stands beside its backspace is taken out; the rest goes run by run."""

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
    """Cuts a stream of bytes into lines, without their ends; the same ones however the stream is chunked."""

    _rest: bytes = b""
    _cut: bool = False

    @property
    def rest(self) -> bytes:
        """The last line as far as it has come, empty where it has not begun."""
        return self._rest

    def feed(self, chunk: bytes) -> Block:
        """Return the lines that ``chunk`` completes."""
        head, found, rest = (self._rest + chunk).rpartition(b"\n")
        runs = list(self._runs(head)) if found else []
        self._rest = rest
        if len(rest) > LONGEST:
            *pieces, self._rest = _pieces(rest)
            runs.append(_shown(pieces))
            self._cut = True
        return join(runs)

    def flush(self) -> Block:
        """Return the unfinished last line, where there is one, and forget it."""
        rest, self._rest, self._cut = self._rest, b"", False
        return _shown([rest])

    def _runs(self, head: bytes) -> Iterator[Block]:
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
                    yield _whole(head[begin : at - 1])
                end = head.find(b"\n", at)
                end = len(head) if end < 0 else end
                yield _shown(_pieces(head[at:end]))
                self._cut = False
                begin = end + 1
            at = end + 1
        if begin <= len(head):
            yield _whole(head[begin:])


def to_pieces(line: bytes) -> list[str]:
    """Return what a ``LineSplitter`` makes of one whole line, given without its end."""
    return to_texts(Block(1, line) if len(line) <= LONGEST else _shown(_pieces(line)))


def _whole(data: bytes) -> Block:
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
    """Return lines as a person reads them: no colours, cursor moves, carriage returns; backspaces erased.

    What comes is valid UTF-8, and has as many lines as before.
    """
    if not data.isascii():
        data = data.decode("utf-8", "replace").encode()
    if b"\x1b" in data:
        data = _ESCAPES.sub(b"", data)
    if b"\b" in data:
        data = _erase(data.decode()).encode()
    return data.translate(None, _CONTROLS)


def _erase(text: str) -> str:
    """Return ``text`` without each character that a backspace follows; nothing before a line's beginning."""
    for _ in range(_ROUNDS):
        text, found = _ERASED.subn("", text)
        if not found:
            return text
    shown: list[str] = []
    line: list[str] = []
    for run in _RUNS.findall(text):
        if run[0] == "\b":
            del line[max(0, len(line) - len(run)) :]
        elif run == "\n":
            shown += [*line, run]
            line = []
        else:
            line += run
    return "".join([*shown, *line])


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
