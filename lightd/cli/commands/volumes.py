"""``lightd volumes [ls | create | rm]``: the volumes of the node."""

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lightd.cli.commands import formats, remove, screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.tables import Cell

TITLES: Final = ("VOLUME ID", "SIZE", "CREATED", "USED BY")


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Do what ``args.action`` says; the default is to list."""
    match args.action:
        case "create":
            made = create(args.size, client)
            output.json(made) if args.json else output.line(screen.to_name(str(made["volume_id"])))
            return 0
        case "rm":
            return remove.delete(args.volume_ids, "/volumes", client, output)
        case _:
            return _list(args, client, output)


def create(size: int | None, client: Client) -> Mapping[str, Any]:
    """Create a volume of at most ``size`` bytes, rounded down to MiB; return the response."""
    body = {} if size is None else {"size": max(1, size // 2**20)}
    made: dict[str, Any] = client.ask("POST", "/volumes", body=body)
    return made


def _list(args: argparse.Namespace, client: Client, output: Output) -> int:
    volumes: list[dict[str, Any]] = client.ask("GET", "/volumes")["volumes"]
    if args.json:
        for volume in volumes:
            output.json(volume)
    elif args.quiet:
        output.lines("".join(f"{screen.to_name(str(volume['volume_id']))}\n" for volume in volumes))
    else:
        users = _to_users(client)
        output.table(TITLES, [to_cells(volume, users, time.time()) for volume in volumes])
    return 0


def _to_users(client: Client) -> dict[str, list[str]]:
    """The containers of each volume."""
    users: dict[str, list[str]] = {}
    for row in client.ask("GET", "/containers")["containers"]:
        users.setdefault(str(row.get("volume_id")), []).append(row["internal_id"])
    return users


def to_cells(volume: Mapping[str, Any], users: Mapping[str, Sequence[str]], now: float) -> list[Cell]:
    """One volume's row."""
    size = volume.get("quota_mb")
    texts = (
        volume["volume_id"],
        "-" if size is None else formats.to_size(size * 2**20),
        formats.to_ago(volume["created_at"], now),
        ", ".join(sorted(users.get(volume["volume_id"], ()))) or "-",
    )
    return [Cell(screen.to_name(str(text))) for text in texts]
