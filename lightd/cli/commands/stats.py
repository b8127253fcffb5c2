"""``lightd stats [ID…]`` and ``lightd top``: what containers use, once or again and again.

``stats`` is as ``docker stats``: the containers that run, by their names. ``top`` begins with a line about
the node and shows those that use most first. On a terminal both draw on its alternate screen until they are
interrupted; otherwise, and with ``--no-stream``, they print once. ``stats --json`` prints an object for each
container and sample.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import attrs

from lightd.cli.commands import formats, interrupts, ps, screen, tables
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.tables import Cell
from lightd.cli.commands.trouble import REFUSED, UNKNOWN, Trouble

TITLES: Final = ("ID", "CPU", "MEMORY / LIMIT", "MEMORY", "NET I/O", "BLOCK I/O", "PIDS", "STATUS")
_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The alternate screen, no cursor, lines are cut at the right margin."""
_LEAVE: Final = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_END_OF_LINE: Final = "\x1b[K"
_END_OF_SCREEN: Final = "\x1b[J"

Row = Mapping[str, Any]


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Print the statistics once, or draw them until a signal ends the command."""
    if args.no_stream or (output.width is None and not args.json):
        _print(args, client, output)
        return 0
    with _drawing(output, draws=not args.json):
        while True:
            interrupts.check()
            if args.json:
                _print(args, client, output)
            else:
                columns, rows = os.get_terminal_size(sys.stdout.fileno())
                shown = attrs.evolve(output, width=columns)
                output.lines(to_page(_to_text(args, client, shown), rows))
            time.sleep(args.interval)


def _print(args: argparse.Namespace, client: Client, output: Output) -> None:
    if not args.json:
        return output.lines(_to_text(args, client, output))
    for row in _ask(args, client):
        output.json(row)
    return None


@contextmanager
def _drawing(output: Output, *, draws: bool) -> Iterator[None]:
    """Within the block the terminal shows its alternate screen, without a cursor."""
    if not draws:
        yield
        return
    output.lines(_ENTER)
    try:
        yield
    finally:
        output.lines(_LEAVE)


def _ask(args: argparse.Namespace, client: Client) -> list[dict[str, Any]]:
    """The rows to show, in their order; raises ``Trouble`` if a container that was named does not exist."""
    rows: list[dict[str, Any]] = client.ask("GET", "/stats")["containers"]
    if args.command == "top":
        return sorted(
            rows, key=lambda row: (-(row["current"] or {}).get("cpu_usage", -1), row["internal_id"])
        )
    rows.sort(key=lambda row: str(row["internal_id"]))
    if not args.ids:
        return [row for row in rows if args.all or row["current"]]
    by_id = {row["internal_id"]: row for row in rows}
    for internal_id in args.ids:
        if internal_id not in by_id:
            raise Trouble(UNKNOWN, f"no such container: {internal_id}")
    return [by_id[internal_id] for internal_id in dict.fromkeys(args.ids)]


def _to_text(args: argparse.Namespace, client: Client, output: Output) -> str:
    head = _to_head(client) if args.command == "top" else ""
    rows = [to_cells(row) for row in _ask(args, client)]
    return head + tables.render(TITLES, rows, width=output.width, colours=output.colours)


def _to_head(client: Client) -> str:
    """A line about the node, empty for a token that may not see it."""
    try:
        return f"{screen.to_name(to_summary(client.ask('GET', '/node')))}\n"
    except Trouble as trouble:
        if trouble.code == REFUSED:
            return ""
        raise


def to_summary(node: Mapping[str, Any]) -> str:
    """The node in one line. Pure."""
    parts = [f"{node['node']}, lightd {node['version']}"]
    if host := node.get("host"):
        memory = host["memory"]
        used = formats.to_size(memory["total"] - memory["available"])
        parts.append(f"load {' '.join(f'{each:.2f}' for each in host['load'])} on {host['cpus']} cores")
        parts.append(f"memory {used} of {formats.to_size(memory['total'])}")
    counts = node["containers"]
    parts.append(f"{counts['running']} of {counts['total']} containers running")
    if not node["engine"]["available"]:
        parts.append("the engine does not answer")
    return "; ".join(parts)


def to_cells(row: Row) -> Sequence[Cell]:
    """One container's row. Pure."""
    now = row["current"]
    style = ps.STYLES.get(row["state"], "")
    if now is None:
        texts: tuple[str, ...] = ("-",) * (len(TITLES) - 2)
    else:
        limit = now["memory_limit"]
        texts = (
            f"{now['cpu_usage']:.1f}%",
            f"{formats.to_size(now['memory_usage'])} / {formats.to_size(limit)}",
            f"{now['memory_usage'] / limit:.1%}" if limit else "-",
            f"{formats.to_size(now['network_rx'])} / {formats.to_size(now['network_tx'])}",
            f"{formats.to_size(now['block_read'])} / {formats.to_size(now['block_write'])}",
            "-" if now.get("pids") is None else str(now["pids"]),
        )
    age = "" if now is None else formats.to_age(now["uptime"])
    status = f"{row['state']} {age[:1].lower()}{age[1:]}".rstrip()
    plain = [Cell(screen.to_name(text)) for text in (row["internal_id"], *texts)]
    return [*plain, Cell(screen.to_name(status), style)]


def to_page(text: str, rows: int) -> str:
    """``text`` drawn over the screen from its first line on, as many lines as it has. Pure."""
    lines = text.splitlines()[: rows - 1]
    return _HOME + "".join(f"{line}{_END_OF_LINE}\r\n" for line in lines) + _END_OF_SCREEN
