"""The input line at the bottom of a console, and the output above it.

1. The input line, and above it the server's unfinished line, are the last rows of the output. Before anything
   else is printed they are erased, and afterwards they are drawn again, in the same write: output never gets
   between the characters that were typed, and the terminal scrolls as with any program.
2. Both are cut at the width of the terminal, so each is one row, and erasing them needs no knowledge of how
   the terminal wraps.
3. The input line is scrolled sideways so that the cursor is visible.
"""

import os
import re
from typing import Final, TextIO

import attrs

from lightd.cli.commands import cells, screen
from lightd.cli.commands.line_editor import LineEditor

MARK: Final = "> "
NEWLINE: Final = "\u21b5"
PASTES: Final = "\x1b[?2004h"
"""Tells the terminal to mark what is pasted."""
NO_PASTES: Final = "\x1b[?2004l"
USUAL_COLUMNS: Final = 80
"""Of a terminal that does not know its size."""
_SGR: Final = re.compile(r"(\x1b\[[0-9;:]*m)")


@attrs.define(eq=False)
class Prompt:
    """Prints to ``out`` above the line of ``editor``: a stream for ``Output``, shown by ``flush``.

    ``unfinished`` is the server's line without an end, filtered for the terminal.
    """

    out: TextIO
    editor: LineEditor
    unfinished: str = ""
    _waiting: list[str] = attrs.field(factory=list)
    _rows: int = 0  # rows that are drawn

    def write(self, text: str) -> int:
        """Take ``text``, whole lines, to be printed."""
        self._waiting.append(text)
        return len(text)

    def flush(self) -> None:
        """Print what was written; raises ``OSError``."""
        text, self._waiting = "".join(self._waiting), []
        self._show(text, draws=True)

    def isatty(self) -> bool:
        """Always true."""
        return True

    def draw(self) -> None:
        """Draw both lines as they are now."""
        self._show("", draws=True)

    def clear(self) -> None:
        """Clear the screen, and draw both lines at its top."""
        self._rows = 0
        self._show("\x1b[H\x1b[2J", draws=True)

    def leave(self) -> None:
        """Erase the input line, and leave the server's unfinished line as output."""
        rest, self.unfinished = self.unfinished, ""
        self._show(f"{rest}\n" if rest else "", draws=False)

    def _show(self, text: str, *, draws: bool) -> None:
        columns = os.get_terminal_size(self.out.fileno()).columns or USUAL_COLUMNS
        erased = (f"\x1b[{self._rows - 1}A" if self._rows > 1 else "") + ("\r\x1b[J" if self._rows else "")
        shown, self._rows = "", 0
        if draws:
            line, at = to_line(self.editor, columns)
            rest = f"{to_cut(self.unfinished, columns - 1)}\n" if self.unfinished else ""
            shown = f"{rest}{line}\r" + (f"\x1b[{at}C" if at else "")
            self._rows = 2 if rest else 1
        self.out.write(erased + text + shown)
        self.out.flush()


def to_line(editor: LineEditor, columns: int) -> tuple[str, int]:
    """The row of the input line, and the column of the cursor in it."""
    mark = MARK if editor.search is None else f"(search `{editor.search}`) "
    mark = to_cut(screen.to_name(mark), columns // 2)
    room = max(1, columns - cells.width_of(mark) - 1)
    shown = [_to_shown(character) for character in editor.text]
    widths = [cells.width_of(each) for each in shown]
    start = 0
    if sum(widths) > room:
        start = editor.cursor
        while start and sum(widths[start - 1 : editor.cursor]) <= room:
            start -= 1
    end = start
    while end < len(shown) and sum(widths[start : end + 1]) <= room:
        end += 1
    return mark + "".join(shown[start:end]), cells.width_of(mark) + sum(widths[start : editor.cursor])


def _to_shown(character: str) -> str:
    if character == "\n":
        return NEWLINE
    return " " if character == "\t" else screen.to_name(character)


def to_cut(text: str, columns: int) -> str:
    """``text`` cut after ``columns`` columns, with all its colours."""
    kept, room = [], columns
    for piece in _SGR.split(text.replace("\t", " ")):
        if piece.startswith("\x1b"):
            kept.append(piece)
        elif room > 0:
            part = next(cells.fold(piece, room), "") if cells.width_of(piece) > room else piece
            kept.append(part)
            room -= cells.width_of(part) if part == piece else room
    return "".join(kept)
