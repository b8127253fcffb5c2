"""The arguments of the client commands. A command's module is imported when the command is run."""

import argparse
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from lightd.cli.commands import egg_arguments, filters, settings, values
from lightd.cli.commands.suggesting import Parser
from lightd.cli.commands.trouble import EPILOG

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Parser]  # noqa: SLF001 - the only name it has

POWER: Final = ("start", "stop", "restart", "kill")
MODULES: Final = MappingProxyType(
    {
        **{name: name for name in ("ps", "logs", "console", "events", "create", "edit")},
        **{name: name for name in ("volumes", "ports", "audit", "stats")},
        **dict.fromkeys(POWER, "power"),
        "rm": "remove",
        "top": "stats",
        "inspect": "show",
        "cp": "copying",
        "token": "tokens",
        "egg": "eggs",
    }
)
"""The commands that ask a daemon, and the modules of this package whose ``run`` they are."""
COMMANDS: Final = frozenset({*MODULES, "completion", "doctor", "orphans", "sftp"})
LONGEST_WAIT: Final = 300.0
LONGEST_INSTALLATION: Final = 3600.0

_CONFIG_HELP = "the configuration (default: $LIGHTD_CONFIG, ./config.json, /etc/lightd or /var/lib/lightd)"


def add(commands: "Commands") -> None:
    """Add the client commands to ``commands``."""
    config, daemon = _config_options(), _daemon_options(default=None)
    _add_ps(commands, daemon)
    _add_consoles(commands, daemon)
    for name in POWER:
        power = _command(
            commands,
            name,
            daemon,
            f"{name} containers, and wait until that is done",
            f"lightd {name} server-001",
        )
        _id(power, plural=True, nargs="+")
        _wait(power, LONGEST_WAIT)
    _add_create(commands, daemon)
    _add_others(commands, daemon)
    _add_node(commands, daemon)
    _add_sftp(commands, config)

    egg = _command(
        commands,
        "egg",
        daemon,
        "store descriptions of games, from which containers are created; check and convert their files",
        "lightd egg import egg-paper.json",
        "lightd create mc --egg paper --port 25565 --memory 2G",
        "lightd egg check egg-paper.json -e SERVER_JARFILE=paper.jar",
        "lightd egg render egg-paper.json server.properties --port 25565 < server.properties",
    )
    _flag(egg, "-q", "--quiet", help="print only the ids")
    egg_arguments.add(_actions(egg), _complete)

    completion = _command(
        commands,
        "completion",
        config,
        "print the completion script for a shell",
        "source <(lightd completion bash)",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))

    doctor = _command(
        commands,
        "doctor",
        config,
        "check this machine and its configuration, and say how to fix problems",
        "lightd doctor",
    )
    _flag(doctor, "--json", help="print one JSON object")


def _add_ps(commands: "Commands", daemon: Parser) -> None:
    ps = _command(
        commands,
        "ps",
        daemon,
        "list the containers",
        "lightd ps",
        "lightd ps --filter status=crashed",
        "lightd stop $(lightd ps -q --filter status=running)",
    )
    _flag(ps, "-a", "--all", help="accepted for users of docker: all containers are listed in any case")
    _flag(ps, "-q", "--quiet", help="print only the ids")
    ps.add_argument(
        "-f",
        "--filter",
        metavar="KEY=VALUE",
        type=values.checked(filters.parse),
        action="append",
        default=[],
        help=f"list only what matches; keys: {', '.join(filters.KEYS)}. It can be repeated",
    )
    ps.add_argument("--format", choices=("table", "json"), default="table", help="json is the same as --json")


