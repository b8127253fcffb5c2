"""``lightd ps``: list the containers of the node."""

import argparse
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from lightd.cli.commands import filters, formats, screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.tables import Cell

STYLES: Final = MappingProxyType(
    {
        "running": "green",
        "starting": "yellow",
        "stopping": "yellow",
        "installing": "cyan",
        "crashed": "red",
        "failed": "red",
        "quarantined": "bold red",
        "exited": "dim",
        "offline": "dim",
    }
)
TITLES: Final = ("ID", "IMAGE", "CREATED", "STATUS", "CPU", "MEMORY", "PORTS")
NAME: Final = "NAME"
"""The last column if a container has a display name."""


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Print the containers that match the filters."""
    found: list[dict[str, Any]] = client.ask("GET", "/containers")["containers"]
    rows = [row for row in found if filters.matches(row, args.filter)]
    rows.sort(key=lambda row: str(row["internal_id"]))
    if args.json or args.format == "json":
        for row in rows:
            output.json(row)
    elif args.quiet:
        output.lines("".join(f"{screen.to_name(row['internal_id'])}\n" for row in rows))
    else:
        named = any(row.get("display_name") for row in rows)
        shown = [to_cells(row, time.time(), named=named) for row in rows]
        output.table((*TITLES, NAME) if named else TITLES, shown)
    return 0


def to_cells(row: Mapping[str, Any], now: float, *, named: bool = False) -> Sequence[Cell]:
    """One container's row."""
    created_at = row.get("created_at")
    cpu, memory = row.get("cpu_usage"), row.get("memory_usage")
    texts = (
        row["internal_id"],
        row["image"] or "-",
        "-" if created_at is None else formats.to_ago(created_at, now),
        formats.to_status(row, now),
        "-" if cpu is None else f"{cpu:.1f}%",
        "-" if memory is None else formats.to_size(memory),
        formats.to_ports(row["ports"]) or "-",
        *([row.get("display_name") or "-"] if named else []),
    )
    style = STYLES.get(formats.to_state(row), "")
    return [
        Cell(screen.to_name(str(text)), style if title == "STATUS" else "")
        for title, text in zip((*TITLES, NAME), texts, strict=False)
    ]
