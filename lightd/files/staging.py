"""The staging folder of an archive that is being unpacked: a new folder without links, with limits.

Symbolic links are remembered and created last. A link stays inside if it is relative and contains ``..``
only before its first name, at most as many as there are folders above it: this is exact, because those
folders are not links.

Permissions and times of folders are remembered, too, until their contents are complete and in their place.
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


HOME: Final = "/home/container"
"""Where the server of the volume sees it: absolute links below it stay inside."""


@attrs.frozen
class _Link:
    target: str
    modified_at: int | None


@attrs.define(eq=False)
class Staging:
    """What was unpacked so far; ``left_out`` counts skipped entries. Methods can raise ``OSError``.

    Times are in nanoseconds since 1970. A mode or a time can be None, if the archive does not have it.
    ``any_link``: links are created wherever they lead.
    """

    _jail: Jail
    _owner: Owner | None
    _pace: Pace
    ceilings: Ceilings
    _archive_size: int
    left_out: int = 0
    any_link: bool = False
    _entries: int = 0
    _bytes: int = 0
    _holes: int = 0  # bytes of files that are only holes in the archive
    _read: int = 0
    _made: int = 0  # parent folders without an entry
    _links: dict[str, _Link] = attrs.field(factory=dict)
    _folders: dict[str, tuple[int | None, int | None]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._jail = attrs.evolve(self._jail, pace=self._made_folder)

    def _made_folder(self, _: int) -> None:
        """Count a parent folder that was created for an entry; it may have no entry of its own."""
        self._pace(0)
        self._made += 1
        if self._made > self.ceilings.entries:
            raise errors.InvalidArchive(f"The archive has more than {self.ceilings.entries} folders")

    def admits(self, path: RelativePath) -> bool:
        """Whether an entry is created at ``path``; the root exists already. Counts it."""
        self._pace(0)
        self._entries += 1
        if self._entries > self.ceilings.entries:
            raise errors.InvalidArchive(f"The archive has more than {self.ceilings.entries} entries")
        if len(path.parts) > self.ceilings.depth:
            raise errors.InvalidArchive(f"The archive has more than {self.ceilings.depth} levels")
        if any(is_part_name(part) for part in path.parts):
            self.left_out += 1
            return False
        return bool(path.parts)

    def add_folder(self, path: RelativePath, mode: int | None, modified_at: int | None = None) -> None:
        with held(self._jail.make_folders(path, self._owner)):
            self._folders["/".join(path.parts)] = mode, modified_at

    def add_file(
        self,
        path: RelativePath,
        mode: int | None,
        modified_at: int | None,
        contents: IO[bytes],
        layout: Layout = UNKNOWN,
    ) -> None:
        """Write ``contents`` to the file ``path``; ``layout`` says where its parts belong."""
        self._holes += layout.size - min(layout.stored, layout.size)
        self._check_size()
        with held(self._jail.make_folders(path.parent, self._owner)) as folder:
            self._make_room(folder, path)
            self._jail.charge(ENTRY, 1)
            with held(os.open(path.name, CREATE, 0o600, dir_fd=folder)) as file:
                filling = SparseWriter(file, self._jail.charge)
                for at, piece in pieces_of(contents, layout):
                    self._spend(len(piece))
                    filling.write(at, piece)
                filling.end_at(layout.size)
                give_to(file, self._owner, FILE_MODE if mode is None else mode)
                _set_time(file, modified_at)

    def add_hard_link(self, path: RelativePath, target: RelativePath) -> None:
        """Add ``path`` as another name of ``target``, a file or link that was added before."""
        link = self._links.get("/".join(target.parts))
        if link is not None:
            self.add_link(path, link.target, link.modified_at)
            return
        if not target.parts:
            raise errors.InvalidArchive(f'The hard link "{path}" in the archive has no target')
        with (
            held(self._jail.find_folder(target.parent)) as old,
            held(self._jail.make_folders(path.parent, self._owner)) as new,
        ):
            if not stat.S_ISREG(look_at(old, target.name).st_mode):
                raise errors.InvalidArchive(f'The hard link "{path}" in the archive has no target')
            if path != target:
                self._make_room(new, path)
                self._jail.charge(ENTRY, 1)
                os.link(target.name, path.name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)

    def add_link(self, path: RelativePath, target: str, modified_at: int | None = None) -> None:
        if not (self.any_link or stays_inside(path, target) or is_below_home(target)):
            self.left_out += 1
            return
        with held(self._jail.make_folders(path.parent, self._owner)) as folder:
            self._make_room(folder, path)
            self._jail.charge(ENTRY, 1)
        self._links["/".join(path.parts)] = _Link(target, modified_at)

    def make_links(self) -> None:
        """Create the links that were added; must be called last."""
        for text, link in self._links.items():
            path = RelativePath(tuple(text.split("/")))
            self._pace(0)
            with held(self._jail.make_folders(path.parent, self._owner)) as folder:
                os.symlink(link.target, path.name, dir_fd=folder)
                if self._owner is not None:
                    uid, gid = self._owner.uid, self._owner.gid
                    os.chown(path.name, uid, gid, dir_fd=folder, follow_symlinks=False)
                _set_time(path.name, link.modified_at, folder)

    def finish_folders(self, target: int) -> None:
        """Set permissions and times of the folders, which were moved to ``target``.

        The tenant can have replaced one meanwhile, by another folder of the volume or a link to one: then
        that one is changed. A folder that is not there any more, or cannot be changed, is left as it is.
        """
        jail = attrs.evolve(self._jail, root=target)
        for text in sorted(self._folders, key=lambda text: text.count("/"), reverse=True):
            self._pace(0)
            mode, modified_at = self._folders[text]
            with (
                suppress(OSError, errors.FileRefused),
                held(jail.find_folder(RelativePath(tuple(text.split("/"))))) as folder,
            ):
                os.chmod(f"/proc/self/fd/{folder}", (FOLDER_MODE if mode is None else mode) & PERMISSIONS)
                _set_time(f"/proc/self/fd/{folder}", modified_at)

    def _make_room(self, folder: int, path: RelativePath) -> None:
        """Remove a file or link at ``path``, in ``folder``: of two, the later one is kept."""
        self._links.pop("/".join(path.parts), None)
        with suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=folder)

    def read(self, count: int) -> None:
        """Count bytes that were read of a tar's stream: contents, headers, and skipped parts."""
        self._pace(0)
        self._read += count
        self._check(self._read - self.ceilings.entries * HEADER)

    def _spend(self, count: int) -> None:
        self._pace(count)
        self._bytes += count
        self._check(self._bytes)
        self._check_size()

    def _check_size(self) -> None:
        """Reject files that are too large, including their holes, because a client can read those later."""
        if self._bytes + self._holes > self.ceilings.bytes:
            raise errors.InvalidArchive(f"The archive holds more than {self.ceilings.bytes} bytes")

    def _check(self, count: int) -> None:
        if count > self.ceilings.bytes:
            raise errors.InvalidArchive(f"The archive holds more than {self.ceilings.bytes} bytes")
        if count > max(self.ceilings.ratio_from, self._archive_size * self.ceilings.ratio):
            raise errors.InvalidArchive(
                f"The archive holds more than {self.ceilings.ratio} times its own size"
            )


def is_below_home(target: str) -> bool:
    """Whether an absolute link with the text ``target`` leads into the volume, as its server sees it."""
    names = target.split("/")
    return "/".join(names[:3]) == HOME and ".." not in names and "\0" not in target


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


def _set_time(file: int | str, modified_at: int | None, folder: int | None = None) -> None:
    """Set the time of a descriptor or a path; of a link itself if it is in ``folder``."""
    if modified_at is None:
        return
    times = modified_at, modified_at
    with suppress(OverflowError, ValueError):  # a time that is out of range
        if folder is None:
            os.utime(file, ns=times)
        else:
            os.utime(file, ns=times, dir_fd=folder, follow_symlinks=False)
