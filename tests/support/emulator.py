"""A terminal as far as the console uses one: what a person sees on it, and what has scrolled off."""

import re
import unicodedata

import attrs

TOKEN = re.compile(r"\x1b\[(\??[0-9;]*)([@-~])|\r|\n|\x08|\x1b.|[\s\S]")


@attrs.define
class Emulator:
    """Draws text on ``columns`` by ``rows`` cells; wraps and scrolls as xterm does."""

    columns: int
    rows: int
    scrolled: list[str] = attrs.field(factory=list)
    row: int = 0
    column: int = 0
    modes: set[str] = attrs.field(factory=set)
    _cells: list[list[str]] = attrs.field(factory=list)

    def __attrs_post_init__(self):
        self._cells = [[] for _ in range(self.rows)]

    @property
    def lines(self):
        """The rows of the screen, without the empty ones at its end."""
        shown = ["".join(cells).rstrip() for cells in self._cells]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    @property
    def everything(self):
        """The scroll-back and the screen."""
        return [*self.scrolled, *self.lines]

    def resize(self, columns):
        """Cut all rows, as xterm does."""
        self.columns = columns
        for cells in self._cells:
            del cells[columns:]

    def feed(self, text):
        for token in TOKEN.finditer(text):
            if token[2]:
                self._control(token[1], token[2])
            elif token[0] == "\r":
                self.column = 0
            elif token[0] == "\n":
                self._down()
            elif token[0] == "\x08":
                self.column = max(0, self.column - 1)
            elif token[0][0] != "\x1b":
                self._put(token[0])

    def _down(self):
        if self.row == self.rows - 1:
            self.scrolled.append("".join(self._cells.pop(0)).rstrip())
            self._cells.append([])
        else:
            self.row += 1

    def _put(self, character):
        cells = self._cells[self.row]
        if unicodedata.category(character) in ("Mn", "Me", "Cf"):
            if self.column:
                cells[self.column - 1] += character
            return
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self.column + width > self.columns:
            self._down()
            self.column, cells = 0, self._cells[self.row]
        cells += " " * (self.column + width - len(cells))
        cells[self.column : self.column + width] = [character, *[""] * (width - 1)]
        self.column += width

    def _control(self, parameters, final):
        number = int(parameters) if parameters.isdigit() else 0
        match final:
            case "A":
                self.row = max(0, self.row - max(number, 1))
            case "C":
                self.column = min(self.columns - 1, self.column + max(number, 1))
            case "H":
                self.row = self.column = 0
            case "K" | "J":
                start = 0 if number == 2 else self.column
                del self._cells[self.row][start:]
                if final == "J":
                    first = 0 if number == 2 else self.row + 1
                    self._cells[first:] = [[] for _ in range(self.rows - first)]
            case "h":
                self.modes.add(parameters)
            case "l":
                self.modes.discard(parameters)
            case _:
                assert final == "m", (parameters, final)
