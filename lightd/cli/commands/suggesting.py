"""A command line whose errors suggest what was meant."""

import argparse
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from lightd.cli.commands.trouble import WRONG


class Parser(argparse.ArgumentParser):
    """A parser whose errors are about the command that was given, and suggest what was meant.

    Raises ``SystemExit``, with code 2 for a wrong command line.
    """

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - argparse's
        """The arguments; one that is not known is an error of the command before it.

        What follows ``--`` is the startup command of ``lightd create`` and ``lightd edit``.
        """
        given = list(sys.argv[1:] if args is None else args)
        end = given.index("--") if "--" in given and {"create", "edit"} & set(given) else len(given)
        found, unknown = self.parse_known_args(given[:end], namespace)
        if given[end:]:
            found.startup = given[end + 1 :]
        if unknown:
            command = self._commands().get(getattr(found, "command", None) or "", self)
            command.refuse(unknown[0])
        return found

    def refuse(self, argument: str) -> NoReturn:
        """End the command because of an argument that is not known."""
        known = [] if not argument.startswith("-") else list(self._option_string_actions)
        self.error(f"unrecognized argument: {argument}{to_hint(argument.partition('=')[0], known)}")

    def error(self, message: str) -> NoReturn:
        """Print the usage and ``message``, and exit with code 2."""
        self.exit(WRONG, f"{self.format_usage()}{self.prog}: {message} (see {self.prog} --help)\n")

    def _commands(self) -> dict[str, "Parser"]:
        if self._subparsers is None:
            return {}
        (action,) = self._subparsers._group_actions  # noqa: SLF001 - no public name for the commands
        return dict(action.choices or {})

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - argparse's
        """Raise an error with a suggestion instead of the list of all commands."""
        if action.dest in {"command", "action"} and value not in (action.choices or ()):
            self.error(f"unknown {action.dest}: {value}{to_hint(value, action.choices or ())}")
        super()._check_value(action, value)


def to_hint(given: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` for the known word that is most like ``given``, empty if none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

    found = get_close_matches(given, list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""
