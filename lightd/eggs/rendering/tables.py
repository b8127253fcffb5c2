"""Finds the parts of a large TOML file that its replacements concern: tables, or what is before them.

As ``blocks``: that needs no parser where each value ends in its line.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

import re2

from lightd.eggs.rendering.blocks import Part, Parts

Kind = Literal["value", "list", "table"]

_DOUBLE: Final = r'"(?:[^"\\\n]|\\[^\n])*"'
_SINGLE: Final = r"'[^'\n]*'"
_NAME: Final = rf"(?:[A-Za-z0-9_-]+|{_DOUBLE}|{_SINGLE})"
_PATH: Final = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*"
_BARE: Final = r"[A-Za-z0-9+._-][A-Za-z0-9+.:_-]*(?: [0-9][0-9:.]*)?"
_IN_LIST: Final = rf"""(?:[^\n\[\]{{}}"'#]|{_DOUBLE}|{_SINGLE})*"""
_INNER: Final = rf"(?:\[{_IN_LIST}\]|\{{{_IN_LIST}\}})"
_IN_OUTER: Final = rf"""(?:[^\n\[\]{{}}"'#]|{_DOUBLE}|{_SINGLE}|{_INNER})*"""
_VALUE: Final = rf"(?:{_DOUBLE}|{_SINGLE}|{_BARE}|\[{_IN_OUTER}\]|\{{{_IN_OUTER}\}})"
_LINE: Final = (
    rf"[ \t]*(?:\[[ \t]*{_PATH}[ \t]*\]|\[\[[ \t]*{_PATH}[ \t]*\]\]|{_PATH}[ \t]*=[ \t]*{_VALUE})?"
    r"(?:[ \t]*#[^\n]*|[ \t]*\r?)"
)
_LINES: Final = re2.compile(rf"(?:{_LINE}\n)*{_LINE}")
_HEADER: Final = re.compile(r"\n[ \t]*+\[")


def is_simple(text: str) -> bool:
    """Whether the parts of a text can be found without a parser."""
    return _LINES.fullmatch(text) is not None


def find_parts(text: str, keys: Mapping[str, Kind]) -> Parts | None:
    """Return the part of each key of the top level; ``keys`` says what is to be there.

    The part of a table that is not there is at the end of the text. None if the tables of a key are in
    several places, or must become a value.
    """
    lines = f"\n{text}"
    first = _HEADER.search(lines)
    root = len(text) if first is None else first.start()
    parts: dict[str, Part] = {}
    for key, kind in keys.items():
        name = rf"""(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')[ \t]*+"""
        assigned = re.compile(rf"\n[ \t]*+{name}[.=]")
        in_root = assigned.search(lines, 0, root + 1) is not None
        sought = re.compile(rf"\n[ \t]*+\[\[?[ \t]*+{name}[.\]]")
        headers = [each.start() for each in sought.finditer(lines)]
        if headers and (in_root or kind == "value"):
            return None
        if not headers:
            parts[key] = (0, root) if in_root or kind != "table" else (len(text), len(text))
            continue
        end = headers[0]
        for header in headers:
            if header != end:
                return None
            following = _HEADER.search(lines, header + 1)
            end = len(text) if following is None else following.start()
        parts[key] = headers[0], end
    return parts
