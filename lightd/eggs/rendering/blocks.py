"""Finds the parts of a large YAML file that its replacements concern, by the keys of its top level.

That needs no parser where every line is complete: each value that begins with a quote or a bracket ends in
the same line, and nothing has an anchor, an alias or a tag. Then a line that is not indented and is not a
comment begins an entry of the top level, or continues its list. RE2 checks that in linear time.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import re2

_DOUBLE: Final = r'"(?:[^"\\\n]|\\[^\n])*"'
_SINGLE: Final = r"'(?:[^'\n]|'')*'"
_REST: Final = r"(?:[^\n:#]|:+[^\s:#]|[^\s:#]#+)*"
_KEY: Final = r"""(?:[A-Za-z0-9_.$/+~](?:[^\n:#"'\[\]{}]|:+[^\s:#"'\[\]{}])*|"[^"\\\n]*"|'[^'\n]*')"""
_IN_FLOW: Final = rf"""(?:[^\n\[\]{{}}"'#&*!]|{_DOUBLE}|{_SINGLE})*"""
_FLOW: Final = rf"(?:\[{_IN_FLOW}\]|\{{{_IN_FLOW}\}})"
_PLAIN: Final = rf"""(?:[^\s"'\[\]{{}}#&*!|>%@`,?:-]|[?:-][^\s:#]){_REST}"""
_VALUE: Final = rf"(?:{_DOUBLE}|{_SINGLE}|{_FLOW}|[|>][0-9+-]*|{_PLAIN})"
_ENTRY: Final = rf"(?:{_KEY}:(?: +{_VALUE})?|{_VALUE}|-)"
_LINE: Final = (
    rf"(?:(?: +(?:- +)*{_ENTRY}|(?:- +)+{_ENTRY}|-|{_KEY}:(?: +{_VALUE})?)(?:[ \t]+#[^\n]*)?|[ \t]*#[^\n]*)?"
)
_LINES: Final = re2.compile(rf"(?:{_LINE}[ \t]*\r?\n)*{_LINE}[ \t]*\r?")

_SCALAR: Final = re.compile(r"[|>][0-9+-]*[ \t]*\r?\n")
_FIRST: Final = re.compile(r"\n(?:[^\s#]|[ \t]+[^\s#])")
_TOP: Final = re.compile(r"\n[^\s#-]")
_START: Final = "---\n"

Part = tuple[int, int]
"""Where an entry begins and ends in the text."""

Parts = Mapping[str, Part]
"""The part of each key."""

Edit = tuple[int, int, str]
"""A part, and what takes its place."""


def is_simple(text: str) -> bool:
    """Whether the parts of a text can be found without a parser, and its top level is a map."""
    body = text.removeprefix(_START)
    if not text.endswith("\n") and _SCALAR.search(text):
        return False  # a line end behind it could become a part of its text
    first = _FIRST.search(f"\n{body}")
    return (first is None or _TOP.match(first[0]) is not None) and _LINES.fullmatch(body) is not None


def find_parts(text: str, keys: Sequence[str]) -> Parts | None:
    """Return the part of each key of the top level, or None if a key is there twice.

    The part of a key that is not there is at the end of the text. Comments and blank lines between two
    entries belong to neither.
    """
    parts: dict[str, Part] = {}
    lines = f"\n{text}"  # an expression that begins with a letter is searched for in a fraction of the time
    for key in keys:
        quoted = re.escape(key)
        found = re.compile(rf"""\n(?:{quoted}|"{quoted}"|'{quoted}')[ \t]*+:(?=\s|\Z)""")
        places = [each.start() for each in found.finditer(lines)]
        if len(places) > 1:
            return None
        parts[key] = len(text), len(text)
        if places:
            following = _TOP.search(lines, places[0] + 1)
            end = len(text) if following is None else following.start()
            parts[key] = places[0], _without_comments(text, places[0], end)
    return parts


def apply(text: str, edits: Sequence[Edit]) -> str:
    """Return ``text`` with the parts replaced.

    What is added to it begins with a line of its own, and a table of TOML has a blank line before it.
    """
    pieces: list[str] = []
    at, end = 0, "\r\n" if "\r\n" in text else "\n"
    for begin, stop, new in sorted(edits):
        before = text[at:begin]
        pieces.append(before)
        if begin == stop and new and (last := next(filter(None, reversed(pieces)), "")):
            pieces.append("" if last.endswith("\n") else end)
            pieces.append(end if new.startswith("[") and not last.endswith(end * 2) else "")
        pieces.append(new if begin < stop else new.replace("\r\n", "\n").replace("\n", end))
        at = stop
    return "".join(pieces) + text[at:]


def _without_comments(text: str, begin: int, end: int) -> int:
    """Return where the last line before ``end`` ends that is neither blank nor a comment without indent."""
    while end > begin:
        line = text.rfind("\n", begin, end - 1) + 1
        if line <= begin or (text[line:end].strip() and not text.startswith("#", line)):
            return end
        end = line
    return end
