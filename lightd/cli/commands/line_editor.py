"""A line that is edited on a terminal, with a history: what each key does. Pure.

The keys are those of readline's Emacs mode. A newline that was pasted is part of the line; the line is then
several commands.
"""

import unicodedata
from collections.abc import Sequence
from enum import Enum
from typing import Final

import attrs

from lightd.cli.commands.keys import PASTED

LONGEST: Final = 32 * 1024
"""Characters of a line; more are ignored."""
MOST: Final = 1000
"""Lines of the history."""


class Wish(Enum):
    """What a key asks for beyond editing the line."""

    SUBMIT = "submit"
    DETACH = "detach"
    INTERRUPT = "interrupt"
    CLEAR = "clear the screen"
    SUSPEND = "suspend"


@attrs.define
class LineEditor:
    """``text`` with the cursor before the character at ``cursor``; Ctrl-R looks for ``search``."""

    history: list[str] = attrs.field(factory=list)
    text: str = ""
    cursor: int = 0
    search: str | None = None
    _at: int | None = None  # the place in the history, None in the new line
    _draft: str = ""
    _killed: str = ""
    _before: str = ""

    def press(self, key: str) -> Wish | None:
        """Edit the line; return what the key asks for beyond that."""
        before, self._before = self._before, key
        return None if self.search is not None and self._find(self.search, key) else self._act(key, before)

    def _act(self, key: str, before: str) -> Wish | None:
        match key:
            case "<c-m>" | "<c-j>":
                return Wish.SUBMIT
            case "<c-]>" | "<c-q>" if key == "<c-]>" or before == "<c-p>":
                return Wish.DETACH
            case "<c-d>" if not self.text:
                return Wish.DETACH
            case "<c-c>" if not self.text:
                return Wish.INTERRUPT
            case "<c-c>":
                self._set("")
                self._at = None
            case "<c-l>":
                return Wish.CLEAR
            case "<c-z>":
                return Wish.SUSPEND
            case "<up>" | "<c-p>":
                self._recall(-1)
            case "<down>" | "<c-n>":
                self._recall(1)
            case "<c-r>":
                self.search = ""
                self._draft = self.text if self._at is None else self._draft
            case "<left>" | "<c-b>":
                self.cursor = max(self.cursor - 1, 0)
            case "<right>" | "<c-f>":
                self.cursor = min(self.cursor + 1, len(self.text))
            case "<m-b>":
                self.cursor = self._word_left()
            case "<m-f>":
                self.cursor = self._word_right()
            case "<home>" | "<c-a>":
                self.cursor = 0
            case "<end>" | "<c-e>":
                self.cursor = len(self.text)
            case "<backspace>" | "<c-h>":
                self._cut(self.cursor - 1, self.cursor)
            case "<delete>" | "<c-d>":
                self._cut(self.cursor, self.cursor + 1)
            case "<c-k>":
                self._killed = self._cut(self.cursor, len(self.text))
            case "<c-u>":
                self._killed = self._cut(0, self.cursor)
            case "<c-w>" | "<m-\x7f>":
                self._killed = self._cut(self._word_left(), self.cursor)
            case "<m-d>":
                self._killed = self._cut(self.cursor, self._word_right())
            case "<c-y>":
                self._insert(self._killed)
            case _ if key.startswith(PASTED):
                self._insert(to_pasted(key[len(PASTED) :]))
            case _ if len(key) == 1:
                self._insert(key)
            case _:
                pass
        return None

    def take(self) -> Sequence[str]:
        """The commands of the line, which is empty afterwards. One that begins with a space is not kept."""
        text = self.text
        self._set("")
        self._at, self.search = None, None
        if text.strip() and not text.startswith(" ") and self.history[-1:] != [text]:
            self.history.append(text)
            del self.history[:-MOST]
        return text.removesuffix("\n").split("\n")

    def _set(self, text: str) -> None:
        self.text, self.cursor = text, len(text)

    def _insert(self, text: str) -> None:
        text = text[: LONGEST - len(self.text)]
        self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
        self.cursor += len(text)

    def _cut(self, start: int, end: int) -> str:
        start = max(start, 0)
        cut = self.text[start:end]
        self.text = self.text[:start] + self.text[end:]
        self.cursor = start
        return cut

    def _word_left(self) -> int:
        at = self.cursor
        while at and not self.text[at - 1].isalnum():
            at -= 1
        while at and self.text[at - 1].isalnum():
            at -= 1
        return at

    def _word_right(self) -> int:
        at = self.cursor
        while at < len(self.text) and not self.text[at].isalnum():
            at += 1
        while at < len(self.text) and self.text[at].isalnum():
            at += 1
        return at

    def _recall(self, step: int) -> None:
        """Go to an older or newer line of the history, and from the newest back to the new line."""
        at = (len(self.history) if self._at is None else self._at) + step
        if not 0 <= at <= len(self.history) or (self._at is None and step > 0):
            return
        if self._at is None:
            self._draft = self.text
        self._at = None if at == len(self.history) else at
        self._set(self._draft if self._at is None else self.history[at])

    def _find(self, search: str, key: str) -> bool:
        """Search the history backwards; return false if the key ends the search and is meant for the line."""
        match key:
            case "<c-r>":
                self._look(search, older=True)
            case "<backspace>" | "<c-h>":
                self._look(search[:-1], older=False)
            case "<c-g>" | "<c-c>":
                self.search = self._at = None
                self._set(self._draft)
            case _ if len(key) == 1:
                self._look(search + key, older=False)
            case _:
                self.search = None
                return False
        return True

    def _look(self, wanted: str, *, older: bool) -> None:
        newest = len(self.history) - 1 if self._at is None else self._at - older
        for at in range(newest, -1, -1):
            if wanted and wanted in self.history[at]:
                self._at, self.search = at, wanted
                self._set(self.history[at])
                return
        self.search = wanted


def to_pasted(text: str) -> str:
    """Pasted text without control characters but newlines and tabs."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(each for each in text if each in "\n\t" or unicodedata.category(each) != "Cc")
