"""``lightd completion bash|zsh|fish``: the shell asks ``lightd`` itself for completions, through argcomplete.

Ids come from the daemon that the options typed so far select. Anything that is not a valid id is
left out, so that a daemon can only add plain words to a shell's command line.
"""

import argparse
import os
from collections.abc import Sequence
from typing import Final

from lightd.cli.commands import address
from lightd.cli.commands.client import Client
from lightd.cli.commands.trouble import Trouble
from lightd.cli.commands.values import ID
from lightd.config.sections import ConfigurationError

SHELLS: Final = ("bash", "zsh", "fish")
PATIENCE: Final = 2.0


def to_script(shell: str) -> str:
    """The script that the shell has to source."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415 - only loaded for completion

    return shellcode(["lightd"], shell=shell)


def answer(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, which asks through environment variables, and exit."""
    import argcomplete  # noqa: PLC0415 - as above

    argcomplete.autocomplete(parser, always_complete_options="long")


def to_ids(prefix: str, parsed_args: argparse.Namespace, path: str, key: str) -> Sequence[str]:
    """The ids in the list at ``path`` that begin with ``prefix``; none if the daemon cannot be reached."""
    try:
        said_so_far = {"config": None, "url": None, "token_file": None, "ca": None, **vars(parsed_args)}
        client = Client(address.find(argparse.Namespace(**said_so_far), os.environ))
        said = client.ask("GET", path, patience=PATIENCE)
        ids = [str(row[key]) for row in said[path.rpartition("/")[2]]]
    except (Trouble, ConfigurationError, LookupError, TypeError):
        return []
    return [each for each in ids if each.startswith(prefix) and ID.fullmatch(each)]