def _add_consoles(commands: "Commands", daemon: Parser) -> None:
    logs = _command(
        commands,
        "logs",
        daemon,
        "print the last lines of a container's console",
        "lightd logs server-001 -f",
    )
    _id(logs)
    _flag(logs, "-f", "--follow", help="keep printing new lines")
    _flag(logs, "-t", "--timestamps", help="begin each line with the time at which it was printed, in UTC")
    _lines(logs, "start with the last N lines (default: 100)")
    _flag(logs, "--install", help="what the last installer printed, instead of the console")
    logs.add_argument("--grep", metavar="REGEX", help="only lines that match (RE2)")
    for name, side in (("--since", "since"), ("--until", "until")):
        logs.add_argument(
            name, metavar="TIME", help=f"only lines {side} then: 2026-01-31T12:00:00Z, or 90s, 1h30m (ago)"
        )

    console = _command(
        commands,
        "console",
        daemon,
        "attach to a container's console; Ctrl-] or Ctrl-D detaches",
        "lightd console server-001",
        "echo 'say hello' | lightd console server-001",
    )
    _id(console)
    _lines(console, "start with the last N lines (default: 20)")

    events = _command(
        commands,
        "events",
        daemon,
        "print the events of one container, or of all containers",
        "lightd events server-001",
        "lightd events -f",
    )
    _id(events, nargs="?", default=None)
    _flag(events, "-f", "--follow", help="keep printing new changes of state")
    _lines(events, "print the last N events (default: 100, with --follow: 0)")


def _add_create(commands: "Commands", daemon: Parser) -> None:
    create = _command(
        commands,
        "create",
        daemon,
        "create a container with a new volume and its ports",
        "lightd create mc --image eclipse-temurin:21-jre --port 25565 --memory 2G --start \\\n"
        "      -- java -jar server.jar nogui",
        "lightd create mc --egg minecraft-paper -e MINECRAFT_VERSION=1.21 --port 25565 --memory 2G --start",
        usage="lightd create [options] NAME (--image IMAGE | --egg EGG) [-- COMMAND ...]",
    )
    create.add_argument("id", metavar="NAME", type=values.internal_id, help="id of the new container")
    create.add_argument(
        "-p",
        "--port",
        "--publish",
        metavar="PORT",
        type=values.checked(settings.to_named_ports),
        action="append",
        help="[IP:]PORT[:CONTAINER_PORT][/udp], also ranges; NAME=PORT also sets this variable. "
        "Added to the pool if necessary. It can be repeated",
    )
    egg = create.add_argument(
        "--egg",
        metavar="EGG",
        help="create it from this stored egg: -e sets its variables, --image can name one of its images",
    )
    _complete(egg, "/eggs", "id")
    settings.add(create)
    create.add_argument(
        "--size", metavar="SIZE", type=values.size, help="the maximum size of the volume (5G)"
    )
    create.add_argument(
        "-v",
        "--volume",
        metavar="VOLUME_ID",
        type=values.internal_id,
        help="use this volume instead of a new one",
    )
    create.add_argument(
        "--install-script",
        metavar="FILE",
        type=values.text_of,
        help="the script that installs the server",
    )
    create.add_argument(
        "--install-image",
        metavar="IMAGE",
        help="run the install script in a container of this image, with the volume at /mnt/server",
    )
    _flag(create, "--start", help="start the container when it is installed")
    _wait(create, LONGEST_INSTALLATION)

    edit = _command(
        commands,
        "edit",
        daemon,
        "change the settings of a container, by options or in an editor",
        "lightd edit mc --memory 4G",
        "lightd edit mc",
        usage="lightd edit [options] ID [-- COMMAND ...]",
    )
    _id(edit)
    settings.add(edit)
    edit.add_argument(
        "--env-rm", metavar="NAME", action="append", help="remove an environment variable. It can be repeated"
    )


