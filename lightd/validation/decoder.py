"""JSON of any size, read in small steps: for a thread that must not keep the interpreter from the event loop.

The standard library's decoder is one call that holds the interpreter's lock: for milliseconds per MiB of
numbers, lists or escapes. This one can be interrupted between any two values and within a long string. It is
slower, and accepts the same texts except for NaN, Infinity and duplicate names; depth, the length of numbers
and the number of values and names are limited.
"""

import re
from collections.abc import Callable
from json.decoder import scanstring  # type: ignore[attr-defined]  # not among the stubs; in C where it can be

DEEPEST = 100
LONGEST_NAME = 80  # characters of a name that an error shows
LONGEST_NUMBER = 400
"""Digits. Python's own limit lets numbers through that take a hundredth of a millisecond each."""
MOST_VALUES = 100_000
"""A list of 10,000 ports, the longest there is, has half as many."""

MOST_NAMES = 10_000
"""In one object: it is made in one step."""

_BLANKS = re.compile(r"[ \t\n\r]{0,4096}+")
_PIECE = re.compile(
    r"""(?:[^"\\\x00-\x1f]
          |\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
          |\\(?:u[0-9a-fA-F]{4}|[^u\x00-\x1f])){0,4096}+""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]{0,400}+))(\.[0-9]{1,400}+)?([eE][-+]?[0-9]{1,400}+)?(?![0-9.])")
_WORDS = {"true": True, "false": False, "null": None}


Pairs = list[tuple[str, object]]


def to_number(text: str) -> int:
    """Return the whole number ``text``; raises ``ValueError`` where it is too long."""
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number has more than {LONGEST_NUMBER} digits")
    return int(text)


def to_fraction(text: str) -> float:
    """Return the number ``text``; raises as ``to_number``."""
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number has more than {LONGEST_NUMBER} digits")
    return float(text)


def to_object(pairs: Pairs) -> dict[str, object]:
    """Return an object of ``pairs``; raises ``ValueError`` where a name comes twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # add() returns None, which is meant
        raise ValueError(f"{name[:LONGEST_NAME]} is given twice in one object")
    return found


def decode(text: str, to_object: Callable[[Pairs], dict[str, object]] = to_object) -> object:
    """Return the value of ``text``; raises ``ValueError`` with what is wrong with it.

    ``to_object`` makes an object of its names and values. Raises ``RecursionError``
    for a value that is too deep.
    """
    return _Decoder(text, to_object).decode()


class Misspelt(ValueError):  # noqa: N818 - what is said of a text
    """A text is not JSON: ``what`` is wrong at the character ``at``, counted from 0."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(f"{what}: char {at}")
        self.what = what
        self.at = at


class _Decoder:
    def __init__(self, text: str, to_object: Callable[[Pairs], dict[str, object]]) -> None:
        self._text = text
        self._to_object = to_object
        self._at = 0
        self._values = 0

    def decode(self) -> object:
        self._skip()
        value = self._value(0)
        self._skip()
        if self._at < len(self._text):
            raise self._wrong("Extra data")
        return value

    def _wrong(self, what: str) -> "Misspelt":
        return Misspelt(what, self._at)

    def _skip(self) -> None:
        while (found := _BLANKS.match(self._text, self._at)) is not None and found.end() > self._at:
            self._at = found.end()

    def _takes(self, word: str) -> bool:
        taken = self._text.startswith(word, self._at)
        self._at += len(word) * taken
        return taken

    def _value(self, depth: int) -> object:
        self._values += 1
        if self._values > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES} values")
        if depth > DEEPEST:
            raise RecursionError
        match self._text[self._at : self._at + 1]:
            case '"':
                return self._string()
            case "{":
                return self._object(depth + 1)
            case "[":
                return self._list(depth + 1)
            case "t" | "f" | "n":
                return self._word()
            case _:
                return self._number()

    def _word(self) -> object:
        for word, value in _WORDS.items():
            if self._takes(word):
                return value
        raise self._wrong("Expecting value")

    def _number(self) -> object:
        found = _NUMBER.match(self._text, self._at)
        if found is None:
            digit = self._text[self._at : self._at + 2].lstrip("-")[:1]
            raise self._wrong("Not a number, or too long" if digit.isdigit() else "Expecting value")
        self._at = found.end()
        whole, *rest = found.groups()
        return to_fraction(found[0]) if any(rest) else to_number(whole)

    def _string(self) -> str:
        self._at += 1
        pieces: list[str] = []
        while not self._takes('"'):
            found = _PIECE.match(self._text, self._at)
            if found is None or found.end() == self._at:
                raise self._wrong("Invalid character or end within a string")
            pieces.append(scanstring(f'{found[0]}"', 0)[0])
            self._at = found.end()
        return "".join(pieces)

    def _object(self, depth: int) -> dict[str, object]:
        pairs: Pairs = []
        self._at += 1
        self._skip()
        if self._takes("}"):
            return {}
        while True:
            if not self._text.startswith('"', self._at):
                raise self._wrong("Expecting property name enclosed in double quotes")
            name = self._string()
            self._skip()
            if not self._takes(":"):
                raise self._wrong("Expecting ':' delimiter")
            self._skip()
            pairs.append((name, self._value(depth)))
            if len(pairs) > MOST_NAMES:
                raise ValueError(f"an object has more than {MOST_NAMES} names")
            self._skip()
            if self._takes("}"):
                return self._to_object(pairs)
            if not self._takes(","):
                raise self._wrong("Expecting ',' delimiter")
            self._skip()

    def _list(self, depth: int) -> list[object]:
        values: list[object] = []
        self._at += 1
        self._skip()
        if self._takes("]"):
            return values
        while True:
            values.append(self._value(depth))
            self._skip()
            if self._takes("]"):
                return values
            if not self._takes(","):
                raise self._wrong("Expecting ',' delimiter")
            self._skip()
