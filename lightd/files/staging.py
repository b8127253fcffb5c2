"""The staging folder of an archive that is being unpacked: a new folder without links, with limits.

Symbolic links are remembered and created last. A link stays inside if it is relative and contains ``..``
only before its first name, at most as many as there are folders above it: this is exact, because those
folders are not links.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Final

import attrs

from lightd.files import errors
from lightd.files.archives import Ceilings
from lightd.files.charging import ENTRY
from lightd.files.deleting import Pace
from lightd.files.holes import UNKNOWN, Layout, SparseWriter, pieces_of
from lightd.files.jail import FOLDER, FOLDER_MODE, PERMISSIONS, Jail, Owner, give_to, held, kind_of, look_at
from lightd.files.paths import RelativePath
from lightd.files.placing import CREATE, FILE_MODE, is_part_name

HEADER: Final = (
    2048  # bytes of a tar for one entry besides its contents: a PAX header, its own header, the padding
)


@attrs.define(eq=False)
class Staging:
    """What was unpacked so far; ``left_out`` counts skipped entries. Methods can raise ``OSError``."""

    _jail: Jail
    _owner: Owner | None
    _pace: Pace
    _ceilings: Ceilings
    _archive_size: int
    left_out: int = 0
    _entries: int = 0
    _bytes: int = 0
    _holes: int = 0  # bytes of files that are only holes in the archive
    _read: int = 0
    _folders: int = 0
    _links: dict[RelativePath, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._jail = attrs.evolve(self._jail, pace=self._made_folder)

    def _made_folder(self, _: int) -> None:
        """Count a parent folder that was created for an entry; it may have no entry of its own."""
        self._pace(0)
        self._folders += 1
        if self._folders > self._ceilings.entries:
            raise errors.InvalidArchive(f"The archive has more than {self._ceilings.entries} folders")

    def admits(self, path: RelativePath) -> bool:
        """Whether an entry is created at ``path``; the root exists already. Counts it."""
        self._pace(0)
        self._entries += 1
        if self._entries > self._ceilings.entries:
            raise errors.InvalidArchive(f"The archive has more than {self._ceilings.entries} entries")
        if len(path.parts) > self._ceilings.depth:
            raise errors.InvalidArchive(f"The archive has more than {self._ceilings.depth} levels")
        if any(is_part_name(part) for part in path.parts):
            self.left_out += 1
            return False
        return bool(path.parts)

    def add_folder(self, path: RelativePath, mode: int) -> None:
        found = self._jail.make_folders(path, self._owner)
        with held(found), held(os.open(".", FOLDER, dir_fd=found)) as folder:
            give_to(folder, self._owner, (mode or FOLDER_MODE) | stat.S_IRWXU)

    def add_file(
        self,
        path: RelativePath,
        mode: int,
        modified_at: float,
        contents: IO[bytes],
        layout: Layout = UNKNOWN,
    ) -> None:
        """Write ``contents`` to the file ``path``; ``layout`` says where its parts belong."""
        self._holes += layout.size - min(layout.stored, layout.size)
        self._check_size()
        with held(self._jail.make_folders(path.parent, self._owner)) as folder:
            _make_room(folder, path.name)
            self._jail.charge(ENTRY, 1)
            with held(os.open(path.name, CREATE, 0o600, dir_fd=folder)) as file:
                filling = SparseWriter(file, self._jail.charge)
                for at, piece in pieces_of(contents, layout):
                    self._spend(len(piece))
                    filling.write(at, piece)
                filling.end_at(layout.size)
                give_to(file, self._owner, mode & PERMISSIONS or FILE_MODE)
                with suppress(OverflowError, ValueError):  # a time that is out of range
                    os.utime(file, (modified_at, modified_at))

    def add_hard_link(self, path: RelativePath, target: RelativePath) -> None:
        """Add ``path`` as another name of ``target``, a file that was added before."""
        if not target.parts:
            raise errors.InvalidArchive(f'The hard link "{path}" in the archive has no target')
        with (
            held(self._jail.find_folder(target.parent)) as old,
            held(self._jail.make_folders(path.parent, self._owner)) as new,
        ):
            if not stat.S_ISREG(look_at(old, target.name).st_mode):
                raise errors.InvalidArchive(f'The hard link "{path}" in the archive has no target')
            if path != target:
                _make_room(new, path.name)
                self._jail.charge(ENTRY, 1)
                os.link(target.name, path.name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)

    def add_link(self, path: RelativePath, target: str) -> None:
        if stays_inside(path, target):
            self._links[path] = target
        else:
            self.left_out += 1

    def make_links(self) -> None:
        """Create the links that were added; must be called last."""
        for path, target in self._links.items():
            with held(self._jail.make_folders(path.parent, self._owner)) as folder:
                self._jail.charge(ENTRY, 1)
                os.symlink(target, path.name, dir_fd=folder)
                if self._owner is not None:
                    uid, gid = self._owner.uid, self._owner.gid
                    os.chown(path.name, uid, gid, dir_fd=folder, follow_symlinks=False)

    def read(self, count: int) -> None:
        """Count bytes that were read of a tar's stream: contents, headers, and skipped parts."""
        self._pace(0)
        self._read += count
        self._check(self._read - self._ceilings.entries * HEADER)

    def _spend(self, count: int) -> None:
        self._pace(count)
        self._bytes += count
        self._check(self._bytes)
        self._check_size()

    def _check_size(self) -> None:
        """Reject files that are too large, including their holes, because a client can read those later."""
        if self._bytes + self._holes > self._ceilings.bytes:
            raise errors.InvalidArchive(f"The archive holds more than {self._ceilings.bytes} bytes")

    def _check(self, count: int) -> None:
        if count > self._ceilings.bytes:
            raise errors.InvalidArchive(f"The archive holds more than {self._ceilings.bytes} bytes")
        if count > max(self._ceilings.ratio_from, self._archive_size * self._ceilings.ratio):
            raise errors.InvalidArchive(
                f"The archive holds more than {self._ceilings.ratio} times its own size"
            )


