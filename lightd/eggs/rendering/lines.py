"""Configuration files line by line: plain text, Java's properties, and ini. Line endings stay as they are."""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from lightd.eggs.egg import Replacement
from lightd.eggs.rendering.values import Room, UnreadableError, to_new

_BLANK: Final = " \t\f"
MOST_LINES: Final = 100_000


def render_text(text: str, replacements: Sequence[Replacement], room: Room) -> str:
    """Replace each line that begins with ``match``. Lines that are not there are not added."""
    rendered = []
    for line, end in split(text):
        room.take(len(replacements) // 16)
        for each in replacements:
            if line.startswith(each.match) and (new := _to_line(line, each, room)) is not None:
                line = new  # noqa: PLW2901 - later replacements see what earlier ones made
        rendered.append(line + end)
    return "".join(rendered)


def _to_line(line: str, replacement: Replacement, room: Room) -> str | None:
    return to_new(line.removeprefix(replacement.match).strip(" \t=:\"'"), replacement, room)


def split(text: str) -> Iterator[tuple[str, str]]:
    r"""Yield each line and its end: ``\r\n``, ``\n``, or nothing."""
    if text.count("\n") > MOST_LINES:
        raise UnreadableError(f"has more than {MOST_LINES} lines")
    for line in text.split("\n")[:-1]:
        yield (line[:-1], "\r\n") if line.endswith("\r") else (line, "\n")
    if last := text.rpartition("\n")[2]:
        yield last, ""


def _end_of(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


@attrs.define
class _Entry:
    """A ``key`` with its ``value`` in a section of a file; ``head`` is all that is before the value."""

    head: str
    key: str
    value: str
    end: str
    new: str | None = None

    @property
    def current(self) -> str:
        return self.value if self.new is None else self.new


# ---- properties


def render_properties(text: str, replacements: Sequence[Replacement], room: Room) -> str:
    """Set the values of a file of ``java.util.Properties``; missing keys are added at the end."""
    parts: list[str | _Entry] = list(_read_properties(text))
    entries = {part.key: part for part in parts if isinstance(part, _Entry)}  # the last one of a key counts
    added: dict[str, str] = {}
    for each in replacements:
        entry = entries.get(each.match)
        if entry is not None:
            room.take(len(entry.current) if "\\" in entry.current else 0)
        present = added.get(each.match) if entry is None else _unescape(entry.current)
        new = to_new(present, each, room)
        if new is None or new == present:
            continue
        escaped = _escape(new)
        room.take(len(escaped) - len(new))
        if entry is None:
            added[each.match] = new
            room.take(len(_escape_key(each.match)))
        else:
            entry.new = escaped
    rendered = "".join(map(_to_text, parts))
    end = _end_of(text)
    if added and rendered and not rendered.endswith("\n"):
        rendered += end * 2 if rendered.endswith("\\") else end  # what follows must not continue that line
    return rendered + "".join(f"{_escape_key(key)}={_escape(value)}{end}" for key, value in added.items())


def _to_text(part: str | _Entry) -> str:
    if isinstance(part, str):
        return part
    return part.head + part.current + part.end


def _read_properties(text: str) -> Iterator[str | _Entry]:
    pending = ""
    for line, end in split(text):
        if not pending and line.lstrip(_BLANK)[:1] in ("", "#", "!"):
            yield line + end
            continue
        pending += line
        if (len(line) - len(line.rstrip("\\"))) % 2 and end:
            pending += end  # continued in the next line
            continue
        yield _to_property(pending, end)
        pending = ""
    if pending:
        yield _to_property(pending, "")


def _to_property(line: str, end: str) -> _Entry:
    begin = len(line) - len(line.lstrip(_BLANK))
    position = begin
    while position < len(line) and line[position] not in f"{_BLANK}=:":
        position += 2 if line[position] == "\\" else 1
    key = line[begin:position]
    rest = line[position:].lstrip(_BLANK)
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(_BLANK)
    head = line[: len(line) - len(rest)]
    return _Entry(head if head != key else f"{key}=", _unescape(key), rest, end)


_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    found, position = [], 0
    while position < len(text):
        if text[position] != "\\":
            found.append(text[position])
            position += 1
            continue
        escaped = text[position + 1 : position + 2]
        position += 2
        if escaped == "u" and _is_hex(text[position : position + 4]):
            found.append(chr(int(text[position : position + 4], 16)))
            position += 4
        elif escaped in ("\n", "\r"):
            position += 1 if text[position - 1 : position + 1] == "\r\n" else 0
            while position < len(text) and text[position] in _BLANK:
                position += 1
        else:
            found.append(_ESCAPES.get(escaped, escaped))
    return "".join(found).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_hex(digits: str) -> bool:
    return len(digits) == 4 and all(digit in "0123456789abcdefABCDEF" for digit in digits)  # noqa: PLR2004 - \uXXXX


def _escape(text: str) -> str:
    escaped = text.replace("\\", "\\\\")
    for letter, character in _ESCAPES.items():
        escaped = escaped.replace(character, f"\\{letter}")
    if escaped.startswith(" "):
        escaped = f"\\{escaped}"
    return _to_ascii(escaped)


def _to_ascii(text: str) -> str:
    """Escape what is not ASCII: Java read such files as ISO-8859-1 before it read them as UTF-8."""
    if text.isascii():
        return text
    units = text.encode("utf-16-be", "surrogatepass")
    pairs = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(chr(unit) if unit < 128 else f"\\u{unit:04x}" for unit in pairs)  # noqa: PLR2004 - ASCII


def _escape_key(key: str) -> str:
    escaped = _escape(key)
    for character in " =:":
        escaped = escaped.replace(character, f"\\{character}")
    return f"\\{escaped}" if escaped[:1] in ("#", "!") else escaped


# ---- ini


def render_ini(text: str, replacements: Sequence[Replacement], room: Room) -> str:
    """Set the values of an ini file. ``match`` is ``section.key``; brackets may be around a name with dots.

    A missing key is added at the end of its section, and a missing section at the end of the file.
    """
    sections = list(_read_ini(text))
    first: dict[str, _Section] = {}
    entries: dict[tuple[str, str], _Entry] = {}
    for section in sections:
        first.setdefault(section.name, section)
        for found in section.entries():
            entries.setdefault((section.name, found.key), found)
    end = _end_of(text)
    for each in replacements:
        name, key = place = to_section(each.match)
        entry = entries.get(place)
        present = None if entry is None else entry.current.rstrip(_BLANK)
        new = to_new(present, each, room)
        if new is None or (new := " ".join(new.splitlines())) == present:
            continue
        if entry is not None:
            entry.new = new
            continue
        if name not in first:
            first[name] = _Section(name, [f"[{name}]{end}"])
            sections.append(first[name])
        room.take(len(first[name].parts) // 8 + 2 * len(each.match))
        head = f"{key} = " if first[name].is_spaced() else f"{key}="
        entries[place] = _Entry(head, key, new, end)
        first[name].add(entries[place], end)
    rendered = ""
    for section in sections:
        if rendered and section.parts and not rendered.endswith("\n"):
            rendered += end
        rendered += "".join(map(_to_text, section.parts))
    return rendered


def to_section(match: str) -> tuple[str, str]:
    """Return the section, which is empty at the beginning of a file, and the key."""
    names: list[str] = []
    depth, name = 0, ""
    for character in match:
        if character in "[]":
            depth += 1 if character == "[" else -1
        elif character == "." and depth <= 0 and not names:
            names.append(name)
            name = ""
        else:
            name += character
    return (names[0], name) if names else ("", name)


@attrs.define
class _Section:
    name: str
    parts: list[str | _Entry]

    def entries(self) -> list[_Entry]:
        return [part for part in self.parts if isinstance(part, _Entry)]

    def is_spaced(self) -> bool:
        return any(entry.head.endswith((" = ", " =")) for entry in self.entries())

    def add(self, entry: _Entry, end: str) -> None:
        """Add it behind the last line that is not blank."""
        at = len(self.parts)
        while at and isinstance(blank := self.parts[at - 1], str) and not blank.strip():
            at -= 1
        if at:
            before = self.parts[at - 1]
            if isinstance(before, _Entry):
                before.end = before.end or end
            elif not before.endswith("\n"):
                self.parts[at - 1] = before + end
        self.parts.insert(at, entry)


def _read_ini(text: str) -> Iterator[_Section]:
    section = _Section("", [])
    for line, end in split(text):
        stripped = line.strip()
        if stripped.startswith("[") and "]" in stripped:
            yield section
            section = _Section(stripped[1 : stripped.index("]")].strip(), [line + end])
        elif not stripped or stripped[0] in "#;" or (at := _find_delimiter(line)) < 0:
            section.parts.append(line + end)
        else:
            value = line[at + 1 :].lstrip(_BLANK)
            section.parts.append(_Entry(line[: len(line) - len(value)], line[:at].strip(), value, end))
    yield section


def _find_delimiter(line: str) -> int:
    return min((at for at in (line.find("="), line.find(":")) if at >= 0), default=-1)
