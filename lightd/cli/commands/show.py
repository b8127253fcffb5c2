"""``lightd inspect ID…``: all that the daemon shows of containers, as JSON."""

import argparse
import json
from typing import Any

from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import REFUSED, Trouble


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Print an array of the containers, or one object per line with ``--json``."""
    code, found = 0, list[dict[str, Any]]()
    for internal_id in args.ids:
        try:
            found.append(_ask(internal_id, client))
        except Trouble as trouble:
            output.error(str(trouble))
            code = code or trouble.code
    if args.json:
        for each in found:
            output.json(each)
    else:
        output.line(json.dumps(found, indent=4))
    return code


def _ask(internal_id: str, client: Client) -> dict[str, Any]:
    """What is known of a container, with the variables of its egg if the token may see them."""
    shown: dict[str, Any] = client.ask("GET", f"/containers/{internal_id}")
    if shown.get("egg") is not None:
        try:
            shown["variables"] = client.ask("GET", f"/containers/{internal_id}/variables")["variables"]
        except Trouble as trouble:
            if trouble.code != REFUSED and trouble.answer.get("code") != "egg_damaged":
                raise
    return shown
