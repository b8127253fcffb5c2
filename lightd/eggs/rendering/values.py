"""The values of replacements: which ones apply, and what type they get in a file with types."""

import json
from typing import Final

import re2

from lightd.eggs.egg import Replacement

REGEX: Final = "regex:"
LONGEST_PATTERN: Final = 1000
ROOM: Final = 1 << 20
"""Characters that all replacements together may add to a file."""

_NUMBER: Final = re2.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_GROUP: Final = re2.compile(r"\$(?:\$|(\d+)|(\w+)|\{(\w+)\})")

Scalar = str | int | float | bool | None


class UnreadableError(ValueError):
    """The file is not what its parser expects, or cannot be changed; the text says why."""


def to_new(present: str | None, replacement: Replacement) -> str | None:
    """Return the new text in place of ``present``, None where the replacement does not apply.

    A condition only applies to a value that is there.
    """
    condition = replacement.if_value
    if not condition:
        return replacement.value
    if present is None:
        return None
    if not condition.startswith(REGEX):
        return replacement.value if present == condition else None
    pattern = _compile(condition.removeprefix(REGEX))
    if pattern is None or pattern.search(present) is None or len(present) * len(replacement.value) > ROOM:
        return None
    return str(pattern.sub(lambda found: _expand(replacement.value, found), present))


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
    options.max_mem = 1 << 20
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
