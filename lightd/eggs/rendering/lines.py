"""Configuration files line by line: plain text, Java's properties, and ini. Line endings stay as they are."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import attrs

from lightd.eggs.egg import Replacement
from lightd.eggs.rendering.values import Room, UnreadableError, to_new

_BLANK: Final = " \t\f"
MOST_LINES: Final = 100_000

_HEADER: Final = re.compile(r"(?m)^[^\S\n]*+\[[^\n\]]*+\]")
_SPACED: Final = re.compile(
    r"(?m)^[^\S\n]*+(?!\[[^\n\]]*\])(?:[^#;\s=:][^\n=:]* =|(?<= )=)(?! [ \t\f]|[\t\f])"
)
"""The first line of a section, and an entry with one space around its sign, in an ini file."""

_OTHERS: Final = "\n"

_MOST_SOUGHT: Final = 200
_MOST_ESCAPES: Final = 5000
"""Keys that are searched for in one expression, and backslashes in a file that is not read line by line."""


def render_text(text: str, replacements: Sequence[Replacement], room: Room) -> str:
    """Replace each line that begins with ``match``. Lines that are not there are not added."""
    check_lines(text)
    rendered, at = [], 0
    expression = _to_expression({each.match for each in replacements}, "")
    for found in re.finditer("(?m)^", text) if expression is None else expression.finditer(text):
        rendered.append(text[at : found.start()])
        at = text.find("\n", found.start()) + 1 or len(text)
        for line, end in split(text[found.start() : at]):
            rendered.append(_render_line(line, replacements, room) + end)
    return "".join(rendered) + text[at:]


def _render_line(line: str, replacements: Sequence[Replacement], room: Room) -> str:
    room.take(len(replacements) // 16)
    for each in replacements:
        if line.startswith(each.match) and (new := _to_line(line, each, room)) is not None:
            line = new  # later replacements see what earlier ones made
    return line


def _to_line(line: str, replacement: Replacement, room: Room) -> str | None:
    return to_new(line.removeprefix(replacement.match).strip(" \t=:\"'"), replacement, room)


def split(text: str) -> Iterator[tuple[str, str]]:
    r"""Yield each line and its end: ``\r\n``, ``\n``, or nothing."""
    check_lines(text)
    for line in text.split("\n")[:-1]:
        yield (line[:-1], "\r\n") if line.endswith("\r") else (line, "\n")
    if last := text.rpartition("\n")[2]:
        yield last, ""


def check_lines(text: str) -> None:
    """Raise ``UnreadableError`` for too many lines."""
    if text.count("\n") > MOST_LINES:
        raise UnreadableError(f"has more than {MOST_LINES} lines")


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
    sign: str = ""  # what is put between key and value if it gets one

    @property
    def current(self) -> str:
        return self.value if self.new is None else self.new


# ---- properties


def render_properties(text: str, replacements: Sequence[Replacement], room: Room) -> str:
    """Set the values of a file of ``java.util.Properties``; missing keys are added at the end."""
    parts: list[str | _Entry] = list(_read_properties(text, {each.match for each in replacements}))
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
    return part.head + (part.sign if part.new else "") + part.current + part.end


def _read_properties(text: str, keys: Collection[str] | None = None) -> Iterator[str | _Entry]:
    """Yield the text in its order, with all entries of ``keys``; others may be in the text between them.

    A line without a backslash is an entry of a key only if it begins with that. The others are all read.
    """
    check_lines(text)
    at = 0
    for begin in _find_starts(text, keys):
        if begin < at:
            continue  # continues an entry
        if at < begin:
            yield text[at:begin]
        part, at = _read_property(text, begin)
        yield part
    if at < len(text):
        yield text[at:]


def _find_starts(text: str, keys: Collection[str] | None) -> Iterator[int]:
    """Yield where the lines begin that may have one of ``keys``, and those with a backslash, in order."""
    expression = _to_expression(keys, f"[{_BLANK}]*+")
    if expression is None or text.count("\\") > _MOST_ESCAPES:
        starts = [0, *(found.end() for found in re.finditer("\n", text))]
        yield from (start for start in starts if start < len(text))
        return
    sought = {found.start() for found in expression.finditer(text)}
    at = text.find("\\")
    while at >= 0:
        sought.add(text.rfind("\n", 0, at) + 1)
        following = text.find("\n", at) + 1
        if not following:
            break
        at = text.find("\\", following)
    yield from sorted(sought)


def _to_expression(keys: Collection[str] | None, blank: str) -> re.Pattern[str] | None:
    """Return what finds the lines with one of ``keys`` after ``blank``; None if all must be read."""
    if not keys or len(keys) > _MOST_SOUGHT or any("\n" in key or not key for key in keys):
        return None
    if blank and any(key[0].isspace() for key in keys):
        return None
    return re.compile(f"(?m)^{blank}(?:{'|'.join(map(re.escape, sorted(keys)))})")


def _read_property(text: str, begin: int) -> tuple[str | _Entry, int]:
    """Read one line, with those that continue it; return it and where the next one begins."""
    pending, at = "", begin
    while at < len(text):
        stop = text.find("\n", at)
        line, end = (text[at:], "") if stop < 0 else (text[at:stop], "\n")
        at = len(text) if stop < 0 else stop + 1
        if end and line.endswith("\r"):
            line, end = line[:-1], "\r\n"
        if not pending and line.lstrip(_BLANK)[:1] in ("", "#", "!"):
            return line + end, at
        pending += line
        if not ((len(line) - len(line.rstrip("\\"))) % 2 and end):
            return _to_property(pending, end), at
        pending += end  # continued in the next line
    return _to_property(pending, ""), at


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
    return _Entry(head, _unescape(key), rest, end, sign="" if head != line[:position] else "=")


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
    sections = list(_read_ini(text, {to_section(each.match) for each in replacements}))
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
        texts = (part for part in self.parts if isinstance(part, str))
        return any(entry.head.endswith((" = ", " =")) for entry in self.entries()) or any(
            _SPACED.search(each) is not None for each in texts
        )

    def add(self, entry: _Entry, end: str) -> None:
        """Add it behind the last line that is not blank."""
        at = len(self.parts)
        while at and isinstance(blank := self.parts[at - 1], str) and not blank.strip():
            at -= 1
        if at and isinstance(
            lines := self.parts[at - 1], str
        ):  # of several lines, the last ones may be blank
            rest = lines.find("\n", len(lines.rstrip())) + 1
            if rest:
                self.parts[at - 1 : at] = [lines[:rest], lines[rest:]]
        if at:
            before = self.parts[at - 1]
            if isinstance(before, _Entry):
                before.end = before.end or end
            elif not before.endswith("\n"):
                self.parts[at - 1] = before + end
        self.parts.insert(at, entry)


def _read_ini(text: str, places: Collection[tuple[str, str]] | None = None) -> Iterator[_Section]:
    """Yield the sections in their order, with all entries of ``places``; others may be in the text.

    Sections that no place is in are one, and have no name that a place can have.
    """
    check_lines(text)
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for name, key in places or ():
        keys[name].add(key)
    expressions = {name: _to_expression(each, r"[^\S\n]*+") for name, each in keys.items()}
    at = 0
    for name, begin, end in _find_sections(text, None if places is None else keys.keys()):
        if at < begin:
            yield _Section(_OTHERS, [text[at:begin]])
        yield _Section(name, list(_read_entries(text[begin:end], expressions.get(name))))
        at = end
    if at < len(text):
        yield _Section(_OTHERS, [text[at:]])


def _find_sections(text: str, names: Collection[str] | None) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each section, or of those that may have one of ``names``, its begin and its end."""
    first = _HEADER.search(text)
    if names is None or "" in names:
        yield "", 0, len(text) if first is None else first.start()
    if names is None or len(names) > _MOST_SOUGHT:
        headers = _HEADER
    else:
        headers = re.compile(
            rf"(?m)^[^\S\n]*+\[[^\S\n]*+(?:{'|'.join(map(re.escape, sorted(names)))})[^\S\n]*+\]"
        )
    for found in headers.finditer(text):
        following = _HEADER.search(text, found.end())
        line = text[found.start() : found.end()].strip()
        yield (
            line[1 : line.index("]")].strip(),
            found.start(),
            len(text) if following is None else following.start(),
        )


def _read_entries(text: str, expression: re.Pattern[str] | None) -> Iterator[str | _Entry]:
    """Yield the lines of a section: the entries that ``expression`` finds, and the text between them."""
    if expression is None:
        for line, end in split(text):
            yield _to_ini_part(line, end)
        return
    at = 0
    for found in expression.finditer(text):
        begin = found.start()
        if at < begin:
            yield text[at:begin]
        stop = text.find("\n", begin)
        at = len(text) if stop < 0 else stop + 1
        for line, end in split(text[begin:at]):
            yield _to_ini_part(line, end)
    if at < len(text):
        yield text[at:]


def _to_ini_part(line: str, end: str) -> str | _Entry:
    stripped = line.strip()
    if not stripped or stripped[0] in "#;" or _HEADER.match(line) or (at := _find_delimiter(line)) < 0:
        return line + end
    value = line[at + 1 :].lstrip(_BLANK)
    return _Entry(line[: len(line) - len(value)], line[:at].strip(), value, end)


def _find_delimiter(line: str) -> int:
    return min((at for at in (line.find("="), line.find(":")) if at >= 0), default=-1)
