"""``lightd token [ls | new | rm]``: minted tokens. They need the master token."""

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lightd.cli.commands import formats, remove, screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.tables import Cell

TITLES: Final = ("TOKEN ID", "CREATED", "EXPIRES", "CONTAINERS", "PERMISSIONS")


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Do what ``args.action`` says; the default is to list."""
    match args.action:
        case "new":
            return _mint(args, client, output)
        case "rm":
            return remove.delete(args.token_ids, "/auth/tokens", client, output)
        case _:
            return _list(args, client, output)


def _mint(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Print the secret of a new token, which is shown only here."""
    body: dict[str, Any] = {"ttl": args.ttl, "remove_on_use": args.once}
    if args.container:
        body["containers"] = args.container
    if args.permission:
        body["permissions"] = args.permission
    made = client.ask("POST", "/auth/tokens", body=body)
    if args.json:
        output.json(made)
    else:
        output.line(screen.to_name(str(made["token"])))
        output.note(
            f"token {made['id']} expires at {made['expires_at']}; `lightd token rm {made['id']}` revokes it"
        )
    return 0


def _list(args: argparse.Namespace, client: Client, output: Output) -> int:
    tokens: list[dict[str, Any]] = client.ask("GET", "/auth/tokens")["tokens"]
    if args.json:
        for token in tokens:
            output.json(token)
    else:
        output.table(TITLES, [to_cells(token, time.time()) for token in tokens])
    return 0


def to_cells(token: Mapping[str, Any], now: float) -> list[Cell]:
    """One token's row."""
    spent = " (used)" if token["spent"] else " (single use)" if token["remove_on_use"] else ""
    texts = (
        token["id"],
        formats.to_ago(token["created_at"], now),
        f"{token['expires_at']}{spent}",
        _to_limit(token["containers"]),
        _to_limit(token["permissions"]),
    )
    return [Cell(screen.to_name(str(text))) for text in texts]


def _to_limit(names: Sequence[str] | None) -> str:
    return "all" if names is None else ", ".join(sorted(names)) or "none"
