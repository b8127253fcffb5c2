"""Short operations on a volume's files: write a file, create a folder, rename, change a mode.

Each needs a ``Jail`` and parsed paths, blocks, and raises ``FileRefused``. ``owner`` is the owner of new
files and folders; with None they belong to the daemon's user.
"""

import errno
import os
import re
import stat
from contextlib import closing, suppress

from lightd.files import errors
from lightd.files.jail import FOLDER, Jail, Owner, explained, held, kind_of, look_at
from lightd.files.measuring import Links, check_alone
from lightd.files.paths import ROOT, RelativePath
from lightd.files.placing import rename_to_new, replacing
from lightd.files.walking import check_below, walk

_MODE = re.compile(r"0?[0-7]{3}")


def write_file(jail: Jail, path: RelativePath, content: bytes, owner: Owner | None) -> None:
    """Write ``content`` to the file ``path``, completely or not at all; missing folders are created.

    An existing file keeps its permissions without set-id bits. Raises ``WrongKind`` if a folder, a symbolic
    link or a special file has the name.
    """
    with explained(path), replacing(jail, path, owner) as part, open(part, "wb", closefd=False) as file:
        jail.charge(len(content), 0)
        file.write(content)


def make_folder(jail: Jail, path: RelativePath, owner: Owner | None) -> None:
    """Create the folder ``path`` and its parents, if necessary. Raises ``Exists`` if it is a file."""
    try:
        with explained(path), held(jail.make_folders(path, owner)):
            pass
    except errors.WrongKind:
        raise errors.Exists(f'"{path}" exists already, or a parent of it is a file') from None


def rename(jail: Jail, source: RelativePath, destination: RelativePath, owner: Owner | None) -> None:
    """Rename ``source`` to ``destination``; missing folders are created for ``owner``. Links are moved.

    Raises ``Exists`` if the destination exists, also if it is the source; ``WrongKind`` for a move into
    itself.
    """
    if source != destination and source.holds(destination):
        raise errors.WrongKind(f'"{source}" cannot be moved into itself')
    with explained(source), held(jail.find_folder(source.parent)) as old:
        folder = stat.S_ISDIR(look_at(old, source.name).st_mode)
        jail.check_name(old, source, folder=folder)
        with explained(destination), held(jail.make_folders(destination.parent, owner)) as new:
            try:
                with jail.placing:
                    _check_moved(jail, old, source, new, destination)
                    rename_to_new(old, source.name, new, destination.name)
            except OSError as error:
                match error.errno:
                    case errno.ENOENT:
                        raise errors.NotFound(f'"{source}" does not exist in the volume') from None
                    case errno.EINVAL:  # through a link
                        raise errors.WrongKind(f'"{source}" cannot be moved into itself') from None
                    case _:
                        raise


def _check_moved(jail: Jail, old: int, source: RelativePath, new: int, destination: RelativePath) -> None:
    """Raise ``Denied`` if ``source`` or anything in it is denied where it is, or where it would be."""
    if jail.denied:
        folder = stat.S_ISDIR(look_at(old, source.name).st_mode)
        for above, path in ((old, source), (new, destination)):
            jail.check_name(above, path, folder=folder)
        if folder:
            with held(os.open(source.name, FOLDER, dir_fd=old)) as moved:
                check_below(jail, moved, jail.place_of(moved), (*jail.place_of(new), destination.name))


def parse_mode(text: str) -> int:
    """The permissions for ``text``: three octal digits, with or without a ``0`` before them.

    Set-id and sticky bits cannot be set. Raises ``InvalidMode``.
    """
    if not _MODE.fullmatch(text):
        raise errors.InvalidMode("The mode must be three octal digits, such as 644")
    return int(text, 8)


def change_mode(jail: Jail, path: RelativePath, mode: int) -> None:
    """Set the permissions of the file or folder ``path`` to ``mode``, from ``parse_mode``.

    A link inside the volume is followed. Raises ``NotAllowed`` for a file with a name outside of it.
    """
    with explained(path), held(jail.find(path)) as found:
        state = os.fstat(found)
        if not stat.S_ISDIR(state.st_mode) and not stat.S_ISREG(state.st_mode):
            raise errors.WrongKind(f'"{path}" is a {kind_of(state.st_mode)}')
        check_alone(jail, state, path)
        os.chmod(f"/proc/self/fd/{found}", mode)


def give_all(jail: Jail, owner: Owner) -> None:
    """Set the owner of everything in the volume: the root, all entries below it, and links themselves.

    Files with a name outside of the volume, and special files, are not changed.
    """
    links = Links(jail)
    with explained(ROOT), closing(walk(jail.root)) as mets:
        os.chown(f"/proc/self/fd/{jail.root}", owner.uid, owner.gid)
        for met in mets:
            state = met.state
            if (state.st_uid, state.st_gid) == (owner.uid, owner.gid):
                continue
            if kind_of(state.st_mode) != "special file" and not links.lead_out(state):
                with suppress(FileNotFoundError):
                    os.chown(met.name, owner.uid, owner.gid, dir_fd=met.folder, follow_symlinks=False)
