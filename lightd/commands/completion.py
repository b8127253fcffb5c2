"""``lightd completion bash|zsh|fish``: the shell asks ``lightd`` itself what may come next, by argcomplete.

Containers are those of the daemon that the line so far means. What is no container's id is left out, so
nothing that a daemon says gets into a shell's line as more than a word.
"""

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any, Final

import httpx

from lightd.commands import address, client
from lightd.commands.trouble import Trouble
from lightd.config import ConfigurationError

SHELLS: Final = ("bash", "zsh", "fish")
ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
PATIENCE: Final = 2.0


def to_script(shell: str) -> str:
    """What the shell has to read."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415 - who completes nothing does not wait

    return shellcode(["lightd"], shell=shell)


def answer(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks by its variables, and end the process."""
    import argcomplete  # noqa: PLC0415 - as above

    argcomplete.autocomplete(parser, always_complete_options="long")


def to_ids(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Sequence[str]:  # noqa: ANN401 - argcomplete's
    """The containers whose ids begin with ``prefix``; none where the daemon can't be asked."""
    try:
        said_so_far = {"config": None, "url": None, "token_file": None, "ca": None, **vars(parsed_args)}
        found = address.find(argparse.Namespace(**said_so_far), os.environ)
        verify = client.to_context(found) if found.url.startswith("https:") else False
        headers = {"Authorization": f"Bearer {found.token}", "Accept": client.MEDIA_TYPE}
        said = httpx.get(
            f"{found.url}/containers", headers=headers, verify=verify, timeout=PATIENCE, trust_env=False
        ).json()
        ids = [str(row["internal_id"]) for row in said["containers"]]
    except (Trouble, ConfigurationError, httpx.HTTPError, ValueError, LookupError, TypeError):
        return []
    return [each for each in ids if each.startswith(prefix) and ID.fullmatch(each)]
