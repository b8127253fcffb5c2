"""``lightd events [ID] [-f]``: past events from the journal, and new ones."""

import argparse
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import attrs

from lightd.cli.commands import screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.live import Frame, Live
from lightd.cli.commands.output import Output
from lightd.cli.commands.sentences import to_sentence

EVENTS: Final = 100
PAGE: Final = 1000
_KNOWN = {"event", "data", "seq", "internal_id"}


@attrs.define(eq=False)
class Told:
    """The events that were printed so far, each once, up to ``seq``."""

    _output: Output
    _json: bool
    _internal_id: str | None
    seq: int | None = None

    def take(self, frame: Frame) -> None:
        """Print a change of state; ignore other frames."""
        if frame["event"] != "event" or frame["seq"] <= (self.seq or 0):
            return
        self.seq = frame["seq"]
        details = {key: value for key, value in frame.items() if key not in _KNOWN}
        self.tell(
            {
                "internal_id": frame.get("internal_id", self._internal_id),
                "seq": frame["seq"],
                "at": time.time(),
                "type": frame["data"],
                "data": details,
            }
        )

    def tell(self, entry: Mapping[str, Any]) -> None:
        """Print one event."""
        if self._json:
            self._output.json(entry)
        else:
            self._output.line(to_line(entry))

    def to_query(self) -> dict[str, int]:
        """The query with which the next connection continues."""
        return {} if self.seq is None else {"since": self.seq}


def run(args: argparse.Namespace, client: Client, output: Output) -> int | Live:
    """Show the last events; with ``--follow`` the changes of state that come."""
    limit = args.lines if args.lines is not None else 0 if args.follow else EVENTS
    told = Told(output, args.json, args.id)
    if limit:
        for entry in history(client, args.id, limit):
            told.tell(entry)
            told.seq = entry["seq"]
    elif args.id is not None:
        client.ask("GET", f"/containers/{args.id}")
    return partial(_follow, args.id, client, output, told) if args.follow else 0


async def _follow(internal_id: str | None, client: Client, output: Output, told: Told) -> int:
    from lightd.cli.commands.viewing import Viewing  # noqa: PLC0415 - loads Trio and the WebSocket library

    path = "/ws" if internal_id is None else f"/ws/{internal_id}"
    await Viewing(client.address, path, told.to_query, told.take, output.note).follow()
    output.note(f"container {internal_id} was deleted")
    return 0


def history(client: Client, internal_id: str | None, limit: int) -> list[dict[str, Any]]:
    """The last ``limit`` events of the container, or of all containers, in order."""
    ids = [internal_id]
    if internal_id is None:
        ids = [row["internal_id"] for row in client.ask("GET", "/containers")["containers"]]
    found: list[dict[str, Any]] = []
    for each in ids:
        last: deque[dict[str, Any]] = deque(maxlen=limit)
        since = 0
        path = f"/containers/{each}/events"
        while (page := client.ask("GET", path, since=since, limit=PAGE))["events"]:
            last.extend({"internal_id": each, **entry} for entry in page["events"])
            since = page["next"]
        found.extend(last)
    return sorted(found, key=lambda entry: int(entry["seq"]))[-limit:]


def to_line(entry: Mapping[str, Any]) -> str:
    """An event as one line: time, container, and what happened."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["at"]))
    whole = f"{at}  {entry['internal_id']}  {to_sentence(entry['type'], entry['data'])}"
    return screen.to_name(whole).rstrip()
