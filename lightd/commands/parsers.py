"""The command lines of the commands for people. What they need is imported when one of them is run."""

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lightd.commands.trouble import EPILOG

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the only name it has

POWER: Final = ("start", "stop", "restart", "kill")
COMMANDS: Final = frozenset({"ps", "logs", "console", "events", *POWER, "completion", "doctor"})
MOST_LINES: Final = 10_000
LONGEST_WAIT: Final = 300.0

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_CONFIG_HELP = "the configuration file (default: $LIGHTD_CONFIG, else ./config.json)"


def add(commands: "Commands") -> None:
    """Add the commands for people to ``commands``."""
    config = _parent()
    config.add_argument("--config", metavar="PATH", help=_CONFIG_HELP)
    daemon = _parent(config)
    daemon.add_argument(
        "--url", default=None, help="the daemon's address (default: $LIGHTD_URL, else the configuration's)"
    )
    daemon.add_argument(
        "--token-file", metavar="FILE", default=None, help="has the token (default: the configuration's)"
    )
    daemon.add_argument(
        "--ca", metavar="FILE", default=None, help="certificates to trust instead of the system's"
    )
    daemon.add_argument("--json", action="store_true", default=False, help="JSON, an object a line")

    ps = _command(commands, "ps", daemon, "show the containers")
    ps.add_argument("-q", "--quiet", action="store_true", default=False, help="their ids alone")

    logs = _command(commands, "logs", daemon, "show the end of a container's console")
    _id(logs)
    logs.add_argument("-f", "--follow", action="store_true", default=False, help="go on with what comes")
    _lines(logs, "begin with the last N lines (default 100)")

    console = _command(
        commands, "console", daemon, "watch a container's console and type into it; ctrl-] or ctrl-d detaches"
    )
    _id(console)
    _lines(console, "begin with the last N lines (default 20)")

    events = _command(commands, "events", daemon, "show what happened to one container, or to all")
    _id(events, nargs="?", default=None)
    events.add_argument(
        "-f", "--follow", action="store_true", default=False, help="go on with changes of state as they come"
    )
    _lines(events, "the last N events (default 100, with --follow 0)")

    for name in POWER:
        power = _command(commands, name, daemon, f"{name} containers, and wait until it is done")
        _id(power, plural=True, nargs="+")
        power.add_argument(
            "--wait",
            metavar="SECONDS",
            type=_seconds,
            default=LONGEST_WAIT,
            help=f"wait no longer than that (default and most {LONGEST_WAIT:g}; 0: don't wait)",
        )

    completion = _command(commands, "completion", config, "print what has a shell complete lightd's lines")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))

    doctor = _command(commands, "doctor", config, "look for what is wrong here, and say what mends it")
    doctor.add_argument("--json", action="store_true", default=False, help="one JSON object")


def _parent(*above: argparse.ArgumentParser) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS, parents=list(above))


def _command(
    commands: "Commands", name: str, parent: argparse.ArgumentParser, summary: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        parents=[parent],
        allow_abbrev=False,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _id(parser: argparse.ArgumentParser, *, plural: bool = False, **settings: object) -> None:
    name = "ids" if plural else "id"
    action = parser.add_argument(name, metavar="ID", type=_internal_id, help="a container", **settings)  # type: ignore[arg-type]  # nargs, default
    action.completer = _to_ids  # type: ignore[attr-defined]  # argcomplete's way to be told


def _to_ids(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Sequence[str]:
    from lightd.commands import completion  # noqa: PLC0415 - when a shell asks

    return completion.to_ids(prefix, parsed_args)


def _lines(parser: argparse.ArgumentParser, summary: str) -> None:
    parser.add_argument("-n", "--lines", metavar="N", type=_count, default=None, help=summary)


def _internal_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} can't be a container's id")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_LINES):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {MOST_LINES}")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text, re.ASCII) or float(text) > LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to {LONGEST_WAIT:g}")
    return float(text)
