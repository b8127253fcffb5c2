"""Tables, as text: by rich, which is imported when the first one is made."""

import io
from collections.abc import Sequence
from typing import Final

import attrs

WIDE: Final = 10_000


@attrs.frozen
class Cell:
    """A text that is fit for a terminal, and how it looks in colour (rich's words)."""

    text: str
    style: str = ""


def render(titles: Sequence[str], rows: Sequence[Sequence[Cell]], *, width: int | None, colours: bool) -> str:
    """Rows beneath ``titles``, folded where they are wider than ``width``, and never cut."""
    from rich.console import Console  # noqa: PLC0415 - what shows no table does not wait for it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=width is None)
    for row in rows:
        table.add_row(*(Text(cell.text, style=cell.style) for cell in row))
    written = io.StringIO()
    console = Console(
        file=written,
        width=width or WIDE,
        force_terminal=colours,
        color_system="standard" if colours else None,
        highlight=False,
        legacy_windows=False,
    )
    console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())
