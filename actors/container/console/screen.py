"""A line as a person sees it who watches the program draw it on a terminal. Pure.

A program can go back within its line and draw over it: with carriage returns and backspaces, by moving the
cursor, by erasing. A ``Row`` is that line: cells with one character each, the colours of each cell, and the
cursor. Everything that works within a line is done as a terminal does it. What works between lines cannot be
done, because a line that was finished keeps its number and its text: moves to other rows are ignored, so a
display of several lines that is drawn again appears again, as new lines. Clearing the screen empties the
unfinished line and moves the cursor to its beginning. Lines are not wrapped.

The result has text and colours (SGR), and no other control sequence. Programs erase text by drawing blanks
over it, or only go back with backspaces and end the line. So blanks to the right of the cursor are left out,
and after backspaces everything to the right of it.

A program can send a redraw with each byte, so the work is done in steps of ``STEP`` units; it is proportional
to the number of bytes.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from operator import ne
from typing import Final

import attrs

from actors.kernel.steps import Steps, run

COLUMNS: Final = 255
"""The cursor moves up to this column without text; beyond it, only as far as there is text."""
STEP: Final = 500
"""Control sequences and pieces of text that are processed in one step."""
CELLS: Final = 64
"""Cells that are moved at the cost of one control sequence."""
SLICE: Final = 8 * 1024
"""Bytes that are decoded at once."""
WIDEST: Final = 1000
"""Columns of a terminal at most: so far a sequence reaches that changes cells."""
COLOURS: Final = 500
"""Changes of the colour in one line; one with more is shown without colours."""
PARAMETERS: Final = 64
"""Characters of the parameters of a sequence; one with more is ignored."""
MARKS: Final = 16
"""Combining characters in one cell; more are left out."""
TAB: Final = 8

REDRAW: Final = re.compile(rb"\x08|\r(?=[^\r\n])|\x1b(?:\[[0-?]*[@CDGJKPX`au]|8)")
"""Whether a line is more than its text and colours: a carriage return at its end is not."""

_Decoder = codecs.getincrementaldecoder("utf-8")

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f]+)|(?P<back>[\b\r]+)|(?P<tab>\t)"
    r"|\x1b(?:\[(?P<parameters>[0-?]*)(?P<between>[ -/]*)(?P<final>[@-~]?)"
    r"|\](?P<title>[^\x07\x1b]*)(?P<bell>\x07|\x1b\\|)"
    r"|[PX^_](?P<string>[^\x1b]*)(?P<end>\x1b\\|)"
    r"|[ -/]*(?P<other>[0-~]?))"
    r"|[\x00-\x1f\x7f]"
)
_EMPTIED = re.compile(r"\r\x1b\[[02]?[KJ]|\x1b\[2K(?:\r|\x1b\[1?G)|\x1b\[1?G\x1b\[[02]?[KJ]")
"""After it the line is empty, and the cursor at its beginning."""
_KEPT = re.compile(r"\x1b(?!\[)|\x1b\[[0-?]*[ -/]*[su]")
"""What has an effect beyond an empty line: a saved cursor, and texts that other sequences end."""
_COLOUR = re.compile(r"\x1b\[([0-9;:]{0,64})m")
_PLAIN = re.compile(r"[\r -~]*")
_STANDARD = re.compile(r"[0-9;:]*")
"""Parameters of the sequences of ECMA-48; others belong to the sequences of one kind of terminal."""

_GROUPS: Final = {
    **{code: code for code in (1, 2, 3, 4, 5, 7, 8, 9, 53, 58)},
    **dict.fromkeys((*range(30, 39), *range(90, 98)), 38),
    **dict.fromkeys((*range(40, 49), *range(100, 108)), 48),
    6: 5,
    21: 4,
}
"""What a code sets; ECMA-48, 8.3.117, and the colours of xterm."""
_OFF: Final = {
    22: (1, 2), 23: (3,), 24: (4,), 25: (5,), 27: (7,), 28: (8,), 29: (9,),
    39: (38,), 49: (48,), 55: (53,), 59: (58,),
}  # fmt: skip
_LENGTHS: Final = {"5": 3, "2": 5}


LINE: Final = 10
"""What it costs to begin and to end a line."""


@attrs.define(eq=False)
class Row:
    """The unfinished line of a program; a line of more than ``most`` cells is cut.

    ``lines`` are the pieces that were cut off, ``work`` counts what was done for it.
    """

    most: int
    lines: list[str] = attrs.field(factory=list)
    work: int = LINE
    _cells: list[str] = attrs.field(factory=list)  # the further columns of a wide character are empty
    _pens: list[str] = attrs.field(factory=list)
    _column: int = 0
    _pen: str = ""
    _backed: bool = False
    _saved: tuple[int, str] = (0, "")
    _coloured: bool = False
    _reset: bool = False
    _rest: str = ""
    _decoder: codecs.IncrementalDecoder = attrs.field(factory=lambda: _Decoder("replace"))

    def feed(self, data: bytes) -> Steps[None]:
        """Draw ``data``, which has no newline."""
        due = self.work + STEP
        for begin in range(0, len(data), SLICE):
            text = self._latest(self._rest + self._decoder.decode(data[begin : begin + SLICE]))
            self._rest = ""
            for token in _TOKEN.finditer(text):
                if token.end() >= len(text) - 1 and _is_unfinished(token, text):
                    if moves := (token["back"] or "").rstrip("\r"):
                        self._go_back(moves)
                    self._rest = _shortened(token, text)
                    break
                self._draw(token)
                if self.work >= due:
                    yield
                    due = self.work + STEP

    def _latest(self, text: str) -> str:
        """Return the part of ``text`` that matters for what is seen; colours before it are applied.

        A program that redraws its line without a pause does so thousands of times between two looks at it.
        """
        at = 0
        for found in _EMPTIED.finditer(text):
            at = found.start()
        if at and len(self._cells) + 2 * at <= self.most and not _KEPT.search(text, 0, at):
            self._colour_all(_COLOUR.findall(text, 0, at))
            self.work += at // CELLS
            text = text[at:]
        if "\r" in text and self._column + len(text) <= self.most and _PLAIN.fullmatch(text):
            self.work += len(text) // CELLS
            text = _uncovered(text)
        return text

    def _colour_all(self, all_parameters: list[str]) -> None:
        """Apply sequences of colours; those before the last one that resets them do not matter."""
        if all_parameters and not self._coloured:
            self._control("m", all_parameters[0])
        at = len(all_parameters)
        while at and all_parameters[at - 1].strip("0"):
            at -= 1
        self._pen = "" if at else self._pen
        for parameters in all_parameters[at:]:
            self._control("m", parameters)

    def finish(self) -> list[str]:
        """Return the line, and the pieces that were cut off before it."""
        if rest := self._decoder.decode(b"", final=True):
            for token in _TOKEN.finditer(self._rest + rest):
                self._draw(token)
        return [*self.lines, self.text]

    @property
    def text(self) -> str:
        """The line as far as it has come, with its colours."""
        end = min(self._column, len(self._cells)) if self._backed else len(self._cells)
        while end > self._column and not self._pens[end - 1] and self._cells[end - 1] in ("", " "):
            end -= 1
        cells, pens = self._cells[:end], self._pens[:end]
        if (not self._pen and not any(pens)) or sum(map(ne, pens, pens[1:])) > COLOURS:
            return "\x1b[0m" * self._reset + "".join(cells)
        shown = ["\x1b[0m" * self._reset]
        last, at = "", 0
        for pen, same in groupby(pens):
            size = len(list(same))
            shown += [_to_change(last, pen), *cells[at : at + size]]
            last, at = pen, at + size
        return "".join([*shown, _to_change(last, self._pen)])

    def _draw(self, token: re.Match[str]) -> None:
        self.work += 1
        match token.lastgroup:
            case "text":
                self._write(token["text"])
            case "back":
                self._go_back(token["back"])
            case "tab":
                self._tabulate()
            case "final" if len(token["parameters"]) <= PARAMETERS and not token["between"]:
                self._control(token["final"], token["parameters"])
            case "other" if token[0] == "\x1b7":
                self._saved = (self._column, self._pen)
            case "other" if token[0] == "\x1b8":
                self._restore()
            case _:
                pass

    def _go_back(self, moves: str) -> None:
        self._column = 0 if "\r" in moves else max(0, self._column - len(moves))
        self._backed = moves[-1] == "\b"

    def _control(self, final: str, parameters: str) -> None:
        if not _STANDARD.fullmatch(parameters):
            return
        number = _to_number(parameters)
        count = min(max(number, 1), WIDEST)
        match final:
            case "m":
                self._colour(parameters)
            case "C" | "a":
                self._move(self._column + count)
            case "D":
                self._move(self._column - count)
            case "G" | "`":
                self._move(count - 1)
            case "H" | "f" if not self._cells:
                self._column = 0
            case "K" | "J" if number == 0:
                self._delete(len(self._cells))
            case "K" | "J" if number == 1:
                self._blank(max(0, self._column + 1 - WIDEST), self._column + 1)
            case "K":
                self._clear()
            case "J":
                self._clear()
                self._column = 0
            case "X":
                self._blank(self._column, self._column + count)
            case "P":
                self._delete(count)
            case "@":
                self._insert(count)
            case "s":
                self._saved = (self._column, self._pen)
            case "u":
                self._restore()
            case _:
                pass

    def _colour(self, parameters: str) -> None:
        if not self._coloured:
            self._reset = not parameters.partition(";")[0].strip("0")
        self._coloured = True
        self._pen = _to_pen(self._pen, parameters)

    def _restore(self) -> None:
        column, self._pen = self._saved
        self._move(column)

    def _move(self, column: int) -> None:
        self._column = max(0, min(column, max(len(self._cells), COLUMNS), self.most))
        self._backed = False

    def _write(self, text: str) -> None:
        self.work += len(text) // CELLS
        cells = list(text) if text.isascii() else self._to_cells(text)
        while self._column + len(cells) > self.most:
            room = self.most - self._column
            self._put(cells[:room])
            del cells[:room]
            self.lines.append(self.text)
            self._clear()
            self._column = 0
        self._put(cells)

    def _put(self, cells: list[str]) -> None:
        start, end = self._column, self._column + len(cells)
        self._pad(start)
        self._split(start)
        self._split(end)
        self._cells[start:end] = cells
        self._pens[start:end] = [self._pen] * len(cells)
        self._column = end
        self._backed = False

    def _to_cells(self, text: str) -> list[str]:
        cells: list[str] = []
        for character in text:
            width = 1 if character < "\u0300" else _width(character)
            if width:
                cells += [character, *[""] * (width - 1)]
            else:
                before = cells or self._cells
                _combine(before, (len(cells) or min(self._column, len(before))) - 1, character)
        return cells

    def _tabulate(self) -> None:
        """Move to the next tab stop; at the end of the text, the tab is a part of it."""
        size = TAB - self._column % TAB
        if self._column == len(self._cells) and self._column + size <= self.most:
            self._put(["\t", *[""] * (size - 1)])
        else:
            self._move(self._column + size)

    def _pad(self, column: int) -> None:
        if (missing := column - len(self._cells)) > 0:
            self._cells += " " * missing
            self._pens += [""] * missing

    def _split(self, column: int) -> None:
        """Replace a wide character or a tab by blanks if only a part of it is left of ``column``."""
        if column >= len(self._cells) or self._cells[column]:
            return
        start = end = column
        while start > 0 and not self._cells[start]:
            start -= 1
        while end < len(self._cells) and not self._cells[end]:
            end += 1
        self._cells[start:end] = [" "] * (end - start)

    def _clear(self) -> None:
        self._cells.clear()
        self._pens.clear()

    def _blank(self, start: int, end: int) -> None:
        end = min(end, len(self._cells))
        if start < end:
            self.work += (end - start) // CELLS
            self._split(start)
            self._split(end)
            self._cells[start:end] = [" "] * (end - start)
            self._pens[start:end] = [""] * (end - start)

    def _delete(self, count: int) -> None:
        start, end = self._column, min(self._column + count, len(self._cells))
        if start < end:
            self.work += (len(self._cells) - start) // CELLS
            self._split(start)
            self._split(end)
            del self._cells[start:end]
            del self._pens[start:end]

    def _insert(self, count: int) -> None:
        if self._column < len(self._cells):
            self.work += (len(self._cells) - self._column) // CELLS
            count = min(count, COLUMNS)
            self._split(self._column)
            self._cells[self._column : self._column] = " " * count
            self._pens[self._column : self._column] = [""] * count
            del self._cells[self.most :]
            del self._pens[self.most :]


def _uncovered(text: str) -> str:
    """Return plain ``text`` without what later parts of it, each after a carriage return, are drawn over."""
    first, *parts = text.split("\r")
    kept = [parts.pop()]
    longest = len(kept[0])
    for part in reversed(parts):
        if len(part) > longest:
            longest = len(part)
            kept.append(part)
    return "\r".join([first, *reversed(kept)])


def to_drawn(text: str, most: int) -> str:
    """Return one whole line as a person sees it."""
    return run(draw(text, most))


def draw(text: str, most: int) -> Steps[str]:
    """As ``to_drawn``, in steps."""
    data = text.encode("utf-8", "replace")
    if not REDRAW.search(data):
        return text
    row = Row(most)
    yield from row.feed(data)
    return "".join(row.finish())


def _combine(cells: list[str], at: int, mark: str) -> None:
    """Add ``mark`` to the character at ``at``, if there is one."""
    while at > 0 and not cells[at]:
        at -= 1
    if at >= 0 and len(cells[at]) < MARKS:
        cells[at] += mark


def _is_unfinished(token: re.Match[str], text: str) -> bool:
    """Return true if what follows ``text`` can belong to ``token``, which is at its end.

    A carriage return belongs to the end of the line if nothing follows it.
    """
    if token.lastgroup == "back":
        return token.end() == len(text) and text[-1] == "\r"
    if token[0][0] != "\x1b" or token[token.lastgroup or 0]:
        return False
    if token.end() == len(text):
        return True
    return token.lastgroup in ("bell", "end") and text[-1] == "\x1b"


def _shortened(token: re.Match[str], text: str) -> str:
    """Return the beginning of an unfinished sequence, without what does not matter."""
    if token.lastgroup == "back":
        return "\r"
    if token.lastgroup in ("bell", "end"):
        return text[token.start() : token.start() + 2] + text[token.end() :]
    if token.lastgroup == "final":
        return f"\x1b[{token['parameters'][: PARAMETERS + 1]}{token['between'][:1]}"
    return text[token.start() : token.start() + 2]


def _to_number(parameters: str) -> int:
    head = parameters.partition(";")[0]
    return int(head) if head.isdecimal() and head.isascii() else 0


def _to_change(last: str, pen: str) -> str:
    if last == pen:
        return ""
    if not pen:
        return "\x1b[0m"
    return f"\x1b[0;{pen}m" if last else f"\x1b[{pen}m"


@lru_cache(maxsize=1024)
def _to_pen(pen: str, parameters: str) -> str:
    """Return the colours after an SGR sequence, as the parameters of one that sets all of them."""
    attributes = dict(_to_attributes(pen)) if pen else {}
    for group, code in _to_attributes(parameters):
        if group:
            attributes[group] = code
        elif code == "0":
            attributes.clear()
        else:
            for off in _OFF.get(int(code), ()):
                attributes.pop(off, None)
    return ";".join(attributes[group] for group in sorted(attributes))


def _to_attributes(parameters: str) -> Iterator[tuple[int, str]]:
    """Give what each code sets, and the code; 0 for one that sets nothing."""
    codes = parameters.split(";")
    while codes:
        code = codes.pop(0)
        number = int(code.partition(":")[0] or 0)
        if number in (38, 48, 58) and code.isdecimal() and codes:
            length = _LENGTHS.get(codes[0], 1) - 1
            code = ";".join([code, *codes[:length]])
            del codes[:length]
        yield _GROUPS.get(number, 0), code if number in _GROUPS else str(number)


@lru_cache(maxsize=1024)
def _width(character: str) -> int:
    """Return the columns that a character takes on a terminal."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
