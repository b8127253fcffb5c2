"""What a game server answers to a query. Pure; every text of a server is bounded and cleaned here."""

import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

import attrs

TRANSPORTS: Final = MappingProxyType({"minecraft": "tcp", "source": "udp"})
"""The protocols, and the transport of each."""
LONGEST_TEXT: Final = 256
MOST_NAMES: Final = 100
MOST_PLAYERS: Final = 2**31 - 1

# Control characters, separators of lines, what changes the direction of text, and half a surrogate pair.
_UNSHOWN = re.compile(
    r"[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+"
)
_COLOUR = re.compile("\u00a7.?", re.DOTALL)


class BadAnswer(Exception):  # noqa: N818 - names what was received
    """What was received is not an answer of the protocol."""


@attrs.frozen
class GameAnswer:
    """The answer of a game server. None is what its protocol or the server does not tell.

    ``names`` are some of the players, at most ``MOST_NAMES``.
    """

    players: int | None = None
    max_players: int | None = None
    names: tuple[str, ...] | None = None
    map: str | None = None
    version: str | None = None
    motd: str | None = None


def to_text(value: object) -> str | None:
    """Return a text of a server in one line without control characters and colours; None if it has none."""
    if not isinstance(value, str):
        return None
    part = _COLOUR.sub("", value[: 4 * LONGEST_TEXT])
    return " ".join(_UNSHOWN.sub(" ", part).split())[:LONGEST_TEXT] or None


def to_count(value: object) -> int | None:
    """Return a number of players, None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_PLAYERS:
        return None
    return value


def to_names(values: Iterable[object]) -> tuple[str, ...]:
    """Return the first names of players."""
    found: list[str] = []
    for value in values:
        if len(found) == MOST_NAMES:
            break
        if name := to_text(value):
            found.append(name)
    return tuple(found)