def stays_inside(path: RelativePath, target: str) -> bool:
    """Whether a link at ``path`` with the text ``target`` leads to a path below the same root."""
    names = target.split("/")
    climbs = 0
    while climbs < len(names) and names[climbs] == "..":
        climbs += 1
    return (
        target != ""
        and "\0" not in target
        and not target.startswith("/")
        and climbs < len(path.parts)
        and ".." not in names[climbs:]
    )


def place(source: int, target: int, path: RelativePath) -> None:
    """Move the contents of the folder ``source`` to ``target``, which is at ``path``: merged, files replaced.

    Raises ``WrongKind``, with nothing moved, if a folder would replace something else or the other way round.
    """
    _pair(source, target, path, _refuse_other_kind)
    _pair(source, target, path, _move)


def _pair(
    source: int, target: int, path: RelativePath, meet: Callable[[int, int, RelativePath], None]
) -> None:
    """Walk through ``source``: enter the folders that exist in both, and call ``meet`` for the rest."""
    for name in os.listdir(source):
        below = path.child(name)
        if stat.S_ISDIR(look_at(source, name).st_mode) and _kind_at(target, name) == "folder":
            with (
                held(os.open(name, FOLDER, dir_fd=source)) as from_below,
                held(os.open(name, FOLDER, dir_fd=target)) as to_below,
            ):
                _pair(from_below, to_below, below, meet)
        else:
            meet(source, target, below)


def _refuse_other_kind(source: int, target: int, path: RelativePath) -> None:
    there = _kind_at(target, path.name)
    if there is not None and "folder" in (there, _kind_at(source, path.name)):
        raise errors.WrongKind(f'"{path}" is a {there} in the volume, but not in the archive')


def _move(source: int, target: int, path: RelativePath) -> None:
    os.rename(path.name, path.name, src_dir_fd=source, dst_dir_fd=target)


def _kind_at(folder: int, name: str) -> str | None:
    try:
        return kind_of(look_at(folder, name).st_mode)
    except FileNotFoundError:
        return None


def _make_room(folder: int, name: str) -> None:
    """Remove an entry with that name: of two, the later one is kept."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
