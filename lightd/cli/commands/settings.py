"""The options that ``lightd create`` and ``lightd edit`` share, and the fields of a container that they mean.

Names and forms of the options are docker's where docker has the thing.
"""

import argparse
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lightd.cli.commands import values
from lightd.cli.commands.suggesting import Parser
from lightd.config.rules import HIGHEST_PORT

ANY: Final = "0.0.0.0"  # noqa: S104 - as docker's: a port is published at every address of the host
_PORT: Final = re.compile(
    r"""
    (?: (?: \[(?P<six>[0-9a-f:.]+)\] | (?P<four>[0-9]+(?:\.[0-9]+){3}) ) : )?
    (?P<first>[0-9]{1,5}) (?: - (?P<last>[0-9]{1,5}) )?
    (?: : (?P<inside>[0-9]{1,5}) (?: - (?P<inside_last>[0-9]{1,5}) )? )?
    (?: / (?P<protocol>tcp|udp) )?
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_MOST_PORTS: Final = 1000
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)


def add(parser: Parser) -> None:
    """Add the options for fields that ``create`` sets and ``edit`` changes."""
    option = parser.add_argument
    option("--image", metavar="IMAGE", default=None, help="the Docker image")
    option("--pull", choices=("missing", "always", "never"), default=None, help="whether to pull the image")
    option(
        "-m",
        "--memory",
        metavar="SIZE",
        type=values.size,
        default=None,
        help="the memory limit (512M, 2G)",
    )
    option("--cpus", metavar="N", type=float, default=None, help="the CPU limit in cores (1.5)")
    option(
        "--pids-limit",
        metavar="N",
        type=int,
        default=None,
        help="the maximum number of processes and threads",
    )
    option(
        "-e",
        "--env",
        metavar="NAME=VALUE",
        type=values.variable,
        action="append",
        help="set an environment variable; NAME alone: its value in this shell. It can be repeated",
    )
    option(
        "--env-file",
        metavar="FILE",
        type=values.text_of,
        action="append",
        help="set the variables in a file, one per line",
    )
    option(
        "-l",
        "--label",
        metavar="NAME=VALUE",
        type=values.label,
        action="append",
        help="set a label. It can be repeated",
    )
    option("--display-name", metavar="TEXT", default=None, help="a name for people")
    option(
        "--entrypoint",
        choices=("shell", "image"),
        default=None,
        help="what is started: a shell with the command, or the image's own program",
    )
    option(
        "--start-text",
        metavar="TEXT",
        action="append",
        help="a text in the line that it prints when it has started. It can be repeated",
    )
    option(
        "--start-pattern",
        metavar="REGEX",
        default=None,
        help="matches the line that it prints when it has started (RE2)",
    )
    stop = parser.add_mutually_exclusive_group().add_argument
    stop("--stop-signal", metavar="SIGNAL", default=None, help="stop it with this signal")
    stop("--stop-command", metavar="COMMAND", default=None, help="stop it with this line on its console")
    option(
        "--stop-timeout",
        metavar="SECONDS",
        type=float,
        default=None,
        help="kill it if it has not ended by then",
    )
    option(
        "--restart",
        choices=("never", "on-crash", "always"),
        default=None,
        help="whether it is started again when it ended by itself",
    )
    parser.set_defaults(startup=[])


def to_ports(text: str) -> list[dict[str, Any]]:
    """The ports that ``[IP:]HOST[-HOST][:CONTAINER[-CONTAINER]][/PROTOCOL]`` means; raises ``ValueError``."""
    found = _PORT.fullmatch(text)
    if found is None:
        raise ValueError("must be [IP:]PORT[:CONTAINER_PORT][/udp], or ranges of ports")
    first, inside = int(found["first"]), int(found["inside"] or found["first"])
    count = int(found["last"] or first) - first + 1
    if not 0 < count <= _MOST_PORTS or int(found["inside_last"] or inside + count - 1) != inside + count - 1:
        raise ValueError("must be ranges of the same length, of at most 1000 ports")
    if min(first, inside) < 1 or max(first, inside) + count - 1 > HIGHEST_PORT:
        raise ValueError("must be between 1 and 65535")
    base = {"ip": found["six"] or found["four"] or ANY, "protocol": (found["protocol"] or "tcp").lower()}
    return [{**base, "port": first + n, "container_port": inside + n} for n in range(count)]


def to_named_ports(text: str) -> list[dict[str, Any]]:
    """The ports that ``[NAME=]PORT`` means; a name is the variable that gets the container's port.

    Raises ``ValueError``.
    """
    name, equals, rest = text.rpartition("=")
    ports = to_ports(rest)
    if not equals:
        return ports
    if not _VARIABLE.fullmatch(name) or len(ports) > 1:
        raise ValueError("must be NAME=PORT, with the name of a variable and one port")
    return [{**port, "name": name} for port in ports]


def to_environment(args: argparse.Namespace) -> dict[str, str]:
    """The variables of ``--env-file``, whose texts are given, and of ``--env``."""
    found: dict[str, str] = {}
    for text in args.env_file or ():
        found.update(_to_variables(text))
    found.update(args.env or ())
    return found


def _to_variables(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if name and equals and not name.startswith("#"):
            yield name, value


def to_command(words: Sequence[str]) -> str:
    """The startup command that the words after ``--`` mean: one word is a command of a shell as it stands."""
    return words[0] if len(words) == 1 else shlex.join(words)


def to_fields(args: argparse.Namespace, before: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the options set, in the form of the API. Limits and variables add to ``before``."""
    fields: dict[str, Any] = {
        "image": args.image,
        "pull": args.pull,
        "start_pattern": args.start_pattern,
        "start_texts": args.start_text,
        "entrypoint": args.entrypoint,
        "startup_command": to_command(args.startup) if args.startup else None,
    }
    limits = {"memory": args.memory, "cpu": args.cpus, "pids": args.pids_limit}
    if given := {name: value for name, value in limits.items() if value is not None}:
        kept = {name: value for name, value in (before.get("limits") or {}).items() if value is not None}
        fields["limits"] = {**kept, **given}
    if args.display_name is not None:
        fields["display_name"] = args.display_name
    if args.label:
        fields["labels"] = {**(before.get("labels") or {}), **dict(args.label)}
    if environment := to_environment(args):
        fields["environment"] = {**(before.get("environment") or {}), **environment}
    if args.restart is not None:
        fields["restart_policy"] = {**(before.get("restart_policy") or {}), "mode": args.restart}
    if stop := _to_stop(args):
        kept = before.get("stop") or {}
        fields["stop"] = {**kept, **stop}
    return {name: value for name, value in fields.items() if value is not None}


def _to_stop(args: argparse.Namespace) -> dict[str, Any]:
    stop: dict[str, Any] = {}
    if args.stop_command is not None:
        stop |= {"type": "command", "value": args.stop_command}
    if args.stop_signal is not None:
        stop |= {"type": "signal", "value": to_signal(args.stop_signal)}
    if args.stop_timeout is not None:
        stop["timeout"] = args.stop_timeout
    return stop


def to_signal(name: str) -> str:
    """``INT`` and ``SIGINT`` as the API has it."""
    return name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
