"""Bytes in, lines out; and a line as a person reads it. Pure.

Bytes are split before they are decoded, so a character that arrives in two chunks stays whole. A line longer
than ``LONGEST`` bytes is cut, between characters.
"""

import re

import attrs

LONGEST = 16 * 1024

# ECMA-48: CSI sequences, then the string controls (OSC, DCS, SOS, PM, APC) up to their end, then the rest.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~]?)"
)
_CONTROLS = re.compile(r"[\x00-\x07\x0b-\x1f\x7f]")


@attrs.define(eq=False)
class LineSplitter:
    """Cuts a stream of bytes into lines, without their ends; the same ones however the stream is chunked."""

    _rest: bytes = b""
    _cut: bool = False

    @property
    def partial(self) -> str:
        """The last line as far as it has come, ``""`` where it has not begun."""
        return self._rest.decode("utf-8", "replace")

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that ``chunk`` completes."""
        head, found, rest = (self._rest + chunk).rpartition(b"\n")
        lines: list[str] = []
        if found:
            lines = [line.rstrip("\r") for line in head.decode("utf-8", "replace").split("\n")]
            if self._cut or (len(head) > LONGEST and any(len(line) > LONGEST // 4 for line in lines)):
                lines = self._cut_lines(head)
        self._rest = rest
        if len(rest) > LONGEST:
            *pieces, self._rest = _pieces(rest)
            lines.extend(_shown(pieces))
            self._cut = True
        return lines

    def flush(self) -> list[str]:
        """Return the unfinished last line, where there is one, and forget it."""
        rest, self._rest, self._cut = self._rest, b"", False
        return _shown([rest])

    def _cut_lines(self, head: bytes) -> list[str]:
        lines: list[str] = []
        for line in head.split(b"\n"):
            pieces = _pieces(line)
            if self._cut or len(pieces) > 1:
                lines.extend(_shown(pieces))
                self._cut = False
            else:
                lines.append(_text(line))
        return lines


def to_lines(line: bytes) -> list[str]:
    """Return what a ``LineSplitter`` makes of one whole line, given without its end."""
    return [_text(line)] if len(line) <= LONGEST else LineSplitter().feed(line + b"\n")


def _pieces(line: bytes) -> list[bytes]:
    pieces, start = [], 0
    while len(line) - start > LONGEST:
        end = _boundary(line, start + LONGEST)
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


def _shown(pieces: list[bytes]) -> list[str]:
    return [text for text in map(_text, pieces) if text]


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", "replace").rstrip("\r")


def _boundary(data: bytes, cut: int) -> int:
    """Return ``cut``, moved back to the start of the UTF-8 character that it would halve."""
    start = cut
    while start > cut - 4 and data[start] & 0xC0 == 0x80:  # noqa: PLR2004 - RFC 3629: 10xxxxxx continues
        start -= 1
    return start if start > cut - 4 else cut


def to_plain(line: str) -> str:
    """Return ``line`` as a person reads it: no colours, cursor moves, carriage returns; backspaces erased."""
    if "\x1b" in line:
        line = _ESCAPES.sub("", line)
    if "\b" in line:
        kept: list[str] = []
        for character in line:
            if character != "\b":
                kept.append(character)
            elif kept:
                kept.pop()
        line = "".join(kept)
    return _CONTROLS.sub("", line)
