"""Changes a text of JSON at some places, and leaves the rest of it as it is written.

The text was read before, so it is valid. A value is skipped by the scanner of the standard library, in C, and
only the members of the maps and lists on the way to a place are read. That way is shorter where a key is in
the text only once.
"""

import json
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from json.decoder import JSONDecoder
from json.decoder import scanstring as _scan_string  # type: ignore[attr-defined]  # it has no stub
from typing import Any, Final

import attrs

Place = tuple[str | int, ...]
"""The keys and indices on the way to a value."""

_BLANK: Final = re.compile(r"[ \t\n\r]*+")
_COLON: Final = re.compile(r"[ \t\n\r]*+:[ \t\n\r]*+")
_NEXT: Final = re.compile(r"[ \t\n\r]*+(?:,[ \t\n\r]*+)?")
_KEY: Final = re.compile(r"[A-Za-z0-9_.-]+")
_INDENT: Final = re.compile(r"[\[{]\s*?\n([ \t]{1,16})\S")
_skip: Final = JSONDecoder().scan_once  # type: ignore[attr-defined]  # it has no stub


MOST_PLACES: Final = 64
MOST_PASSED: Final = 100_000
"""Places that are changed in the text, and members that may be read on the way to all of them."""


@attrs.frozen
class _Edit:
    begin: int
    end: int
    text: str


def splice(text: str, root: Any, places: Mapping[Place, bool]) -> str:  # noqa: ANN401 - what JSON is read as
    """Return ``text`` with the values of ``root`` at ``places``, each with whether the text has one there."""
    writer = _Writer(text, root, find_indent(text), "\n" in text.strip())
    outer = {place: there for place, there in places.items() if not _is_inside(place, places)}
    edits = sorted(writer.to_edits(outer), key=lambda edit: edit.begin)
    pieces, at = [], 0
    for edit in edits:
        pieces += [text[at : edit.begin], edit.text]
        at = edit.end
    return "".join(pieces) + text[at:]


def find_indent(text: str) -> str:
    """Return how the first level is indented, four blanks if it is not."""
    found = _INDENT.search(text)
    return found[1] if found else "    "


def can_splice(root: Any, places: Mapping[Place, bool]) -> bool:  # noqa: ANN401 - as above
    """Whether it takes less time to find the places than to write all of the text anew."""
    if len(places) > MOST_PLACES:
        return False
    passed = 0
    for place in places:
        node = root
        for key in place:
            if not isinstance(node, dict | list):
                break  # it is inside another one
            passed += len(node)
            if passed > MOST_PASSED:
                return False
            members: Any = node if isinstance(node, dict) else dict(enumerate(node))
            node = members.get(key)
    return True


def _is_inside(place: Place, places: Container[Place]) -> bool:
    return any(place[:count] in places for count in range(len(place)))


@attrs.define(eq=False)
class _Writer:
    text: str
    root: Any
    indent: str
    in_lines: bool

    def to_edits(self, places: Mapping[Place, bool]) -> Iterable[_Edit]:
        added: dict[Place, list[Place]] = {}
        for place, there in places.items():
            if not there:
                added.setdefault(place[:-1], []).append(place)
            else:
                begin = self._find(place)
                yield _Edit(begin, _skip(self.text, begin)[1], self._to_json(self._value(place), begin))
        for parent, members in added.items():
            yield self._add(parent, members)

    def _value(self, place: Place) -> Any:  # noqa: ANN401 - as above
        node = self.root
        for key in place:
            node = node[key]
        return node

    def _find(self, place: Place) -> int:
        """Return where the value at ``place`` begins, which must be in the text."""
        at, known = _BLANK.match(self.text).end(), 0  # type: ignore[union-attr]  # it matches always
        for count in range(len(place), 0, -1):
            begin = self._find_only(place[count - 1])
            if begin is not None:
                at, known = begin, count
                break
        for key in place[known:]:
            at = self._find_member(at, key)
        return at

    def _find_only(self, key: str | int) -> int | None:
        """Return where the value of ``key`` begins, if the text has it only once, as a key or as a value."""
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            return None
        quoted = f'"{key}"'
        at = self.text.find(quoted)
        if at < 0 or self.text.find(quoted, at + 1) >= 0:
            return None
        found = _COLON.match(self.text, at + len(quoted))
        return None if found is None else found.end()

    def _find_member(self, at: int, key: str | int) -> int:
        """Return where the value of ``key`` begins in the map or list at ``at``: the last one counts."""
        text, found, index = self.text, -1, 0
        is_map = text[at] == "{"
        at = _BLANK.match(text, at + 1).end()  # type: ignore[union-attr]  # it matches always
        while text[at] not in "]}":
            name: str | int = index
            if is_map:
                name, at = _scan_string(text, at + 1, True)  # noqa: FBT003 - as json calls it
                at = _COLON.match(text, at).end()  # type: ignore[union-attr]  # the text is valid
            if name == key:
                found = at
                if not is_map:
                    break
            at = _NEXT.match(text, _skip(text, at)[1]).end()  # type: ignore[union-attr]  # as above
            index += 1
        return found

    def _add(self, parent: Place, places: Sequence[Place]) -> _Edit:
        """Return the edit that adds members at the end of a map or list."""
        begin = self._find(parent)
        end = _skip(self.text, begin)[1] - 1 if parent else len(self.text.rstrip()) - 1
        blank = _BLANK.match(self.text, begin + 1)[0]  # type: ignore[index]  # as above
        is_empty = begin + 1 + len(blank) == end
        if is_empty:
            before = f"\n{self._lead(begin)}{self.indent}" if self.in_lines else ""
        else:
            before = f"\n{blank.rpartition(chr(10))[2]}" if "\n" in blank else " "
        lead = before[1:] if "\n" in before else None
        members = [
            (f"{json.dumps(place[-1], ensure_ascii=False)}: " if isinstance(place[-1], str) else "")
            + self._dump(self._value(place), lead)
            for place in places
        ]
        added = f",{before}".join(members)
        if is_empty:
            after = f"\n{self._lead(begin)}" if self.in_lines else ""
            return _Edit(begin + 1, end, f"{before}{added}{after}")
        last = begin + len(self.text[begin:end].rstrip())
        return _Edit(last, last, f",{before}{added}")

    def _lead(self, at: int) -> str:
        """Return the indentation of the line that has ``at``."""
        begin = self.text.rfind("\n", 0, at) + 1
        blank = _BLANK.match(self.text, begin, at)
        return "" if blank is None else blank[0]

    def _to_json(self, value: Any, at: int) -> str:  # noqa: ANN401 - as above
        return self._dump(value, self._lead(at) if self.in_lines else None)

    def _dump(self, value: Any, lead: str | None) -> str:  # noqa: ANN401 - as above
        if lead is None or not isinstance(value, dict | list):
            return json.dumps(value, ensure_ascii=False)
        return json.dumps(value, ensure_ascii=False, indent=self.indent).replace("\n", f"\n{lead}")
