"""``lightd ps``: list the containers of the node."""

import argparse
from collections.abc import Mapping
from typing import Any

from lightd.cli.commands import screen, tables
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.tables import Cell

_STYLES = {
    "running": "green",
    "starting": "yellow",
    "stopping": "yellow",
    "installing": "cyan",
    "failed": "red",
    "quarantined": "bold red",
    "offline": "dim",
}


async def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Print all containers."""
    found: list[dict[str, Any]] = (await client.ask("GET", "/containers"))["containers"]
    found.sort(key=lambda row: str(row["internal_id"]))
    if args.json:
        for row in found:
            output.json(row)
    elif args.quiet:
        for row in found:
            output.line(screen.to_name(row["internal_id"]))
    else:
        rows = [to_cells(row) for row in found]
        titles = ("ID", "STATE", "IMAGE", "PORTS")
        output.lines(tables.render(titles, rows, width=output.width, colours=output.colours))
    return 0


def to_cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    """One container's row."""
    state = to_state(row)
    ports = ", ".join(to_port(port) for port in row["ports"])
    texts = (row["internal_id"], row["image"] or "-", ports or "-")
    name, image, shown = map(screen.to_name, texts)
    return Cell(name), Cell(screen.to_name(state), _STYLES.get(state, "")), Cell(image), Cell(shown)


def to_state(row: Mapping[str, Any]) -> str:
    """The most important state of a container, as one word."""
    if row.get("quarantined"):
        return "quarantined"
    if row["install_state"] != "ready":
        return str(row["install_state"])
    return str(row["state"])


def to_port(port: Mapping[str, Any]) -> str:
    """A port as ``docker ps`` has it: ``0.0.0.0:25565->25565/tcp``."""
    ip = f"[{port['ip']}]" if ":" in str(port["ip"]) else port["ip"]
    return f"{ip}:{port['port']}->{port['container_port']}/{port['protocol']}"
