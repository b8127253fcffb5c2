"""Keys of a terminal, from the bytes that it sends. Pure.

A key is a character, or the name of a special key in angle brackets: ``<up>``, ``<c-a>`` for Ctrl-A,
``<m-b>`` for Alt-B, ``<paste>text`` for a bracketed paste. The sequences are those of xterm and of what
imitates it (ECMA-48; Linux's console_codes(4)); others are ignored.
"""

import codecs
import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

import attrs

PASTE_BEGIN: Final = "\x1b[200~"
PASTE_END: Final = "\x1b[201~"
PASTED: Final = "<paste>"
LONGEST_PASTE: Final = 64 * 1024

_FINALS: Final = MappingProxyType(
    {"A": "<up>", "B": "<down>", "C": "<right>", "D": "<left>", "H": "<home>", "F": "<end>"}
)
_NUMBERS: Final = MappingProxyType(
    {"1": "<home>", "3": "<delete>", "4": "<end>", "7": "<home>", "8": "<end>"}
)
_WORDWISE: Final = MappingProxyType({"<left>": "<m-b>", "<right>": "<m-f>"})
_SEQUENCE: Final = re.compile(
    r"\x1b(?:\[(?P<numbers>[0-?]*)(?P<final>[@-~])|O(?P<application>[@-~])|(?P<alt>[^\[O]))"
)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*|O)?")


@attrs.define
class KeyDecoder:
    """Decodes a stream of bytes; a sequence or a character can be split between two reads."""

    _decoder: codecs.IncrementalDecoder = attrs.field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _rest: str = ""
    _pasting: bool = False

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the keys in ``data``."""
        text, self._rest = self._rest + self._decoder.decode(data), ""
        at = 0
        while at < len(text):
            if self._pasting:
                end = text.find(PASTE_END, at)
                if end < 0:
                    kept = text[at:]  # of a longer one the beginning, and what may belong to its end mark
                    cut = len(PASTE_END) if len(kept) > LONGEST_PASTE else 0
                    self._rest = kept[:LONGEST_PASTE] + kept[len(kept) - cut :]
                    return
                yield PASTED + text[at:end]
                self._pasting, at = False, end + len(PASTE_END)
            elif text.startswith(PASTE_BEGIN, at):
                self._pasting, at = True, at + len(PASTE_BEGIN)
            elif text[at] != "\x1b":
                yield to_key(text[at])
                at += 1
            elif found := _SEQUENCE.match(text, at):
                if key := _to_special(found):
                    yield key
                at = found.end()
            else:
                if _UNFINISHED.fullmatch(text, at):
                    self._rest = text[at:]  # the rest is on its way, or Escape was pressed: it means Alt
                    return
                at += 1  # a sequence that is none


def to_key(character: str) -> str:
    """A character as a key: control characters by the letter that is pressed with Ctrl."""
    if character == "\x7f":
        return "<backspace>"
    if character < " ":
        return f"<c-{chr(ord(character) | 0x40).lower()}>"
    return character


def _to_special(found: re.Match[str]) -> str | None:
    if found["alt"]:
        return f"<m-{found['alt'].lower()}>" if found["alt"].isalpha() or found["alt"] == "\x7f" else None
    if found["application"]:
        return _FINALS.get(found["application"])
    number, _, modifiers = found["numbers"].partition(";")
    key = _NUMBERS.get(number) if found["final"] == "~" else _FINALS.get(found["final"])
    return _WORDWISE.get(key, key) if key and modifiers in {"3", "5"} else key
