r"""Parses the paths that clients send, without access to a disk.

A path is relative to its volume, and its names are separated by ``/``. These are rejected with the same
message: the empty path, an absolute one (also with ``\`` at the start), one with a drive letter, a NUL, and
a ``..`` between separators of either kind. ``a//b``, ``./a`` and ``a/`` have the same meaning as in a shell.
Elsewhere ``\`` is an ordinary character, as on Linux.
"""

import re
from typing import Self

import attrs

from lightd.files import errors

LONGEST_PATH = 4095  # bytes: PATH_MAX without its NUL
LONGEST_NAME = 255  # bytes: NAME_MAX

_ROOTED = re.compile(r"\\|[A-Za-z]:")  # an absolute path or a drive letter on Windows
_SEPARATORS = re.compile(r"[/\\]")


@attrs.frozen
class RelativePath:
    """The names on the way from a volume's root to a file; without names it is the root itself."""

    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last name. Must not be called for the root."""
        return self.parts[-1]

    @property
    def parent(self) -> "RelativePath":
        return RelativePath(self.parts[:-1])

    def child(self, name: str) -> Self:
        return type(self)((*self.parts, name))

    def holds(self, other: "RelativePath") -> bool:
        """Whether ``other`` is this path or below it, judging by the names alone."""
        return other.parts[: len(self.parts)] == self.parts

    def __str__(self) -> str:
        """For people: bytes that are not UTF-8 become U+FFFD, the root is ``.``."""
        return to_shown("/".join(self.parts)) or "."


ROOT = RelativePath()


def parse_path(text: str) -> RelativePath:
    """Parse a path, which cannot be the root. Raises ``InvalidPath``."""
    path = parse_folder(text)
    if not path.parts:
        raise errors.InvalidPath(errors.ESCAPES)
    return path


def parse_folder(text: str) -> RelativePath:
    """Like ``parse_path``, for a folder that can be the root: ``""`` or ``.``."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise errors.InvalidPath("Invalid path: it is not valid UTF-8") from None
    return parse_name(text)


def parse_name(text: str) -> RelativePath:
    """Like ``parse_folder``, for a name in an archive, which can contain any bytes (``surrogateescape``)."""
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
    """``name`` for use in a response: bytes that are not UTF-8 become U+FFFD."""
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
