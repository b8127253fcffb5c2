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
_PROLOG: Final = re2.compile(
    r"""\x{feff}?(?:\s+|<\?(?:[^?]|\?+[^?>])*\?+>|<!--(?:[^-]|-[^-])*-->"""
    r"""|<!DOCTYPE(?:[^\[>"']|"[^"]*"|'[^']*')*(?:\[(?:[^\]"'<]|"[^"]*"|'[^']*'|<!--(?:[^-]|-[^-])*-->|<[^!]|<![^-])*\]\s*)?>)*"""
)
"""What may be before the root element: blanks, declarations, comments, and the type of the document."""
_EPILOG: Final = re2.compile(r"(?:\s+|>--(?:[^-]|-[^-])*--!<|>\?(?:[^?])*\?<)*")
"""What may be behind it, read backwards."""
_START: Final = re2.compile(r"<[\pL_]")
_END: Final = re2.compile(r"(?:/|</[^<>]*)>$")
LONGEST_END: Final = 1000


def render_xml(text: str, replacements: Sequence[Replacement], room: Room) -> tuple[str, list[str]]:
    """Return the new text, and the paths that do not fit. Entities are not resolved, and nothing is loaded.

    A value ``[name='value']`` sets an attribute.
    """
    parser = etree.XMLParser(
        encoding="utf-8",  # what the text was read as, whatever its first line says
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        strip_cdata=False,
    )
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
    return _to_document(root, text), misfits


def _to_document(root: Element, text: str) -> str:
    """Write ``root`` between what was before and behind it in ``text``, with the line ends of that."""
    if not text.strip():
        made: str = etree.tostring(root, encoding="unicode", pretty_print=True)
        return f'<?xml version="1.0"?>\n{made}'
    begin = _PROLOG.match(text).end()
    end = len(text) - _EPILOG.match(text[::-1]).end()
    if not (_START.match(text, begin) and _END.search(text[max(begin, end - LONGEST_END) : end])):
        raise UnreadableError("has a document type or an instruction that is not supported")
    written: str = etree.tostring(root, encoding="unicode", with_tail=False)
    if "\r\n" in text:
        written = written.replace("\n", "\r\n")  # a parser of XML reads each end as one character
    return text[:begin] + written + (text[end:] or ("\r\n" if "\r\n" in text else "\n"))


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
