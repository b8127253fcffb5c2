"""``lightd inspect ID…``: all that the daemon shows of containers, as JSON."""

import argparse
import json
from typing import Any

from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import Trouble


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Print an array of the containers, or one object per line with ``--json``."""
    code, found = 0, list[dict[str, Any]]()
    for internal_id in args.ids:
        try:
            found.append(client.ask("GET", f"/containers/{internal_id}"))
        except Trouble as trouble:
            output.error(str(trouble))
            code = code or trouble.code
    if args.json:
        for each in found:
            output.json(each)
    else:
        output.line(json.dumps(found, indent=4))
    return code
