"""Configuration files that are trees: JSON, YAML and TOML, with paths such as ``a.b[0].*.c``."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import attrs
import re2

from lightd.eggs.egg import Replacement
from lightd.eggs.rendering import blocks, tables
from lightd.eggs.rendering.splicing import Place, can_splice, find_indent, splice
from lightd.eggs.rendering.values import ROOM, Room, UnreadableError, to_new, to_text, to_typed

WILDCARD: Final = "*"
DEEPEST: Final = 50
_NAME: Final = re2.compile(r"([^\[\]]*)((?:\[[0-9]{1,6}\])*)")
MOST_VALUES: Final = 100_000
LARGEST_YAML: Final = 128 * 1024
"""Characters of YAML that are parsed: that takes up to 10 us for each."""
LARGEST_TOML: Final = 64 * 1024
"""Characters of TOML that are parsed."""
MOST_PARTS: Final = 50
"""Keys of the top level whose parts are searched for."""

Key = str | int
Plain = Any  # what JSON, YAML and TOML are read as


@attrs.define
class Changes:
    """What a file's replacements did: whether any changed it, and which do not fit to it."""

    changed: bool = False
    misfits: list[str] = attrs.field(factory=list)
    places: dict[Place, bool] = attrs.field(factory=dict)
    """Where values were put, if ``trails`` is not None, and whether there was one before."""
    trails: dict[int, Place] | None = None
    """The place of each map and list on the way, by its identity."""
    _kept: list[Any] = attrs.field(factory=list)  # what was replaced, so that no identity is used again

    def put(self, node: Plain, place: Plain, value: Plain) -> None:
        """Put ``value`` at ``place`` of a map or list."""
        if self.trails is not None:
            there = place in node if isinstance(node, dict) else place < len(node)
            self.places.setdefault((*self.trails[id(node)], place), there)
        if isinstance(node, list) and place == len(node):
            node.append(value)
            return
        if self.trails is not None:
            self._kept.append(node.get(place) if isinstance(node, dict) else node[place])
        node[place] = value

    def enter(self, node: Plain, place: Plain, child: Plain) -> None:
        """Note that ``child`` is at ``place`` of ``node``."""
        if self.trails is not None:
            self.trails[id(child)] = (*self.trails[id(node)], place)


def to_path(match: str) -> list[Key]:
    """Return the keys of a path; an index is an ``int``. ``~1`` stands for a dot in a key."""
    path: list[Key] = []
    for part in match.split("."):
        found = _NAME.fullmatch(part)
        if found is None:
            path.append(_to_key(part))
            continue
        if found[1] or not found[2]:
            path.append(_to_key(found[1]))
        path += [int(index) for index in found[2].strip("[]").split("][") if index]
    return path


def _to_key(part: str) -> str:
    return part.replace("~1", ".").replace("~0", "~")


def replace(root: Plain, replacements: Sequence[Replacement], room: Room, *, noting: bool = False) -> Changes:
    """Make the replacements in a tree of maps and lists; with ``noting``, the places are noted."""
    changes = Changes(trails={id(root): ()} if noting else None)
    for each in replacements:
        fits = True
        for parent, key in _find(root, to_path(each.match), room, changes, creating=not each.if_value):
            room.take(len(each.match))
            if parent is None:
                fits = False
            else:
                changes.changed |= _set(parent, key, each, room, changes)
        if not fits:
            changes.misfits.append(each.match)
    return changes


def _find(
    node: Plain, path: Sequence[Key], room: Room, changes: Changes, *, creating: bool
) -> Iterator[tuple[Any, Any]]:
    """Yield the parent and the key of each place; None as the parent where the path does not fit."""
    if len(path) > DEEPEST:
        yield None, None
        return
    for position, key in enumerate(path[:-1]):
        room.take(len(node) if key == WILDCARD else 1)
        if key == WILDCARD:
            for place in list(_keys(node)):
                child = node[place]
                if _is_node(child):
                    changes.enter(node, place, child)
                    yield from _find(child, path[position + 1 :], room, changes, creating=creating)
            return
        child = _get(node, key)
        if child is None:
            if not creating:
                return
            child = _make(node, key, path[position + 1], changes)
        if not _is_node(child):
            yield None, None
            return
        changes.enter(node, _to_place(node, key), child)
        node = child
    if path[-1] == WILDCARD:
        room.take(len(node))
        yield from ((node, key) for key in list(_keys(node)))
        return
    place = _to_place(node, path[-1])
    yield (None, None) if place is None else (node, place)


def _is_node(value: Plain) -> bool:
    return isinstance(value, dict | list)


def _children(node: Plain) -> Iterator[Any]:
    return iter(node.values() if isinstance(node, dict) else node)


def _keys(node: Plain) -> Iterator[Any]:
    return iter(node if isinstance(node, dict) else range(len(node)))


def _to_place(node: Plain, key: Key) -> Plain:
    """The key in this map, or the index in this list, one behind its end included; None if it has none."""
    if isinstance(node, dict):
        return _to_present_key(node, key)
    index = int(key) if str(key).isdecimal() else -1
    return index if 0 <= index <= len(node) else None


