"""``lightd ports [ls | add | rm]``: the ports of the pool."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from lightd.cli.commands import formats, screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.tables import Cell

TITLES: Final = ("PORT", "USED BY")


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Do what ``args.action`` says; the default is to list."""
    if args.action in {"add", "rm"}:
        keys = [
            {name: port[name] for name in ("ip", "port", "protocol")} for each in args.ports for port in each
        ]
        if args.action == "add":
            answer = client.ask("POST", "/network/ports/bulk", body={"ports": keys})
            text = f"{answer['count']} ports were added"
        else:
            answer = client.ask("POST", "/network/ports/bulk-delete", body={"ports": keys})
            kept = f"; {len(answer['skipped'])} are in use and were kept" if answer["skipped"] else ""
            text = f"{answer['deleted_count']} ports were removed{kept}"
        output.json(answer) if args.json else output.line(text)
        return 0
    ports: list[dict[str, Any]] = client.ask("GET", "/network/ports")["ports"]
    if args.json:
        for port in ports:
            output.json(port)
    else:
        output.table(TITLES, [[Cell(screen.to_name(text)) for text in row] for row in to_rows(ports)])
    return 0


def to_rows(ports: Iterable[Mapping[str, Any]]) -> list[Sequence[str]]:
    """The rows of the table: ports in a row with the same user are one range. Pure."""
    return [
        (f"{formats.to_host(first, count)}/{first['protocol']}", _to_user(first))
        for first, count in formats.in_a_row(ports, _to_user)
    ]


def _to_user(port: Mapping[str, Any]) -> str:
    return str(port.get("used_by") or ("in use" if port["in_use"] else "-"))
