"""The command line: ``lightd``, ``lightd serve``, ``lightd demo``, ``lightd --token what|reset|set``.

The client commands (``lightd ps`` and so on) are in ``lightd.cli.commands``, with more exit codes than these.

Exit codes: 0 success, also for a daemon that was stopped by a signal; 1 failure, the log says why; 2 the
command line, the configuration or the given token is wrong, standard error says what; 130 interrupted before
the daemon could handle signals; 141 standard output was closed.
"""

import argparse
import functools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lightd.cli import stdio
from lightd.cli.commands import parsers
from lightd.cli.commands.suggesting import Parser
from lightd.cli.commands.trouble import FAILED, WRONG
from lightd.config import file, rules, sections
from lightd.config.engines import ENGINES

if TYPE_CHECKING:
    import logging

    from lightd.logs import output

# Every command waits for the imports of this module: the daemon's, Trio and logging are imported where they
# are used (tests/architecture/test_command_imports.py).

# httpx has its own command line, which imports rich if it is installed: that would slow down every start.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: it can't be imported

INTERRUPTED = 130  # 128 + SIGINT, as in a shell
IMPORTED_AT_ONCE = 5000  # new objects between two garbage collections, while the daemon is imported
LONGEST_LINE = 4096  # bytes of standard input that are read for a token


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in ``arguments`` (default: those of the process) and return the exit code."""
    stdio.have_streams()
    try:
        try:
            return _obey(arguments)
        finally:
            stdio.tell("")
    except stdio.Unwritten as unwritten:
        return stdio.give_up(unwritten)


def _obey(arguments: Sequence[str] | None) -> int:
    parser = _to_parser()
    if "_ARGCOMPLETE" in os.environ:
        _answer_shell(parser)
    args = parser.parse_args(arguments, argparse.Namespace(config=None, log_format=None))
    if args.token is not None and args.command is not None:
        parser.error(f"--token cannot be combined with the command {args.command}")
    path = file.resolve_path(args.config, os.environ)
    try:
        if args.token is not None:
            path, elsewhere = file.find_path(args.config, os.environ)
            if elsewhere:
                print(f"lightd: using the configuration {path}", file=sys.stderr)
            return _TOKEN_ACTIONS[args.token](path)
        if args.command == "demo":
            return _demo(args)
        if args.command in parsers.COMMANDS:
            return _for_people(args)
        return _serve(path, _log_format(args))
    except KeyboardInterrupt:
        return INTERRUPTED
    except sections.ConfigurationMissing as missing:
        print(f"lightd: {missing}", file=sys.stderr)
    except sections.ConfigurationError as error:
        if args.command in parsers.COMMANDS:
            path, _ = file.find_path(args.config, os.environ)
        for mistake in error.mistakes:
            print(f"{path}: {mistake}", file=sys.stderr)
    return WRONG


def _to_parser() -> argparse.ArgumentParser:
    everywhere = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    everywhere.add_argument(
        "--config",
        metavar="PATH",
        help="the configuration file (default: $LIGHTD_CONFIG, else ./config.json); `serve` creates it if it "
        "is missing, other commands also look in /etc/lightd and /var/lib/lightd",
    )
    everywhere.add_argument(
        "--log-format",
        choices=["json", "console"],
        help="the format of log lines (default: console on a terminal, otherwise json)",
    )
    parser = Parser(
        prog="lightd",
        description="Run game servers in Docker on this machine and expose them over HTTP and WebSocket.",
        parents=[everywhere],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    parser.add_argument(
        "--token",
        choices=list(_TOKEN_ACTIONS),
        help="print the master token, replace it with a new one, or read one from standard input",
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser(
        "serve",
        parents=[everywhere],
        allow_abbrev=False,
        help="run the daemon (the default without a command)",
        description="Run the daemon until SIGTERM or Ctrl-C. Servers keep running when it ends.",
    )
    demo = commands.add_parser(
        "demo",
        parents=[everywhere],
        allow_abbrev=False,
        help="install, start, use, stop and delete a server, and show each step",
        description="Install, start, use, stop and delete a server on a temporary daemon, showing each step.",
    )
    demo.add_argument("--image", help="the Docker image of the server (default: busybox:stable)")
    demo.add_argument(
        "--engine", choices=list(ENGINES), help="default: docker if it is running, otherwise process"
    )
    demo.add_argument("--keep", action="store_true", help="keep the daemon running until Ctrl-C")
    parsers.add(commands)
    return parser


class _Version(argparse.Action):
    """Prints the version, which takes time to find out, only if it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:  # noqa: ANN401 - argparse's
        from lightd.config.version import version  # noqa: PLC0415 - see above

        stdio.tell(f"lightd {version()}\n")
        parser.exit()


