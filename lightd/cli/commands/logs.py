"""``lightd logs ID [-f]``: the last lines of a console, and new ones."""

import argparse
import json
import time
from functools import partial
from typing import Any

import attrs

from lightd.cli.commands import screen
from lightd.cli.commands.client import Client
from lightd.cli.commands.live import Frame, Live
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import WRONG, Trouble

LINES = 100


@attrs.define(eq=False)
class Printed:
    """The console lines that were printed so far, each once, up to ``last``."""

    _output: Output
    _json: bool = False
    last: int | None = None
    _timestamps: bool = False

    def end(self, lines: list[dict[str, Any]]) -> None:
        """Print the last existing lines; new lines continue from there."""
        self.last = to_last(lines)
        shown = [self._shown(line["line"], line["text"], line.get("at")) for line in lines]
        self._output.lines("".join(f"{line}\n" for line in shown))

    def take(self, frame: Frame) -> None:
        """Print the new lines of a frame."""
        if frame["event"] == "console":
            texts = str(frame["data"]).split("\n")[:-1]
            new = [
                (number, text)
                for number, text in enumerate(texts, start=frame["line"])
                if number > (self.last or 0)
            ]
            if new:
                self.last = new[-1][0]
                at = frame.get("at")
                self._output.lines("".join(f"{self._shown(*line, at)}\n" for line in new))
        elif frame["event"] == "gap":
            self.last = max(self.last or 0, frame["next_line"] - 1)
            self._output.note(f"{frame['missed']} lines are missing here")

    def to_query(self) -> dict[str, int]:
        """The query with which the next connection continues."""
        return {} if self.last is None else {"since_line": self.last}

    def _shown(self, number: int, text: str, at: float | None) -> str:
        if self._json:
            return json.dumps({"line": number, "text": text, "at": at})
        shown = screen.to_line(text, colours=self._output.colours)
        return f"{to_moment(at)}  {shown}" if self._timestamps else shown


def run(args: argparse.Namespace, client: Client, output: Output) -> int | Live:
    """Print the last lines; with ``--follow`` also new ones, until the container is deleted.

    With ``--install`` they are those of the last installer, all that are kept without ``--lines``.
    """
    printed = Printed(output, args.json, timestamps=args.timestamps)
    limit = LINES if args.lines is None else args.lines
    chosen = {
        name: getattr(args, name) for name in ("grep", "since", "until") if getattr(args, name) is not None
    }
    if args.install:
        if chosen or args.follow:
            raise Trouble(WRONG, "--install excludes --follow, --grep, --since and --until")
        return _show_installation(args, client, output, printed)
    if chosen and args.follow:
        raise Trouble(WRONG, "--grep, --since and --until select lines that exist: they exclude --follow")
    show_end(client, args.id, limit, printed, unfinished=not args.follow, **chosen)
    return partial(_follow, args.id, client, output, printed) if args.follow else 0


def _show_installation(args: argparse.Namespace, client: Client, output: Output, printed: Printed) -> int:
    log: dict[str, Any] = client.ask("GET", f"/containers/{args.id}/install-log")
    lines = log["lines"] if args.lines is None else log["lines"][len(log["lines"]) - args.lines :]
    left_out = log["left_out"] + len(log["lines"]) - len(lines)
    if left_out and args.lines is None:
        output.note(f"{left_out} lines before these are not kept")
    printed.end(lines)
    if log["error"]:
        output.note(f"{args.id}: {log['error']}")
    return 0


async def _follow(internal_id: str, client: Client, output: Output, printed: Printed) -> int:
    from lightd.cli.commands.viewing import Viewing  # noqa: PLC0415 - loads Trio and the WebSocket library

    viewing = Viewing(client.address, f"/ws/{internal_id}", printed.to_query, printed.take, output.note)
    await viewing.follow()
    output.note(f"container {internal_id} was deleted")
    return 0


def show_end(
    client: Client, internal_id: str, limit: int, printed: Printed, *, unfinished: bool = False, **chosen: str
) -> None:
    """Print the last ``limit`` lines, and remember the number of the last line even if ``limit`` is 0.

    ``chosen`` are the parameters of the route that select lines. The unfinished line is only printed if
    ``unfinished``: otherwise it follows when it is finished.
    """
    path = f"/containers/{internal_id}/logs"
    params: dict[str, Any] = {"lines": max(limit, 1), **chosen}
    lines: list[dict[str, Any]] = client.ask("GET", path, **params)["lines"]
    if limit:
        printed.end([line for line in lines if unfinished or not line.get("partial")])
    printed.last = to_last(lines)


def to_last(lines: list[dict[str, Any]]) -> int:
    """Return the number of the last line that is finished; 0 if there is none. Pure."""
    return lines[-1]["line"] - lines[-1].get("partial", False) if lines else 0


def to_moment(at: float | None) -> str:
    """A moment in Unix seconds as RFC 3339 in UTC with milliseconds, ``-`` if it is not known. Pure."""
    if at is None:
        return f"{'-':24}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1000):03}Z"
