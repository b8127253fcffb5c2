"""Runs one client command: its output, its signals, and a message for every error.

A signal ends it with 128 plus the signal's number. If the reader closes the output, as ``head`` does, the
command ends without a message.
"""

import argparse
import signal
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import trio

from lightd.cli import stdio
from lightd.cli.commands import address, completion, console, events, logs, power, ps
from lightd.cli.commands.client import Client, open_client
from lightd.cli.commands.output import Output, to_output
from lightd.cli.commands.trouble import FAILED, SIGNALLED, Trouble
from lightd.cli.exception_groups import leaves
from lightd.config.sections import ConfigurationError

Command = Callable[[argparse.Namespace, Client, Output], Awaitable[int]]
Work = Callable[[], Awaitable[int]]

COMMANDS: Mapping[str, Command] = {
    "ps": ps.run,
    "logs": logs.run,
    "console": console.run,
    "events": events.run,
    **dict.fromkeys(power.DONE, power.run),
}
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the command in ``args``; return the exit code. Raises ``ConfigurationError``."""
    output = to_output(environ)
    try:
        if args.command == "completion":
            output.lines(completion.to_script(args.shell))
            return 0
        work = _LOCAL.get(args.command, _ask)
        return trio.run(_attended, partial(work, args, environ, output))
    except Exception as error:  # noqa: BLE001 - the last handler: every error becomes a message
        return _tell(leaves(error), output)


async def _examine(args: argparse.Namespace, environ: Mapping[str, str], output: Output) -> int:
    from lightd.cli.doctor import visit  # noqa: PLC0415 - the others need nothing of it

    return await visit.run(args, environ, output)


async def _list_orphans(args: argparse.Namespace, environ: Mapping[str, str], output: Output) -> int:
    from lightd.cli.commands import orphans  # noqa: PLC0415 - as above

    return await orphans.run(args, environ, output)


_LOCAL: Mapping[str, Callable[[argparse.Namespace, Mapping[str, str], Output], Awaitable[int]]] = {
    "doctor": _examine,
    "orphans": _list_orphans,
}
"""The commands that need no running daemon."""


async def _ask(args: argparse.Namespace, environ: Mapping[str, str], output: Output) -> int:
    async with open_client(address.find(args, environ)) as client:
        return await COMMANDS[args.command](args, client, output)


async def _attended(work: Work) -> int:
    """Return the result of ``work``, or the exit code of the signal that ended it."""
    code = 0
    async with trio.open_nursery() as nursery:

        async def mind() -> None:
            nonlocal code
            with trio.open_signal_receiver(*_ENDING) as signals:
                number = await anext(signals)
            code = SIGNALLED + number
            nursery.cancel_scope.cancel()

        nursery.start_soon(mind)
        await trio.lowlevel.checkpoint()  # the signals are handled from here on
        code = await work()
        nursery.cancel_scope.cancel()
    return code


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
