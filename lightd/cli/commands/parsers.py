"""The arguments of the client commands. A command's module is imported when the command is run."""

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lightd.cli.commands.trouble import EPILOG

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - the only name it has

POWER: Final = ("start", "stop", "restart", "kill")
COMMANDS: Final = frozenset({"ps", "logs", "console", "events", *POWER, "completion", "doctor", "orphans"})
MOST_LINES: Final = 10_000
LONGEST_WAIT: Final = 300.0

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_CONFIG_HELP = "the configuration file (default: $LIGHTD_CONFIG, else ./config.json)"


def add(commands: "Commands") -> None:
    """Add the client commands to ``commands``."""
    config = _parent()
    config.add_argument("--config", metavar="PATH", help=_CONFIG_HELP)
    daemon = _parent(config)
    daemon.add_argument(
        "--url",
        default=None,
        help="address of the daemon (default: $LIGHTD_URL, else from the configuration)",
    )
    daemon.add_argument(
        "--token-file",
        metavar="FILE",
        default=None,
        help="file that contains the token (default: the token in the configuration)",
    )
    daemon.add_argument(
        "--ca", metavar="FILE", default=None, help="trust the certificates in FILE instead of the system's"
    )
    daemon.add_argument("--json", action="store_true", default=False, help="print JSON, one object per line")

    ps = _command(commands, "ps", daemon, "list the containers")
    ps.add_argument("-q", "--quiet", action="store_true", default=False, help="print only the ids")

    logs = _command(commands, "logs", daemon, "print the last lines of a container's console")
    _id(logs)
    logs.add_argument("-f", "--follow", action="store_true", default=False, help="keep printing new lines")
    _lines(logs, "start with the last N lines (default: 100)")

    console = _command(
        commands, "console", daemon, "attach to a container's console; Ctrl-] or Ctrl-D detaches"
    )
    _id(console)
    _lines(console, "start with the last N lines (default: 20)")

    events = _command(commands, "events", daemon, "print the events of one container, or of all containers")
    _id(events, nargs="?", default=None)
    events.add_argument(
        "-f", "--follow", action="store_true", default=False, help="keep printing new changes of state"
    )
    _lines(events, "print the last N events (default: 100, with --follow: 0)")

    for name in POWER:
        power = _command(commands, name, daemon, f"{name} containers and wait until it is done")
        _id(power, plural=True, nargs="+")
        power.add_argument(
            "--wait",
            metavar="SECONDS",
            type=_seconds,
            default=LONGEST_WAIT,
            help=f"wait at most this long (default and maximum: {LONGEST_WAIT:g}; 0: do not wait)",
        )

    orphans = _command(
        commands,
        "orphans",
        daemon,
        "list the containers in Docker, and the volumes, that are not in the journal",
    )
    orphans.add_argument(
        "--adopt",
        metavar="NAME",
        nargs="+",
        default=(),
        help="adopt these containers and volumes as they are",
    )
    orphans.add_argument(
        "--remove", metavar="NAME", nargs="+", default=(), help="remove these containers; their volumes stay"
    )

    completion = _command(commands, "completion", config, "print the completion script for a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))

    doctor = _command(
        commands, "doctor", config, "check this machine and its configuration, and say how to fix problems"
    )
    doctor.add_argument("--json", action="store_true", default=False, help="print one JSON object")


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
    action = parser.add_argument(name, metavar="ID", type=_internal_id, help="id of a container", **settings)  # type: ignore[arg-type]  # nargs, default
    action.completer = _to_ids  # type: ignore[attr-defined]  # argcomplete's way to be told


def _to_ids(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Sequence[str]:
    from lightd.cli.commands import completion  # noqa: PLC0415 - when a shell asks

    return completion.to_ids(prefix, parsed_args)


def _lines(parser: argparse.ArgumentParser, summary: str) -> None:
    parser.add_argument("-n", "--lines", metavar="N", type=_count, default=None, help=summary)


def _internal_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid container id (allowed: A-Z a-z 0-9 _ . -)")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_LINES):
        raise argparse.ArgumentTypeError(f"must be between 0 and {MOST_LINES} (got {text})")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text, re.ASCII) or float(text) > LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"must be between 0 and {LONGEST_WAIT:g} seconds (got {text})")
    return float(text)
