"""What a command writes: lines, tables and JSON on standard output, sentences on standard error.

Colours are for a terminal, and not where ``NO_COLOR`` is set (no-color.org) or the terminal is ``dumb``. All
that comes from elsewhere goes through ``screen`` before it gets here; JSON is ASCII, and safe by that.
"""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

import attrs

from lightd.commands import screen
from lightd.standard import Unwritten

DIM = "\x1b[2m"


@attrs.frozen
class Output:
    """Where a command writes. ``width`` is the terminal's, None where there is none.

    All that writes to standard output raises ``Unwritten``.
    """

    out: TextIO
    err: TextIO
    colours: bool
    width: int | None

    def line(self, text: str) -> None:
        """One line, at once."""
        self.lines(f"{text}\n")

    def lines(self, text: str) -> None:
        """All of ``text``, at once."""
        try:
            self.out.write(text)
            self.out.flush()
        except OSError as error:
            raise Unwritten(*error.args) from None

    def json(self, value: object) -> None:
        """One line of JSON."""
        self.line(json.dumps(value))

    def note(self, sentence: str) -> None:
        """A sentence on the side."""
        text = f"lightd: {screen.to_name(sentence)}"
        if self.colours and self.err.isatty():
            text = f"{DIM}{text}{screen.RESET}"
        self.err.write(f"{text}\n")
        self.err.flush()

    def error(self, sentence: str) -> None:
        """Why it can't be done."""
        self.err.write(f"lightd: {screen.to_name(sentence)}\n")
        self.err.flush()


def to_output(environ: Mapping[str, str]) -> Output:
    """The output of this process."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a test's own
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # the locale may have no word for it
    terminal = sys.stdout.isatty()
    colours = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    width = None
    if terminal:
        with suppress(OSError):
            width = os.get_terminal_size(sys.stdout.fileno()).columns or None
    return Output(sys.stdout, sys.stderr, colours, width)