def _add_others(commands: "Commands", daemon: Parser) -> None:
    remove = _command(commands, "rm", daemon, "delete containers", "lightd rm server-001 --volumes")
    _id(remove, plural=True, nargs="+")
    _flag(remove, "-f", "--force", help="also if it is running: it is stopped first")
    _flag(remove, "-v", "--volumes", help="delete their volumes, with all files, too")
    _wait(remove, LONGEST_WAIT)

    stats = _command(
        commands,
        "stats",
        daemon,
        "show what containers use, updated until Ctrl-C",
        "lightd stats --no-stream",
    )
    _id(stats, plural=True, nargs="*", default=[])
    _flag(stats, "-a", "--all", help="also those that do not run")
    top = _command(
        commands, "top", daemon, "show the node, and the containers that use most first", "lightd top"
    )
    for parser, seconds in ((stats, 1.0), (top, 2.0)):
        _flag(parser, "--no-stream", help="print it once")
        parser.add_argument(
            "--interval",
            metavar="SECONDS",
            type=values.checked(lambda text: values.to_seconds(text, LONGEST_WAIT)),
            default=seconds,
            help=f"draw it again after this time (default: {seconds:g})",
        )

    inspect = _command(
        commands,
        "inspect",
        daemon,
        "print all that is known of containers, as JSON",
        "lightd inspect server-001",
    )
    _id(inspect, plural=True, nargs="+")

    copy = _command(
        commands,
        "cp",
        daemon,
        "copy files and folders between this machine and the volume of a container",
        "lightd cp server.jar server-001:server.jar",
        "lightd cp server-001:logs .",
    )
    for name, metavar in (("source", "SRC"), ("destination", "DST")):
        place = copy.add_argument(name, metavar=metavar, help="a path, or ID:PATH")
        _complete(place, "/containers", "internal_id", end=":")


