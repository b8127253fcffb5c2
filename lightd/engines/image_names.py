"""Names of images, as Docker's ``reference`` package (distribution/reference, 2.8) defines them. Pure.

A name is a part of the path of Docker's routes, which Docker decodes and cleans before it routes. A name with
an empty part, ``..`` or an escape would lead to another route, so only names of this grammar are used.
"""

import re
from typing import Final

_DOMAIN: Final = r"[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*"
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
PATTERN: Final = (
    r"(?=[^\n]{1,255}$)"
    rf"(?:{_DOMAIN}(?:\.{_DOMAIN})*(?::[0-9]{{1,5}})?/)?"
    rf"{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,128})?"
)
"""``[registry[:port]/]name[/name …][:tag][@digest]``, at most 255 characters."""

MEANS: Final = "the name of an image"

DOCKER_HUB: Final = "docker.io"

_NAME: Final = re.compile(PATTERN)


def is_name(text: str) -> bool:
    """Whether ``text`` is the name of an image."""
    return _NAME.fullmatch(text) is not None


def to_registry(name: str) -> str:
    """The registry's host, with its port if it has one, that Docker pulls ``name`` from."""
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first.lower()
    return DOCKER_HUB
