"""A rule reads one kind of JSON value, says what is wrong with another one, and knows its JSON Schema.

Types are not converted: ``"8080"``, ``true`` and ``8080.0`` are not whole numbers.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from lightd.logs.redaction import redact

LONGEST_SHOWN = 60  # characters of a wrong value that an error message quotes
_LOOKED_AT = 1000  # characters of it that are masked and encoded


class Invalid(ValueError):  # noqa: N818 - names the state of the value
    """A value that a rule rejects; the message is a complete sentence without the field's name."""


@attrs.frozen(eq=False)
class Rule:
    """A kind of value: "must be ``means``".

    ``convert`` returns a value in its final form. It raises ``Invalid`` with a message of its own, or any
    ``ValueError``, which means "must be ``means``". ``schema`` (JSON Schema 2020-12) may accept more than
    ``convert``, but never less; ``obvious`` if it says as much as ``means``. No error shows the value of a
    ``secret``. ``alone`` is a value that can replace a whole list of such values.
    """

    means: str
    convert: Callable[[Any], Any]
    schema: Mapping[str, Any]
    secret: bool = False
    alone: str | None = None
    obvious: bool = False

    def read(self, value: object) -> Any:  # noqa: ANN401 - of the rule's type
        """Return ``value`` in its final form; raises ``Invalid``."""
        try:
            return self.convert(value)
        except Invalid:
            raise
        except ValueError:
            got = "" if self.secret else f" (got {shown(value)})"
            raise Invalid(f"must be {self.means}{got}") from None

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema, with a description where it needs one."""
        return dict(self.schema) if self.obvious else {"description": self.means, **self.schema}


def shown(value: object) -> str:
    """Return ``value`` as an error message may quote it: one short line, without a token."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            text = redact(json.dumps(value[:_LOOKED_AT] if isinstance(value, str) else value))
            return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def shown_key(key: str) -> str:
    """Return ``key`` as a path may contain it: as it is if it is a plain word and no token, else quoted."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key) and redact(key) == key else shown(key)


def text(value: object) -> str:
    """Return a string; raises ``ValueError`` for any other value."""
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - a JSON value of the wrong type
    return value


def whole(low: int, high: int) -> Rule:
    """Return the rule for a whole number from ``low`` to ``high``."""

    def convert(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError  # noqa: TRY004 - as in text()
        if not low <= value <= high:
            raise Invalid(f"must be between {low} and {high} (got {shown(value)})")
        return value

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Rule(f"a whole number between {low} and {high}", convert, schema, obvious=True)


def number(low: float, high: float) -> Rule:
    """Return the rule for a number from ``low`` to ``high``."""

    def convert(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError  # noqa: TRY004 - as in text()
        if not low <= value <= high:
            raise Invalid(f"must be between {low:g} and {high:g} (got {shown(value)})")
        return float(value)

    schema = {"type": "number", "minimum": low, "maximum": high}
    return Rule(f"a number between {low:g} and {high:g}", convert, schema, obvious=True)


def matching(means: str, pattern: str, *, secret: bool = False) -> Rule:
    """Return the rule for a string that matches the whole of ``pattern``."""
    compiled = re.compile(pattern)

    def convert(value: object) -> str:
        if not compiled.fullmatch(text(value)):
            raise ValueError
        return text(value)

    return Rule(means, convert, {"type": "string", "pattern": f"^(?:{pattern})$"}, secret)


def one_of(*words: str) -> Rule:
    """Return the rule for one of ``words``."""

    def convert(value: object) -> str:
        if text(value) not in words:
            raise ValueError
        return text(value)

    *others, last = (f'"{word}"' for word in words)
    means = f"{', '.join(others)} or {last}" if others else last
    return Rule(means, convert, {"type": "string", "enum": list(words)}, obvious=True)


def _to_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - as in text()
    return value


FLAG = Rule("true or false", _to_flag, {"type": "boolean"}, obvious=True)
