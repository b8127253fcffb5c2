"""Lists a folder page by page: folders first, then by name.

A page needs one look at every name, and one ``fstatat`` for each entry that it contains; no file is opened,
and only the names of one page are in memory. The cursor is the sort key of the page's last entry, not an
index: names that appear or disappear between two pages do not move the others. A symbolic link is listed as
itself, among the files.
"""

import heapq
import os
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Final, Literal

import attrs

from lightd.files import errors
from lightd.files.deleting import Pace
from lightd.files.jail import Jail, explained, held, open_names
from lightd.files.paths import RelativePath, to_text
from lightd.files.placing import is_part_name

Kind = Literal["file", "directory", "symlink", "other"]
LARGEST: Final = 10_000
"""The maximum number of entries in a page: about 5 MB while it is made."""

_Place = tuple[bool, str]  # the sort key of an entry: whether it is not a folder, its name


@attrs.frozen
class Entry:
    """One entry of a folder; ``size`` in bytes, ``modified_at`` in Unix seconds, ``mode`` as ``0644``.

    ``name`` is as clients write it in a path (``paths.to_text``).
    """

    name: str
    type: Kind
    size: int
    modified_at: int
    mode: str


@attrs.frozen
class Page:
    """Some entries, and the cursor of the next page; None after the last page."""

    entries: tuple[Entry, ...]
    cursor: str | None


def list_folder(jail: Jail, path: RelativePath, limit: int = LARGEST, cursor: str | None = None) -> Page:
    """The first ``limit`` entries of the folder ``path`` after ``cursor``.

    Raises ``InvalidCursor``, ``NotFound``, and ``WrongKind`` if ``path`` is not a folder. Entries that are
    deleted meanwhile are left out.
    """
    after = _parse_cursor(cursor)
    with explained(path), held(jail.find_folder(path)) as found, held(open_names(found)) as folder:
        places = heapq.nsmallest(limit + 1, _places(folder, after, jail.pace))
        shown = places[:limit]
        more = _to_cursor(shown[-1]) if shown and len(shown) < len(places) else None
        return Page(tuple(_entries(folder, shown)), more)


def _places(folder: int, after: _Place | None, pace: Pace) -> Iterator[_Place]:
    with os.scandir(folder) as entries:
        for entry in entries:
            pace(0)
            place = (not entry.is_dir(follow_symlinks=False), entry.name)
            if (after is None or place > after) and not is_part_name(entry.name):
                yield place


def _entries(folder: int, places: list[_Place]) -> Iterator[Entry]:
    for _, name in places:
        try:
            state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        mode = state.st_mode
        yield Entry(to_text(name), to_kind(mode), state.st_size, int(state.st_mtime), f"{mode & 0o7777:04o}")


def to_kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"


def _to_cursor(place: _Place) -> str:
    is_file, name = place
    return urlsafe_b64encode(b"df"[is_file : is_file + 1] + os.fsencode(name)).decode().rstrip("=")


def _parse_cursor(cursor: str | None) -> _Place | None:
    if cursor is None:
        return None
    try:
        place = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        place = b""
    if place[:1] not in (b"d", b"f"):
        raise errors.InvalidCursor(
            "The cursor is not from a listing of this node: list from the beginning, without a cursor"
        )
    return place[:1] == b"f", os.fsdecode(place[1:])