def _to_present_key(node: Plain, key: Key) -> Plain:
    """YAML has keys that are numbers."""
    if key not in node and isinstance(key, str) and key.isdecimal() and int(key) in node:
        return int(key)
    return key if key in node else str(key)


def _get(node: Plain, key: Key) -> Plain:
    place = _to_place(node, key)
    if isinstance(node, dict):
        return node.get(place)
    return node[place] if place is not None and place < len(node) else None


def _make(node: Plain, key: Key, following: Key, changes: Changes) -> Plain:
    place = _to_place(node, key)
    if place is None:
        return None
    child: Plain = [] if isinstance(following, int) or following.isdecimal() else {}
    changes.put(node, place, child)
    return _get(node, key)


def _set(node: Plain, place: Plain, replacement: Replacement, room: Room, changes: Changes) -> bool:
    there = place in node if isinstance(node, dict) else place < len(node)
    present = node[place] if there else None
    text = to_text(present) if there else None
    new = to_new(text, replacement, room)
    if new is None or (there and text is None and replacement.if_value):
        return False
    typed = to_typed(present, new)
    if there and type(typed) is type(_to_simple(present)) and typed == present:
        return False
    changes.put(node, place, _quoted_as(present, typed))
    return True


def _quoted_as(present: Plain, new: Plain) -> Plain:
    """The text with the quotes of the present one, if that is YAML."""
    kind = type(present)
    return kind(new) if kind.__name__ in ("SingleQuotedScalarString", "DoubleQuotedScalarString") else new