def _add_node(commands: "Commands", daemon: Parser) -> None:
    volumes = _command(
        commands,
        "volumes",
        daemon,
        "list, create and delete volumes",
        "lightd volumes",
        "lightd volumes create --size 5G",
        "lightd volumes rm VOLUME_ID",
    )
    _flag(volumes, "-q", "--quiet", help="print only the ids")
    actions = _actions(volumes)
    actions("ls", "list the volumes (the default)")
    actions("create", "create a volume").add_argument(
        "--size",
        metavar="SIZE",
        type=values.size,
        default=None,
        help="its maximum size (5G; default: no limit)",
    )
    gone = actions("rm", "delete volumes and their files").add_argument(
        "volume_ids", metavar="VOLUME_ID", nargs="+", type=values.internal_id
    )
    _complete(gone, "/volumes", "volume_id")

    ports = _command(
        commands,
        "ports",
        daemon,
        "list, add and remove ports of the pool",
        "lightd ports",
        "lightd ports add 25565-25600 27015/udp",
    )
    actions = _actions(ports)
    actions("ls", "list the ports (the default)")
    for name, summary in (("add", "add ports to the pool"), ("rm", "remove ports from the pool")):
        actions(name, summary).add_argument(
            "ports",
            metavar="PORT",
            nargs="+",
            type=values.checked(settings.to_ports),
            help="[IP:]PORT[-PORT][/udp]",
        )

    token = _command(
        commands,
        "token",
        daemon,
        "list, create and revoke tokens",
        "lightd token",
        "lightd token new --ttl 1h --container server-001 --permission console.read",
        "lightd token rm TOKEN_ID",
    )
    actions = _actions(token)
    actions("ls", "list the valid tokens (the default)")
    new = actions("new", "create a token and print it")
    new.add_argument(
        "--ttl", metavar="TIME", default="1d", help="how long it is valid (15m, 12h; default: 1d)"
    )
    new.add_argument(
        "--container",
        metavar="ID",
        action="append",
        type=values.internal_id,
        help="only for this container. It can be repeated",
    )
    new.add_argument("--permission", metavar="NAME", action="append", help="only with this permission")
    _flag(new, "--once", help="it can be used once")
    gone = actions("rm", "revoke tokens").add_argument(
        "token_ids", metavar="TOKEN_ID", nargs="+", type=values.internal_id
    )
    _complete(gone, "/auth/tokens", "id")

    audit = _command(
        commands, "audit", daemon, "print the calls that changed something", "lightd audit -n 20"
    )
    _lines(audit, "print the last N calls (default: 100)")
    audit.add_argument("--since", metavar="SEQ", type=int, default=0, help="only calls after this `seq`")

    orphans = _command(
        commands,
        "orphans",
        daemon,
        "list the containers in Docker, and the volumes, that are not in the journal",
        "lightd orphans",
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


def _add_sftp(commands: "Commands", config: Parser) -> None:
    sftp = _command(
        commands, "sftp", config, "print the host keys of the SFTP server", "lightd sftp fingerprint"
    )
    sftp.add_argument(
        "action",
        choices=("fingerprint",),
        help="print the fingerprint of each host key, as clients show it at their first connection",
    )


def _actions(parser: Parser) -> Callable[[str, str], Parser]:
    """Add actions to a command; returns what adds one."""
    actions = parser.add_subparsers(dest="action", metavar="action", parser_class=Parser)
    parser.set_defaults(action="ls")
    daemon = _daemon_options(default=argparse.SUPPRESS)

    def add(name: str, summary: str) -> Parser:
        return actions.add_parser(
            name, parents=[daemon], allow_abbrev=False, help=summary, description=_to_description(summary)
        )

    return add


def _to_description(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _config_options() -> Parser:
    parser = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--config", metavar="PATH", help=_CONFIG_HELP)
    return parser


def _daemon_options(default: str | None) -> Parser:
    """The options that say which daemon is asked. Actions get no defaults: these would hide the command's."""
    parser = Parser(add_help=False, parents=[_config_options()])
    parser.add_argument(
        "--url",
        default=default,
        help="address of the daemon (default: $LIGHTD_URL, else from the configuration)",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        default=default,
        help="file that contains the token (default: the token in the configuration)",
    )
    parser.add_argument(
        "--ca", metavar="FILE", default=default, help="trust the certificates in FILE instead of the system's"
    )
    parser.add_argument(
        "--json", action="store_true", default=default or False, help="print JSON, one object per line"
    )
    return parser


def _command(
    commands: "Commands",
    name: str,
    parent: Parser,
    summary: str,
    *examples: str,
    usage: str | None = None,
) -> Parser:
    shown = "".join(f"  {example}\n" for example in examples)
    return commands.add_parser(
        name,
        parents=[parent],
        allow_abbrev=False,
        help=summary,
        usage=usage,
        description=_to_description(summary),
        epilog=f"examples:\n{shown}\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _flag(parser: Parser, *names: str, **settings: str) -> None:
    parser.add_argument(*names, action="store_true", default=False, **settings)  # type: ignore[arg-type]  # the help


def _wait(parser: Parser, longest: float) -> None:
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=values.checked(lambda text: values.to_seconds(text, longest)),
        default=longest,
        help=f"wait at most this long (default and maximum: {longest:g}; 0: do not wait)",
    )


def _id(parser: Parser, *, plural: bool = False, **settings: Any) -> None:  # noqa: ANN401 - argparse's
    name = "ids" if plural else "id"
    action = parser.add_argument(
        name, metavar="ID", type=values.internal_id, help="id of a container", **settings
    )
    _complete(action, "/containers", "internal_id")


def _complete(action: argparse.Action, path: str, key: str, end: str = "") -> None:
    """Let shells complete the argument to the ids in the list at ``path``, each with ``end``."""

    def complete(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Sequence[str]:
        from lightd.cli.commands import completion  # noqa: PLC0415 - when a shell asks

        return [each + end for each in completion.to_ids(prefix, parsed_args, path, key)]

    action.completer = complete  # type: ignore[attr-defined]  # argcomplete's way to be told


def _lines(parser: Parser, summary: str) -> None:
    parser.add_argument("-n", "--lines", metavar="N", type=values.count, default=None, help=summary)
