"""Copies a file or a tree: to a new name next to the destination, which is then renamed.

The copy therefore appears completely or not at all. Symbolic links are copied as links, wherever they lead;
special files and temporary files of uploads are left out; a file with several names becomes several files.
Holes are kept: a sparse file needs no more room than before. Permissions are kept without set-id bits; times
are not.

Nothing is replaced or merged: a destination that exists raises ``Exists``, also the source itself, and a
folder cannot be copied into itself, by any path (``WrongKind``).
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import attrs

from lightd.files import errors
from lightd.files.charging import ENTRY, PIECE, Charge
from lightd.files.deleting import Pace, delete_at
from lightd.files.holes import EXTENT, data_in
from lightd.files.jail import (
    FOLDER,
    Jail,
    Owner,
    explained,
    give_to,
    held,
    kind_of,
    look_at,
    make_folder_at,
    open_contents,
)
from lightd.files.measuring import Links
from lightd.files.paths import RelativePath
from lightd.files.placing import CREATE, is_part_name, new_part_name, rename_to_new
from lightd.files.resolve import LOOK
from lightd.files.walking import names_in

DEPTH: Final = 128  # two descriptors are open for each level
_NO_SUCH_CALL = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def copy(
    jail: Jail, source: RelativePath, destination: RelativePath, owner: Owner | None, pace: Pace
) -> None:
    """Copy ``source`` to ``destination``, for ``owner``; missing parent folders are created.

    ``pace`` is called for every name and with the bytes of every piece; if it raises, the copy is removed.
    Raises ``TooDeep`` for more than 128 levels.
    """
    if source != destination and source.holds(destination):
        raise errors.WrongKind(f'"{source}" cannot be copied into itself')
    with explained(source), held(jail.find_folder(source.parent)) as folder:
        found = os.open(source.name, LOOK, dir_fd=folder)
    with held(found):
        _refuse_special(found, source)
        jail.check(found, source)
        with explained(destination), held(jail.make_folders(destination.parent, owner)) as folder:
            jail.check_name(folder, destination, folder=stat.S_ISDIR(os.fstat(found).st_mode))
            _refuse_taken(folder, destination)
            part = new_part_name()
            check = _Check(jail, source, folder, destination)
            try:
                _Copying(Links(jail), owner, pace, jail.charge, check).put(found, source, folder, part, 0)
                with jail.placing:
                    check.repeat()
                    rename_to_new(folder, part, folder, destination.name)
            finally:
                with suppress(FileNotFoundError):
                    delete_at(folder, part, lambda _: None)


def _refuse_special(found: int, path: RelativePath) -> None:
    mode = os.fstat(found).st_mode
    if kind_of(mode) == "special file":
        raise errors.WrongKind(f'"{path}" is a special file')


def _refuse_taken(folder: int, path: RelativePath) -> None:
    with suppress(FileNotFoundError):
        look_at(folder, path.name)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


@attrs.define(eq=False)
class _Check:
    """Compares what is copied with the deny list: where it is, and where the copy will be."""

    jail: Jail
    source: RelativePath
    folder: int
    destination: RelativePath
    place: tuple[str, ...] = ()  # where the destination really is

    def __attrs_post_init__(self) -> None:
        if self.jail.denied:
            self.place = (*self.jail.place_of(self.folder), self.destination.name)

    def __call__(self, found: int, path: RelativePath) -> None:
        """Raise ``Denied`` for ``found``, which is at ``path``, below the source or itself."""
        if self.jail.denied:
            self.jail.check(found, path)
            folder = stat.S_ISDIR(os.fstat(found).st_mode)
            below = path.parts[len(self.source.parts) :]
            for place in (self.destination.parts, self.place):
                self.jail.denied.check((*place, *below), folder=folder)

    def repeat(self) -> None:
        """Raise ``NotAllowed`` if the destination has been moved since."""
        if self.jail.denied and (*self.jail.place_of(self.folder), self.destination.name) != self.place:
            raise errors.NotAllowed(f'A parent folder of "{self.destination}" keeps changing')


@attrs.define(eq=False)
class _Copying:
    links: Links
    owner: Owner | None
    pace: Pace
    charge: Charge
    check: _Check
    top: tuple[int, int] | None = None  # the copy's own folder, which must not be found in the source

    def put(self, found: int, path: RelativePath, folder: int, name: str, depth: int) -> None:
        """Copy ``found`` (``O_PATH``), which is at ``path``, to ``name`` in ``folder``."""
        self.pace(0)
        self.check(found, path)
        self.charge(ENTRY, 1)
        state = os.fstat(found)
        if stat.S_ISDIR(state.st_mode):
            self._put_folder(found, path, folder, name, depth)
        elif stat.S_ISREG(state.st_mode):
            self.links.check(state, path)
            with (
                held(open_contents(found, path)) as source,
                held(os.open(name, CREATE, 0o600, dir_fd=folder)) as target,
            ):
                self._put_contents(source, target, state.st_size)
                give_to(target, self.owner, state.st_mode)
        elif stat.S_ISLNK(state.st_mode):
            os.symlink(os.readlink("", dir_fd=found), name, dir_fd=folder)
            if self.owner is not None:
                os.chown(name, self.owner.uid, self.owner.gid, dir_fd=folder, follow_symlinks=False)

    def _put_below(self, found: int, path: RelativePath, folder: int, depth: int) -> None:
        if not is_part_name(path.name) or self._is_top(os.fstat(found)):
            self.put(found, path, folder, path.name, depth)

    def _is_top(self, state: os.stat_result) -> bool:
        return (state.st_dev, state.st_ino) == self.top

    def _put_folder(self, found: int, path: RelativePath, folder: int, name: str, depth: int) -> None:
        state = os.fstat(found)
        if self._is_top(state):
            raise errors.WrongKind("A folder cannot be copied into itself")
        if depth > DEPTH:
            raise errors.TooDeep(f"The tree has more than {DEPTH} levels")
        with held(make_folder_at(folder, name, self.owner)) as made:
            if self.top is None:
                here = os.fstat(made)
                self.top = here.st_dev, here.st_ino
            with held(os.open(".", FOLDER, dir_fd=found)) as source:
                for below in names_in(source):
                    there = _look_if_there(source, below)
                    if there is not None:
                        with held(there):
                            self._put_below(there, path.child(below), made, depth + 1)
            with held(os.open(".", FOLDER, dir_fd=made)) as target:
                give_to(target, self.owner, state.st_mode)

    def _put_contents(self, source: int, target: int, size: int) -> None:
        before = 0
        for start, end in _pieces(source, size):
            self.pace(end - start)
            self.charge(end - start + (EXTENT if start > before else 0), 0)
            before = end
            at = start
            while at < end:
                copied = _copy_range(source, target, at, end - at)
                if copied == 0:
                    break  # it has become shorter meanwhile
                at += copied
        os.ftruncate(target, size)


def _look_if_there(folder: int, name: str) -> int | None:
    with suppress(FileNotFoundError):
        return os.open(name, LOOK, dir_fd=folder)
    return None


def _pieces(source: int, size: int) -> Iterator[tuple[int, int]]:
    """The ranges of ``source`` that contain data, none longer than ``PIECE``."""
    for start, end in data_in(source, size):
        for at in range(start, end, PIECE):
            yield at, min(at + PIECE, end)


def _copy_range(source: int, target: int, at: int, count: int) -> int:
    """Copy up to ``count`` bytes from ``at`` on, in the kernel if possible; return how many were copied."""
    try:
        return os.copy_file_range(source, target, count, at, at)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
        return os.pwrite(target, os.pread(source, min(count, 1 << 20), at), at)
