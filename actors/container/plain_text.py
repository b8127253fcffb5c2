"""Removes what an editor or a form on another system adds to a text. Pure.

A script, a command or a pattern from Windows has a carriage return before each newline, and perhaps a byte
order mark at its beginning. Shells and regular expressions treat both as text. White space at the end of a
command is invisible, so it is removed, too.
"""

import re

_MARKS = re.compile("^\ufeff+", re.MULTILINE)


def to_text(text: str) -> str:
    """Return ``text`` with line feeds for all ends of lines, and without byte order marks before a line."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _MARKS.sub("", text) if "\ufeff" in text else text


def to_command(text: str) -> str:
    """Return ``to_text`` without the white space at its end, unless that is escaped with a backslash."""
    text = to_text(text)
    kept = text.rstrip()
    escaped = (len(kept) - len(kept.rstrip("\\"))) % 2
    return text[: len(kept) + escaped]
