"""Runs one client command: its output, its signals, and a message for every error.

A signal ends it with 128 plus the signal's number. If the reader closes the output, as ``head`` does, the
command ends without a message.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path

from lightd.cli import stdio
from lightd.cli.commands import address, interrupts, live, parsers
from lightd.cli.commands.client import Client
from lightd.cli.commands.egg_arguments import STORED
from lightd.cli.commands.live import Live
from lightd.cli.commands.output import Output, to_output
from lightd.cli.commands.trouble import FAILED, Trouble
from lightd.cli.commands.values import ID
from lightd.cli.exception_groups import leaves
from lightd.config.sections import ConfigurationError

Command = Callable[[argparse.Namespace, Client, Output], int | Live]


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the command in ``args``; return the exit code. Raises ``ConfigurationError``."""
    output = to_output(environ)
    try:
        with interrupts.ending():
            outcome = perform(args, environ, output)
            return outcome if isinstance(outcome, int) else live.run(outcome)
    except Exception as error:  # noqa: BLE001 - the last handler: every error becomes a message
        return _tell(leaves(error), output)


def perform(args: argparse.Namespace, environ: Mapping[str, str], output: Output) -> int | Live:
    """Do the part of a command that needs no event loop; return the exit code, or the rest of it."""
    match args.command:
        case "completion":
            from lightd.cli.commands import completion  # noqa: PLC0415 - when it is run

            output.lines(completion.to_script(args.shell))
            return 0
        case "doctor":
            from lightd.cli.doctor import visit  # noqa: PLC0415 - as above

            return partial(visit.run, args, environ, output)
        case "egg" if not is_stored(args):
            from lightd.cli.commands import egg  # noqa: PLC0415 - as above

            return egg.run(args, output)
        case "sftp":
            from lightd.cli.commands import sftp  # noqa: PLC0415 - as above

            return sftp.run(args, environ, output)
        case "orphans":
            from lightd.cli.commands import orphans  # noqa: PLC0415 - as above

            return orphans.run(args, environ, output)
        case name:
            command: Command = import_module(f"lightd.cli.commands.{parsers.MODULES[name]}").run
            found = address.find(args, environ)
            if found.elsewhere:
                output.note(f"using the configuration {found.configuration}")
            return command(args, Client(found), output)


def is_stored(args: argparse.Namespace) -> bool:
    """Whether an action of ``lightd egg`` is about eggs that a daemon has stored, not about a file."""
    if args.action != "export":
        return args.action in STORED
    return args.file != "-" and not Path(args.file).exists() and ID.fullmatch(args.file) is not None


def _tell(errors: list[BaseException], output: Output) -> int:
    for error in errors:
        if isinstance(error, ConfigurationError):
            raise error
        if isinstance(error, stdio.Unwritten):
            return stdio.give_up(error)
        if isinstance(error, Trouble):
            output.error(str(error))
            return error.code
    output.error(f"internal error: {type(errors[0]).__name__}: {errors[0]}")
    return FAILED