def _answer_shell(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and exit; return if no shell asks."""
    from lightd.cli.commands import completion  # noqa: PLC0415 - no daemon waits for it to load

    completion.answer(parser)


def _for_people(args: argparse.Namespace) -> int:
    from lightd.cli.commands import run  # noqa: PLC0415 - no daemon waits for them to load

    return run.run(args, os.environ)


def _log_format(args: argparse.Namespace) -> "output.Format":
    chosen: output.Format | None = args.log_format
    return chosen or ("console" if sys.stderr.isatty() else "json")


def _serve(path: Path, log_format: "output.Format") -> int:
    """Run the daemon until it is stopped.

    What is imported for it stays, so looking for garbage among it every 700 objects would only take time.
    """
    import gc  # noqa: PLC0415 - only for the daemon
    import logging  # noqa: PLC0415 - as above

    gc.set_threshold(IMPORTED_AT_ONCE, IMPORTED_AT_ONCE, IMPORTED_AT_ONCE)
    import trio  # noqa: PLC0415 - as above

    from lightd.config import certificate  # noqa: PLC0415 - as above
    from lightd.config.exposure import to_exposure  # noqa: PLC0415 - as above
    from lightd.logs import output  # noqa: PLC0415 - as above

    log = logging.getLogger(__name__)
    created = file.create(path)
    configuration = file.load(path)
    certificate.read(configuration.server.tls)
    daemon = _import_daemon()
    with output.configure(log_format, logging.INFO):
        if created:
            log.info("created %s with a new token; to print it: lightd --token what", path)
        if exposed := to_exposure(configuration.server):
            log.warning("%s; set server.tls, or server.host to 127.0.0.1 behind a proxy with TLS", exposed)
        try:
            tell = functools.partial(_tell_addresses, log)
            trio.run(functools.partial(daemon.run, configuration, path=path, started=tell))
        except Exception as error:  # noqa: BLE001 - the last handler; the log masks the secrets in it
            _tell_failure(log, error)
            return FAILED
    return 0


def _import_daemon() -> ModuleType:
    """Import the daemon, which the other commands need not wait for."""
    import linecache  # noqa: PLC0415 - only for the daemon

    from lightd.cli import unused_modules  # noqa: PLC0415 - as above

    with unused_modules.left_out():
        from lightd import daemon  # noqa: PLC0415 - see above
    linecache.clearcache()  # it has the text of every method that attrs has generated
    return daemon


def _tell_failure(log: "logging.Logger", error: Exception) -> None:
    """Log why the daemon ended: one sentence for what an operator can fix, the traceback for a bug."""
    from actors.kernel.journal import JournalUnavailable  # noqa: PLC0415 - as the daemon
    from lightd.cli.exception_groups import leaves  # noqa: PLC0415 - as the daemon
    from lightd.journal.sqlite import JournalRefused  # noqa: PLC0415 - as the daemon

    found = leaves(error)
    if all(isinstance(leaf, OSError | JournalRefused | JournalUnavailable) for leaf in found):
        for leaf in found:
            log.critical("lightd cannot run: %s", leaf)
    else:
        log.critical("lightd failed", exc_info=error)


def _tell_addresses(log: "logging.Logger", addresses: Sequence[str]) -> None:
    from lightd.config.version import version  # noqa: PLC0415 - only for the daemon

    log.info("listening on %s", ", ".join(addresses), extra={"version": version()})


def _demo(args: argparse.Namespace) -> int:
    from lightd.cli import demo  # noqa: PLC0415 - as the daemon

    return demo.main(args)


def _print_token(path: Path) -> int:
    stdio.tell(f"Current Token: {file.load(path).authorization.token}\n")
    return 0


def _check_others(path: Path) -> None:
    """Raise ``ConfigurationError`` if something in the file is wrong that a new token does not correct."""
    try:
        file.load(path)
    except sections.ConfigurationError as error:
        if any(not mistake.startswith("authorization.token: ") for mistake in error.mistakes):
            raise


def _reset_token(path: Path) -> int:
    _check_others(path)
    token = file.fresh_token()
    file.replace_token(path, token)
    stdio.tell(f"Token reset successfully!\nNew Token: {token}\n")
    return 0


def _set_token(path: Path) -> int:
    _check_others(path)
    try:
        token = rules.TOKEN.read(_ask_token())
    except ValueError:
        print(f"lightd: the token must be {rules.TOKEN.means}; nothing was changed", file=sys.stderr)
        return WRONG
    file.replace_token(path, token)
    stdio.tell("Token set successfully!\n")
    return 0


def _ask_token() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.buffer.readline(LONGEST_LINE).decode("utf-8-sig", "replace").rstrip("\r\n")
    import getpass  # noqa: PLC0415 - on a terminal only

    try:
        return getpass.getpass("New token: ")
    except EOFError:
        return ""


_TOKEN_ACTIONS = {"what": _print_token, "reset": _reset_token, "set": _set_token}
