"""What a server's console says about problems that its operator can solve, and what to do about them.

The texts are those that the games and their tools print; panels look for the same ones. They are looked for
on the consoles of servers that were created from an egg, each at most once in a run.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs


@attrs.frozen
class Hint:
    """A problem: a line of the console contains one of ``texts``; ``advice`` is a sentence on what to do."""

    texts: tuple[str, ...]
    advice: str


HINTS: Final[Mapping[str, Hint]] = MappingProxyType(
    {
        "eula": Hint(
            ("You need to agree to the EULA in order to run the server",),
            "the game's licence must be accepted: read it, write eula=true into eula.txt, and start again",
        ),
        "java_version": Hint(
            (
                "has been compiled by a more recent version of the Java Runtime",
                "java.lang.UnsupportedClassVersionError",
                "requires running the server with Java",
                "Unsupported Java detected",
            ),
            "the game needs another version of Java: choose an image with the one that the console names",
        ),
        "steam_disk_space": Hint(
            ("steamcmd needs 250MB of free disk space to update", "0x202 after update job"),
            "Steam has not enough disk space for the game: give the volume more, or delete files",
        ),
        "gsl_token": Hint(
            ("(gsl token expired)", "(account not found)"),
            "the Steam game server login token is missing or has expired: create one, and set its variable",
        ),
        "pid_limit": Hint(
            (
                "pthread_create failed (EAGAIN)",
                "unable to create native thread",
                "unable to create new native thread",
                "can't start new thread",
            ),
            "the server has reached its limit of processes and threads: raise its limit pids",
        ),
    }
)
TEXTS: Final = tuple(text for hint in HINTS.values() for text in hint.texts)


def find(lines: bytes) -> list[str]:
    """Return the names of the hints whose texts are in ``lines``, which have no control sequences."""
    return [name for name, hint in HINTS.items() if any(text.encode() in lines for text in hint.texts)]