def _to_simple(value: Plain) -> Plain:
    """A value without what a library adds to its type to remember how it was written."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


# ---- JSON


def render_json(text: str, replacements: Sequence[Replacement], room: Room) -> tuple[str, list[str]]:
    """Return the new text, and the paths that do not fit."""
    begin, rest = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    try:
        check_count(rest)
        root = json.loads(rest) if rest.strip() else {}
    except UnreadableError:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is not valid JSON: {error}"[:200]) from None
    if not _is_node(root):
        raise UnreadableError("must contain an object or a list")
    check_tree(root)
    is_new = not rest.strip()
    changes = replace(root, replacements, room, noting=not is_new)
    if not changes.changed:
        return text, changes.misfits
    if is_new or not can_splice(root, changes.places):
        end = rest[len(rest.rstrip()) :] or "\n"
        return begin + _to_json(root, find_indent(rest), len(text) + 3 * ROOM) + end, changes.misfits
    return begin + splice(rest, root, changes.places), changes.misfits


def check_count(text: str, most: int = MOST_VALUES) -> None:
    """Raise ``UnreadableError`` for JSON with too many lists and maps, before they take memory."""
    if text.count("[") + text.count("{") > most:
        raise UnreadableError(f"has more than {most} lists and maps")


def check_tree(root: Plain, deepest: int = DEEPEST, most: int = MOST_VALUES) -> None:
    """Raise ``UnreadableError`` for a tree with too many levels or values."""
    level, depth, count = [root], 0, 0
    while level:
        depth, count = depth + any(level), count + sum(map(len, level))
        if depth > deepest or count > most:
            raise UnreadableError(f"has more than {deepest} levels or {most} values")
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]


def _to_json(root: Plain, indent: str, longest: int) -> str:
    """A file with many levels is longer by far when it is indented."""
    pieces = []
    for piece in json.JSONEncoder(indent=indent, ensure_ascii=False).iterencode(root):
        longest -= len(piece)
        if longest < 0:
            raise UnreadableError(f"would become {ROOM} characters longer")
        pieces.append(piece)
    return "".join(pieces)


# ---- YAML and TOML


def render_yaml(text: str, replacements: Sequence[Replacement], room: Room) -> tuple[str, list[str]]:
    """As ``render_json``; comments, quotes and the order of keys stay."""
    indent = _to_yaml_indent(text)
    parts: blocks.Parts | None = None
    names = _to_names(replacements)
    if names is not None and blocks.is_simple(text):
        parts = blocks.find_parts(text, list(names))
    return _render_parts(text, replacements, parts, LARGEST_YAML, room, partial(_render_yaml, indent=indent))


def _to_names(replacements: Sequence[Replacement]) -> dict[str, tables.Kind] | None:
    """Return the first keys of all paths, and what each is for; None if one can be any key."""
    names: dict[str, tables.Kind] = {}
    for each in replacements:
        name, *rest = to_path(each.match)
        if not isinstance(name, str) or name in ("", WILDCARD):
            return None
        is_map = bool(rest) and isinstance(rest[0], str) and not rest[0].isdecimal()
        kind: tables.Kind = "table" if is_map else "list" if rest else "value"
        names[name] = kind if names.get(name, kind) == kind else "value"
    return names if len(names) <= MOST_PARTS else None


Render = Callable[[str, Sequence[Replacement], Room], tuple[str, list[str]]]


def _render_parts(
    text: str,
    replacements: Sequence[Replacement],
    parts: blocks.Parts | None,
    largest: int,
    room: Room,
    render: Render,
) -> tuple[str, list[str]]:
    """Render each part of the text by itself, or all of it if there are none."""
    concerned: dict[blocks.Part, list[Replacement]] = {(0, len(text)): list(replacements)}
    if parts is not None:
        concerned = {}
        for each in replacements:
            concerned.setdefault(parts[str(to_path(each.match)[0])], []).append(each)
    if sum(end - begin for begin, end in concerned) > largest:
        raise UnreadableError(f"has more than {largest} characters that must be parsed")
    edits: list[blocks.Edit] = []
    misfits: set[str] = set()
    for (begin, end), mine in concerned.items():
        new, unfit = render(text[begin:end], mine, room)
        edits.append((begin, end, new))
        misfits.update(unfit)
    return blocks.apply(text, edits), [each.match for each in replacements if each.match in misfits]


def _render_yaml(
    text: str, replacements: Sequence[Replacement], room: Room, indent: tuple[int, int, int]
) -> tuple[str, list[str]]:
    import ruamel.yaml  # noqa: PLC0415 - a daemon without such files does not load it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - as above

    yaml = ruamel.yaml.YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    yaml.indent(*indent)
    try:
        check_yaml(yaml, text)
        root = yaml.load(text)
    except UnreadableError:
        raise
    except (
        YAMLError,
        ValueError,
        RecursionError,
        NotImplementedError,
        AttributeError,
        TypeError,
        KeyError,
    ) as error:
        raise UnreadableError(
            f"is not valid YAML: {getattr(error, 'problem', None) or type(error).__name__}"
        ) from None
    if root is None:
        root = ruamel.yaml.comments.CommentedMap()
    if not _is_node(root):
        raise UnreadableError("must contain a map or a list")
    changes = replace(root, replacements, room)
    if not changes.changed:
        return text, changes.misfits
    written = io.StringIO()
    yaml.dump(root, written)
    new = written.getvalue()
    return new.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else new, changes.misfits


def check_yaml(yaml: Plain, text: str, most: int = 10_000) -> None:
    """Raise ``UnreadableError`` for aliases, several documents, and for what is too deep or too much."""
    import ruamel.yaml  # noqa: PLC0415 - as above

    depth = documents = 0
    for count, event in enumerate(yaml.parse(io.StringIO(text))):
        documents += isinstance(event, ruamel.yaml.DocumentStartEvent)
        depth += isinstance(event, ruamel.yaml.CollectionStartEvent)
        depth -= isinstance(event, ruamel.yaml.CollectionEndEvent)
        if isinstance(event, ruamel.yaml.AliasEvent):
            raise UnreadableError(f"has the alias *{event.anchor}: aliases are not supported")
        if documents > 1:
            raise UnreadableError("has more than one document")
        if depth > DEEPEST or count > most:
            raise UnreadableError(f"has more than {DEEPEST} levels or {most} values")


def _to_yaml_indent(text: str) -> tuple[int, int, int]:
    """How the first nested map and the first nested list of a text are indented: ruamel's three numbers."""
    mapping, sequence, offset = 0, 0, 0
    before = ""
    for line in text.splitlines():
        stripped = line.lstrip(" ")
        if not stripped or stripped.startswith("#"):
            continue
        deeper = len(line) - len(stripped) - (len(before) - len(before.lstrip(" ")))
        if before.rstrip().endswith(":"):
            if stripped.startswith("- ") and not sequence and deeper >= 0:
                offset, sequence = deeper, deeper + 2
            elif not mapping and deeper > 0:
                mapping = deeper
        before = line
        if mapping and sequence:
            break
    return mapping or 2, sequence or 4, offset if sequence else 2


def render_toml(text: str, replacements: Sequence[Replacement], room: Room) -> tuple[str, list[str]]:
    """As ``render_json``; comments and the order of keys stay."""
    parts: blocks.Parts | None = None
    names = _to_names(replacements)
    if names is not None and tables.is_simple(text):
        parts = tables.find_parts(text, names)
    return _render_parts(text, replacements, parts, LARGEST_TOML, room, _render_toml)


def _render_toml(text: str, replacements: Sequence[Replacement], room: Room) -> tuple[str, list[str]]:
    import tomlkit  # noqa: PLC0415 - as above
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 - as above

    try:
        root = tomlkit.parse(text)
    except (TOMLKitError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(f"is not valid TOML: {error}"[:200]) from None
    try:
        changes = replace(root, replacements, room)
        return (tomlkit.dumps(root) if changes.changed else text), changes.misfits
    except UnreadableError:
        raise
    except (TOMLKitError, ValueError, TypeError) as error:
        raise UnreadableError(f"cannot be changed: {error}"[:200]) from None


RENDERERS: Final[dict[str, Callable[[str, Sequence[Replacement], Room], tuple[str, list[str]]]]] = {
    "json": render_json,
    "yaml": render_yaml,
    "toml": render_toml,
}
