"""How many columns of a terminal a text takes. Pure.

Wide characters (UAX #11) take two, combining and format characters none. The text was filtered by ``screen``,
so it has no control characters but, in console lines, tabs and SGR sequences.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

_NONE: Final = frozenset({"Mn", "Me", "Cf"})
_WIDE: Final = frozenset("WF")


def width_of(text: str) -> int:
    """The columns that ``text`` takes."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in _NONE:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def fold(text: str, columns: int) -> Iterator[str]:
    """``text`` in pieces of at most ``columns`` columns, at a space if there is one in the second half.

    A piece has at least one character, also if that is wider.
    """
    begin = taken = space = 0
    for end, character in enumerate(text):
        width = _width(character)
        if taken + width > columns and end > begin:
            cut = space if (space - begin) * 2 > end - begin else end
            yield text[begin:cut].rstrip(" ")
            begin = cut
            taken = width_of(text[begin:end])
        taken += width
        space = end + 1 if character == " " else space
    yield text[begin:]
