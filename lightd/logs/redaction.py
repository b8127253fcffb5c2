"""Secrets as they may be shown: a token by its last four characters, a text without the tokens in it.

Going by the look of a text means erring on the side of hiding too much: a harmless word behind
``Authorization:`` is hidden as well. What is shown tells two tokens apart and helps nobody to guess one.
"""

import math
import re
from collections.abc import Mapping

SHOWN = 4
SHORTEST = 2 * SHOWN  # of a secret this short, four characters would be half or more: none is shown

# Where a bare word ends, in a URL, a header, JSON, a repr or a shell.
_WORD = r"""[^\s"'<>,;&\\{}()\[\]…]"""
_SECRET = re.compile(
    rf"""
    (?P<header>\bauthorization(?:["']\s*,|["']?\s*[:=])\s*(?:b?["'])?(?:(?:bearer|basic|token)\s+)?
      | \bbearer\s+(?!token\b)
      | token(?:=|["']\s*[:=,]\s*)(?:b?["'])?
    )
    (?P<value>{_WORD}+)
    | (?P<bare>lightd_{_WORD}{{8,}})
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SECRET_KEYS = frozenset({"authorization", "token", "password", "secret", "cookie"})


def mask(secret: str) -> str:
    """``secret`` cut down to its last four characters: ``lightd_…a1b2``, or ``…a1b2`` for another's.

    A secret of eight characters or fewer behind its prefix shows nothing of itself, and none is none.
    """
    if not secret:
        return ""
    prefix = "lightd_" if secret.startswith("lightd_") else ""
    rest = secret.removeprefix(prefix)
    return f"{prefix}…{rest[-SHOWN:] if len(rest) > SHORTEST else ''}"


def redact(text: str) -> str:
    """``text`` with everything that looks like a token masked.

    That is ``lightd_`` and eight characters or more, and the word after ``Authorization:``, ``Bearer`` or
    ``token=``, as it stands in a header, a URL, JSON, or a Python repr.
    """
    if text.isascii():  # case is more than lower() beyond that
        lowered = text.lower()
        if not ("token" in lowered or "lightd_" in lowered or "auth" in lowered or "bearer" in lowered):
            return text  # no secret without one of these signs, and they are sooner looked for
    return _SECRET.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    if match["bare"] is not None:
        return mask(match["bare"])
    return f"{match['header']}{mask(match['value'])}"


def to_plain(value: object) -> object:
    """``value`` as JSON can say it, without its secrets; what JSON has no word for becomes a text."""
    match value:
        case str():
            return redact(value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {redact(str(key)): _plain_under(str(key), held) for key, held in value.items()}
        case list() | tuple() | set() | frozenset():
            return [to_plain(held) for held in value]
        case _:
            return redact(str(value))


def _plain_under(key: str, value: object) -> object:
    if isinstance(value, str) and key.lower() in _SECRET_KEYS:
        return mask(value)
    return to_plain(value)
