"""The output of a command: lines, tables and JSON on standard output, messages on standard error.

Colours are used on a terminal only, and not if ``NO_COLOR`` is set (no-color.org) or ``TERM`` is ``dumb``.
Untrusted text is filtered by ``screen`` before it gets here; JSON is written as ASCII and is therefore safe.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import attrs

from lightd.cli.commands import screen, tables
from lightd.cli.commands.tables import Cell
from lightd.cli.stdio import Unwritten

DIM = "\x1b[2m"


class Stream(Protocol):
    """Where text can be written, for example a file."""

    def write(self, text: str, /) -> object:
        """Take ``text``."""

    def flush(self) -> None:
        """Print what was taken; raises ``OSError``."""

    def isatty(self) -> bool:
        """Whether a person sees it."""


@attrs.frozen
class Output:
    """Where a command writes. ``width`` is that of the terminal, None without one.

    Every method that writes to standard output can raise ``Unwritten``.
    """

    out: Stream
    err: Stream
    colours: bool
    width: int | None

    def line(self, text: str) -> None:
        """Write one line and flush it."""
        self.lines(f"{text}\n")

    def lines(self, text: str) -> None:
        """Write ``text`` and flush it."""
        try:
            self.out.write(text)
            self.out.flush()
        except OSError as error:
            raise Unwritten(*error.args) from None

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Write a table that is as wide as the terminal at most."""
        self.lines(tables.render(titles, rows, width=self.width, colours=self.colours))

    def json(self, value: object) -> None:
        """Write one line of JSON."""
        self.line(json.dumps(value))

    def note(self, sentence: str) -> None:
        """Write a note to standard error."""
        text = f"lightd: {screen.to_name(sentence)}"
        if self.colours and self.err.isatty():
            text = f"{DIM}{text}{screen.RESET}"
        self.err.write(f"{text}\n")
        self.err.flush()

    def error(self, sentence: str) -> None:
        """Write an error to standard error."""
        self.err.write(f"lightd: {screen.to_name(sentence)}\n")
        self.err.flush()


def to_output(environ: Mapping[str, str]) -> Output:
    """The output of this process."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a stream of a test
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # the locale may not have every character
    terminal = sys.stdout.isatty()
    colours = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    width = None
    if terminal:
        with suppress(OSError):
            width = os.get_terminal_size(sys.stdout.fileno()).columns or None
    return Output(sys.stdout, sys.stderr, colours, width)
