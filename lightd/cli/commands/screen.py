"""Filters untrusted text for an operator's terminal. Pure.

A tenant controls what a server prints and what its errors say; a panel controls its name. Terminals take
some sequences as commands: move the cursor and overwrite text, set the title, send an answer as if it had
been typed, write to the clipboard, print backwards (CVE-2021-25743, CVE-2003-0063). So only these are kept:

- visible characters and tabs, no control or format characters;
- in console lines, if colours are enabled, SGR (ECMA-48, 8.3.117); each line is closed by a reset.

Everything that terminals treat as the start of a sequence is removed: the 8-bit forms (U+0080 to U+009F) as
well as ESC, and unterminated sequences, which never hide more than one line.
"""

import re
import unicodedata
from typing import Final

from actors.container.console.lines import LONGEST
from actors.container.console.screen import to_drawn

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


def to_name(text: str) -> str:
    """``text`` as one line, with every invisible character escaped."""
    return "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}:
        return character.encode("unicode_escape").decode()
    return character


def to_line(text: str, *, colours: bool) -> str:
    """A console line with no control characters but tabs and, with ``colours``, SGR.

    A line that its program has drawn over, with carriage returns or otherwise, is shown as a person sees it.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = _STRANGE.sub(_to_colour if colours else "", to_drawn(text, LONGEST))
    shown = shown.replace("\b", "").replace("\r", "").encode("utf-8", "replace").decode()
    return shown + RESET if "\x1b" in shown else shown


def _to_colour(found: re.Match[str]) -> str:
    if found["final"] == "m" and not found["between"] and _COLOUR.fullmatch(found["parameters"]):
        return f"\x1b[{found['parameters']}m"
    return ""
