"""Tables as text. Pure."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Final

import attrs

from lightd.cli.commands.cells import fold, width_of
from lightd.cli.commands.screen import RESET

GAP: Final = 2
NARROW: Final = 7
"""No column that was wider becomes narrower than this."""
STYLES: Final = MappingProxyType({"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36})
"""The names of styles, and their SGR parameters (ECMA-48, 8.3.117)."""


@attrs.frozen
class Cell:
    """Text that was filtered for a terminal, and the names of its styles."""

    text: str
    style: str = ""


def render(titles: Sequence[str], rows: Sequence[Sequence[Cell]], *, width: int | None, colours: bool) -> str:
    """Rows below ``titles``, and no text is truncated.

    Cells are folded if the table is wider than ``width`` columns. If they would become too narrow for that,
    the terminal wraps whole lines.
    """
    table = [[Cell(title, "bold") for title in titles], *rows]
    widths = [max(width_of(cell.text) for cell in column) for column in zip(*table, strict=True)]
    if width is not None:
        widths = _shrunk(widths, width - GAP * (len(widths) - 1))
    return "".join(f"{line}\n" for row in table for line in _to_lines(row, widths, colours=colours))


def _shrunk(widths: Sequence[int], room: int) -> list[int]:
    """``widths`` with columns taken from the widest until all fit into ``room``, or ``widths`` as they are.

    The first column, which has the names that people copy, is the last to become narrower.
    """
    shrunk = list(widths)
    for first, least in ((1, NARROW), (0, NARROW)):
        while sum(shrunk) > room and max(shrunk[first:], default=0) > least:
            shrunk[shrunk.index(max(shrunk[first:]), first)] -= 1
    return shrunk if sum(shrunk) <= room else list(widths)


def _to_lines(row: Sequence[Cell], widths: Sequence[int], *, colours: bool) -> Iterator[str]:
    pieces = [list(fold(cell.text, width)) for cell, width in zip(row, widths, strict=True)]
    for line in zip_longest(*pieces, fillvalue=""):
        shown = [
            f"{_styled(text, cell.style) if colours else text}{' ' * (width - width_of(text) + GAP)}"
            for text, cell, width in zip(line, row, widths, strict=True)
        ]
        yield "".join(shown).rstrip()


def _styled(text: str, style: str) -> str:
    if not text or not style:
        return text
    return f"\x1b[{';'.join(str(STYLES[name]) for name in style.split())}m{text}{RESET}"
