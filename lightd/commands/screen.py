"""Text of others as an operator's terminal may show it. Pure.

Whoever runs a server decides what it prints, what its errors say, and what a panel calls it. A terminal takes
some of that as orders: move the cursor and overwrite, set the title, answer as if it had been typed, write
into the clipboard, print backwards (CVE-2021-25743, CVE-2003-0063). So nothing reaches it but

- letters, and tabs, of which none is a control or a format character;
- from a console, if colours are wanted, SGR (ECMA-48, 8.3.117), each line closed by a reset.

What terminals take for the start of a sequence is taken for one here too: the 8-bit forms (U+0080 to U+009F)
as well as ESC, and those without an end, which hide no further line.
"""

import re
import unicodedata
from typing import Final

RESET: Final = "\x1b[0m"

_STRANGE = re.compile(
    r"""
    (?:\x1b\[|\x9b) (?P<parameters>[0-?]*) (?P<between>[ -/]*) (?P<final>[@-~])?  # CSI
    | (?:\x1b\]|\x9d) [^\x07\x1b\x9c]* (?:\x07|\x1b\\|\x9c)?                       # OSC, which BEL may end
    | (?:\x1b[PX^_]|[\x90\x98\x9e\x9f]) [^\x1b\x9c]* (?:\x1b\\|\x9c)?              # DCS, SOS, PM, APC
    | \x1b[ -/]*[0-~]?
    | [\x00-\x07\x0a-\x0c\x0e-\x1f\x7f-\x9f]
    | [\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]                               # order, lines
    """,
    re.VERBOSE,
)
_COLOUR = re.compile(r"[0-9;:]{0,64}")
_RETURNED = "\u240d"


def to_name(text: str) -> str:
    """``text`` in one line, with everything that is no visible character spelled out."""
    return "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}:
        return character.encode("unicode_escape").decode()
    return character


def to_line(text: str, *, colours: bool) -> str:
    """A line of a console: no control but tabs and, with ``colours``, SGR; backspaces have erased.

    A carriage return between two texts is shown, by its symbol: nothing is overwritten.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = _STRANGE.sub(_to_colour if colours else "", text)
    if "\b" in shown:
        shown = _erased(shown)
    if "\r" in shown:
        shown = _RETURNED.join(part for part in shown.split("\r") if part)
    shown = shown.encode("utf-8", "replace").decode()
    return shown + RESET if "\x1b" in shown else shown


def _to_colour(found: re.Match[str]) -> str:
    if found["final"] == "m" and not found["between"] and _COLOUR.fullmatch(found["parameters"]):
        return f"\x1b[{found['parameters']}m"
    return ""


def _erased(text: str) -> str:
    kept: list[str] = []
    for piece in re.findall(r"\x1b\[[0-9;:]*m|[\s\S]", text):
        if piece != "\b":
            kept.append(piece)
        elif kept and len(kept[-1]) == 1:
            kept.pop()
    return "".join(kept)
