r"""Parses the paths that clients send, without access to a disk.

A path is relative to its volume, and its names are separated by ``/``. These are rejected with the same
message: the empty path, an absolute one (also with ``\`` at the start), one with a drive letter, a NUL, and
a ``..`` between separators of either kind. ``a//b``, ``./a`` and ``a/`` have the same meaning as in a shell.
Elsewhere ``\`` is an ordinary character, as on Linux.

Linux allows names that such a path cannot contain: bytes that are not UTF-8, a drive letter, a ``\`` at the
start. Clients write a byte of such a name as the private character U+F000 plus the byte's value, as Cygwin
does for characters that Windows does not allow: ``caf`` and the byte E9 is ``caf\uf0e9``. Only the bytes 80
to FF, ``:`` and ``\`` can be written like this. ``to_text`` creates this form, ``parse_path`` reads it.
"""

import re
from collections.abc import Callable
from typing import Self

import attrs

from lightd.files import errors

LONGEST_PATH = 4095  # bytes: PATH_MAX without its NUL
LONGEST_NAME = 255  # bytes: NAME_MAX
LONGEST_TEXT = 4 * LONGEST_PATH
"""Characters of a path as clients write it. Half a MiB of ``a/`` would take a tenth of a second to parse."""

TOO_LONG = f"Invalid path: it is longer than {LONGEST_PATH} bytes"
_DRIVE = re.compile(r"[A-Za-z]:")
_ROOTED = re.compile(r"\\|[A-Za-z]:")  # an absolute path or a drive letter on Windows
_SEPARATORS = re.compile(r"[/\\]")
_ESCAPE = 0xF000
_ESCAPED = re.compile("[\uf03a\uf05c\uf080-\uf0ff]")
_UNWRITABLE = re.compile("[\udc80-\udcff\uf03a\uf05c\uf080-\uf0ff]")


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

    @property
    def text(self) -> str:
        """The path as clients write it; the root is ``.``."""
        return "/".join(map(to_text, self.parts)) or "."

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
    if len(text) > LONGEST_TEXT:
        raise errors.InvalidPath(TOO_LONG)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise errors.InvalidPath("Invalid path: it is not valid UTF-8") from None
    first = next((part for part in text.split("/") if part not in ("", ".")), "")
    if _ROOTED.match(first) or ".." in _SEPARATORS.split(text):
        raise errors.InvalidPath(errors.ESCAPES)
    return parse_name(text, _to_name)


def parse_name(text: str, to_name: Callable[[str], str] = str) -> RelativePath:
    """Parse a name in an archive, which can contain any bytes (``surrogateescape``).

    Only ``/`` separates its parts, of which each is converted by ``to_name``. Raises ``InvalidPath`` for an
    absolute name, and one that contains ``..`` or a NUL.
    """
    names = text.split("/")
    if text.startswith("/") or "\0" in text or ".." in names:
        raise errors.InvalidPath(errors.ESCAPES)
    parts = tuple(to_name(part) for part in names if part not in ("", "."))
    sizes = [len(part.encode("utf-8", "surrogateescape")) for part in parts]
    if sum(sizes) + len(sizes) - 1 > LONGEST_PATH:
        raise errors.InvalidPath(TOO_LONG)
    if max(sizes, default=0) > LONGEST_NAME:
        raise errors.InvalidPath(f"Invalid path: a name in it is longer than {LONGEST_NAME} bytes")
    return RelativePath(parts)


def to_text(name: str) -> str:
    """``name`` as clients write it in a path: characters that a path cannot contain are escaped."""
    if name.startswith("\\") or ".." in name.split("\\"):
        name = _UNWRITABLE.sub(_escape, name).replace("\\", chr(_ESCAPE + ord("\\")))
    elif _DRIVE.match(name):
        name = name[0] + chr(_ESCAPE + ord(":")) + _UNWRITABLE.sub(_escape, name[2:])
    elif not name.isascii():
        name = _UNWRITABLE.sub(_escape, name)
    return name


def _escape(found: re.Match[str]) -> str:
    return "".join(chr(_ESCAPE + byte) for byte in found[0].encode("utf-8", "surrogateescape"))


def _to_name(text: str) -> str:
    """The opposite of ``to_text``."""
    if _ESCAPED.search(text) is None:
        return text
    raw = b"".join(bytes([ord(sign) - _ESCAPE]) if _ESCAPED.match(sign) else sign.encode() for sign in text)
    return raw.decode("utf-8", "surrogateescape")


def to_shown(name: str) -> str:
    """``name`` for people: bytes that are not UTF-8 become U+FFFD."""
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
