"""Tables as text, rendered by rich, which is imported for the first table."""

import io
from collections.abc import Sequence
from typing import Final

import attrs

WIDE: Final = 10_000


@attrs.frozen
class Cell:
    """Text that was filtered for a terminal, and its style for rich."""

    text: str
    style: str = ""


def render(titles: Sequence[str], rows: Sequence[Sequence[Cell]], *, width: int | None, colours: bool) -> str:
    """Rows below ``titles``, wrapped at ``width`` and never truncated."""
    from rich.console import Console  # noqa: PLC0415 - only loaded for a table
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
