"""The values of replacements: which ones apply, and what type they get in a file with types."""

import json
from typing import Final

import attrs
import re2

from lightd.eggs.egg import Replacement

REGEX: Final = "regex:"
LONGEST_PATTERN: Final = 1000
LONGEST_VALUE: Final = 16 * 1024
"""Characters of a value that an expression is compared with."""
ROOM: Final = 1 << 20
"""Characters that all replacements together may add to a file."""

_OF_SEARCH: Final = 10
_OF_PATTERN: Final = 20_000
_OF_CHARACTER: Final = 8
"""The room that a search, a new expression, and each character of a value that is searched take."""

_NUMBER: Final = re2.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_GROUP: Final = re2.compile(r"\$(?:\$|(\d+)|(\w+)|\{(\w+)\})")

Scalar = str | int | float | bool | None


class UnreadableError(ValueError):
    """The file is not what its parser expects, or cannot be changed; the text says why."""


@attrs.define(eq=False)
class Room:
    """The characters that the replacements of one file may still add.

    Work that adds nothing takes room, too: about as much as could be added in the same time.
    """

    left: int = ROOM
    _patterns: "dict[str, re2._Regexp[str] | None]" = attrs.field(factory=dict)

    def take(self, count: int) -> None:
        """Raise ``UnreadableError`` if there is not so much room."""
        self.left -= count
        if self.left < 0:
            raise UnreadableError(f"would become {ROOM} characters longer, or needs too many comparisons")

    def to_pattern(self, text: str) -> "re2._Regexp[str] | None":
        """Return the expression, None if RE2 cannot read it."""
        self.take(_OF_SEARCH)
        if text not in self._patterns:
            self.take(_OF_PATTERN)
            self._patterns[text] = _compile(text)
        return self._patterns[text]


def to_new(present: str | None, replacement: Replacement, room: Room) -> str | None:
    """Return the new text in place of ``present``, None where the replacement does not apply.

    A condition only applies to a value that is there. Raises ``UnreadableError`` if there is no room.
    """
    new = _to_new(present, replacement, room)
    room.take(1 if new is None else 1 + len(new))
    return new


def _to_new(present: str | None, replacement: Replacement, room: Room) -> str | None:
    condition = replacement.if_value
    if not condition:
        return replacement.value
    if present is None:
        return None
    if not condition.startswith(REGEX):
        return replacement.value if present == condition else None
    pattern = room.to_pattern(condition.removeprefix(REGEX))
    if pattern is None or len(present) > LONGEST_VALUE or len(present) * len(replacement.value) > ROOM:
        return None
    room.take(_OF_CHARACTER * len(present))

    def expand(found: "re2._Match[str]") -> str:
        expanded = _expand(replacement.value, found)
        room.take(_OF_SEARCH + len(expanded))
        return expanded

    return str(pattern.sub(expand, present)) if pattern.search(present) else None


def to_typed(present: Scalar | object, text: str) -> Scalar:
    """Return ``text`` with the type of the present value; if it has none, as JSON would read it."""
    if isinstance(present, str):
        return text
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        number: Scalar = json.loads(text)
        return number
    return text


def to_text(value: Scalar | object) -> str | None:
    """Return the text of a value to compare with, None for lists and maps."""
    if isinstance(value, str):
        return str(value)  # without what a library adds
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return None


def _compile(text: str) -> "re2._Regexp[str] | None":
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 18
    if len(text) > LONGEST_PATTERN:
        return None
    try:
        return re2.compile(text, options)
    except re2.error:
        return None


def _expand(template: str, found: "re2._Match[str]") -> str:
    """Fill in ``$1``, ``${1}`` and ``$name``, as Go does; groups that are not there are empty."""

    def fill(each: "re2._Match[str]") -> str:
        name = each[1] or each[2] or each[3]
        if name is None:
            return "$"
        try:
            return found[int(name) if name.isdigit() else name] or ""
        except (IndexError, KeyError):
            return ""

    return str(_GROUP.sub(fill, template))
