"""Configuration files in XML, with paths such as ``root.section.*.key``."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import re2
from lxml import etree

from lightd.eggs.egg import Replacement
from lightd.eggs.rendering.trees import DEEPEST, WILDCARD
from lightd.eggs.rendering.values import Room, UnreadableError, to_new

Element = Any  # lxml has no types

MOST_MARKS: Final = 100_000

_ATTRIBUTE: Final = re2.compile(r"(?s)\[(\w+)='(.*)'\]")
_NAME: Final = re2.compile(r"[\pL_][\pL\pN_.:-]*")


def render_xml(text: str, replacements: Sequence[Replacement], room: Room) -> tuple[str, list[str]]:
    """Return the new text, and the paths that do not fit. Entities are not resolved, and nothing is loaded.

    A value ``[name='value']`` sets an attribute.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    tag = next((each.match.split(".")[0] for each in replacements), "")
    if not text.strip():
        if not _NAME.fullmatch(tag):
            return text, [each.match for each in replacements]
        root = etree.Element(tag)
    else:
        if text.count("<") > MOST_MARKS or text.count("=") > MOST_MARKS:
            raise UnreadableError(f"has more than {MOST_MARKS} tags or attributes")
        try:
            root = etree.fromstring(text.encode(), parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise UnreadableError(f"is not valid XML: {error}"[:200]) from None
    changed, misfits = False, list[str]()
    for each in replacements:
        first, *names = each.match.split(".")
        fits = first in (_to_name(root), WILDCARD) and len(names) <= DEEPEST and all(
            name == WILDCARD or _NAME.fullmatch(name) for name in names
        )  # fmt: skip
        if not fits:
            misfits.append(each.match)
            continue
        for element in _find(root, names, room, creating=not each.if_value):
            room.take(2 * len(each.match))
            changed |= _set(element, each, room)
    if not changed:
        return text, misfits
    document = root.getroottree()
    declared = text.lstrip("\ufeff").lstrip().startswith("<?xml") or not text.strip()
    rendered = etree.tostring(document, encoding="unicode", pretty_print=not text.strip())
    head = (
        text[: text.index("?>") + 2] + "\n"
        if declared and text.strip()
        else '<?xml version="1.0"?>\n' * declared
    )
    return head + rendered + ("" if rendered.endswith("\n") else "\n"), misfits


def _to_name(element: Element) -> str:
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""


def _find(element: Element, names: Sequence[str], room: Room, *, creating: bool) -> Iterator[Any]:
    if not names:
        yield element
        return
    room.take(4 * len(element))
    # Both select in C: elements, and those of a name in any namespace.
    found = list(element.iterchildren(etree.Element if names[0] == WILDCARD else f"{{*}}{names[0]}"))
    if not found and creating and WILDCARD not in names:
        found = [_make(element, names[0])]
    for child in found:
        yield from _find(child, names[1:], room, creating=creating)


def _make(parent: Element, name: str) -> Element:
    """Add an element, indented as the ones beside it."""
    space = etree.QName(parent).namespace
    depth = sum(1 for _ in parent.iterancestors())
    before = "\n" + "  " * (depth + 1)
    if len(parent):
        last = parent[-1]
        before = parent.text if parent.text and not parent.text.strip() else ""
        closing, last.tail = last.tail, before
    else:
        closing = "\n" + "  " * depth
        parent.text = before if not (parent.text or "").strip() else parent.text
    child = etree.SubElement(parent, f"{{{space}}}{name}" if space else name)
    child.tail = closing
    return child


def _set(element: Element, replacement: Replacement, room: Room) -> bool:
    attribute = _ATTRIBUTE.fullmatch(replacement.value)
    if len(element) and attribute is None:
        return False  # its text is in its children
    present = element.get(attribute[1]) if attribute else element.text or ""
    if attribute:
        new: str | None = attribute[2]
        room.take(len(replacement.value))
    else:
        new = to_new(present, replacement, room)
    if new is None or new == present:
        return False
    try:
        if attribute:
            element.set(attribute[1], new)
        else:
            element.text = new or None
    except ValueError:
        return False  # characters that XML does not have
    return True
