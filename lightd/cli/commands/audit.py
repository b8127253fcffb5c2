"""``lightd audit``: the last calls that changed something. It needs the master token."""

import argparse
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from lightd.cli.commands import screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.output import Output
from lightd.cli.commands.tables import Cell

ENTRIES: Final = 100
PAGE: Final = 1000
TITLES: Final = ("TIME", "TOKEN", "ADDRESS", "CALL", "RESULT")


def run(args: argparse.Namespace, client: Client, output: Output) -> int:
    """Print the last entries, oldest first."""
    last: deque[dict[str, Any]] = deque(maxlen=ENTRIES if args.lines is None else args.lines)
    since = args.since
    while (page := client.ask("GET", "/audit", since=since, limit=PAGE))["entries"]:
        last.extend(page["entries"])
        since = page["next"]
    if args.json:
        for entry in last:
            output.json(entry)
    else:
        output.table(TITLES, [to_cells(entry) for entry in last])
    return 0


def to_cells(entry: Mapping[str, Any]) -> list[Cell]:
    """One entry's row."""
    status, code = entry["status"], entry["code"]
    failed = code is not None
    texts = (
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["at"])),
        entry["token_id"],
        entry["address"] or "-",
        f"{entry['method']} {entry['route']}",
        " ".join(str(each) for each in (status, code) if each is not None) or "-",
    )
    styles = ("", "", "", "", "red" if failed else "")
    return [Cell(screen.to_name(str(text)), style) for text, style in zip(texts, styles, strict=True)]
