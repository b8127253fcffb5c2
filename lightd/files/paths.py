r"""The paths that clients write, taken apart without looking at any disk.

A path is relative to its volume, its names are separated by ``/``. Refused, all with the same sentence:
the empty path, an absolute one (``\`` at the start too), one with a drive letter, a NUL, a ``..`` between
separators of either kind. ``a//b``, ``./a`` and ``a/`` mean what they mean to a shell. Elsewhere ``\`` is
a character like any other, as it is on Linux.
"""

import re
from typing import Self

import attrs

from lightd.files import errors

LONGEST_PATH = 4095  # bytes: PATH_MAX less its NUL
LONGEST_NAME = 255  # bytes: NAME_MAX

_ROOTED = re.compile(r"\\|[A-Za-z]:")  # a first name, to Windows
_SEPARATORS = re.compile(r"[/\\]")


@attrs.frozen
class RelativePath:
    """The names on the way from a volume's root to something in it; no names: the root itself."""

    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last name; the root has none, and asking for it is a bug."""
        return self.parts[-1]

    @property
    def parent(self) -> "RelativePath":
        return RelativePath(self.parts[:-1])

    def child(self, name: str) -> Self:
        return type(self)((*self.parts, name))

    def holds(self, other: "RelativePath") -> bool:
        """Whether ``other`` is this path or lies below it, going by the names alone."""
        return other.parts[: len(self.parts)] == self.parts

    def __str__(self) -> str:
        """As a person reads it: bytes that aren't UTF-8 are shown as U+FFFD, the root as ``.``."""
        return to_shown("/".join(self.parts)) or "."


ROOT = RelativePath()


def parse_path(text: str) -> RelativePath:
    """The path that ``text`` means, which is never the root. Raises ``InvalidPath``."""
    path = parse_folder(text)
    if not path.parts:
        raise errors.InvalidPath(errors.ESCAPES)
    return path


def parse_folder(text: str) -> RelativePath:
    """As ``parse_path``, for a folder that may be the root: ``""`` and ``.`` mean that."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise errors.InvalidPath("Invalid path: it is not valid UTF-8") from None
    return parse_name(text)


def parse_name(text: str) -> RelativePath:
    """As ``parse_folder``, for a name in an archive, whose bytes may be any (``surrogateescape``)."""
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    if text.startswith("/") or "\0" in text or ".." in _SEPARATORS.split(text):
        raise errors.InvalidPath(errors.ESCAPES)
    if parts and _ROOTED.match(parts[0]):
        raise errors.InvalidPath(errors.ESCAPES)
    sizes = [len(part.encode("utf-8", "surrogateescape")) for part in parts]
    if sum(sizes) + len(sizes) - 1 > LONGEST_PATH:
        raise errors.InvalidPath(f"Invalid path: it is longer than {LONGEST_PATH} bytes")
    if max(sizes, default=0) > LONGEST_NAME:
        raise errors.InvalidPath(f"Invalid path: a name in it is longer than {LONGEST_NAME} bytes")
    return RelativePath(parts)


def to_shown(name: str) -> str:
    """``name`` as it may stand in an answer: bytes that aren't UTF-8 become U+FFFD."""
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
