"""Deletes files and trees without following links, at any depth.

A tree is emptied through descriptors, at most two for each of ``DEPTH`` levels. Names are deleted as they
are read, so that none are stored; a name that the file system skips is found in the next round. Folders that
are nested deeper are first moved to the top of the tree, which shortens it each time.
"""

import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from lightd.files import errors
from lightd.files.jail import FOLDER, TRIES, Jail, explained, held, look_at
from lightd.files.paths import RelativePath
from lightd.files.placing import new_part_name
from lightd.files.walking import check_below

DEPTH: Final = 64

Pace = Callable[[int], None]


def delete(jail: Jail, paths: Sequence[RelativePath], pace: Pace) -> None:
    """Delete all ``paths``; a link is deleted, not its target.

    Raises ``NotFound`` or ``Denied`` before anything is deleted if one of them is missing, or denied with
    anything in it. ``pace`` is called for every name; if it raises, the operation ends with a part deleted.
    Raises ``NotAllowed`` if the tenant fills a folder faster than it is emptied.
    """
    for path in paths:
        pace(0)
        with explained(path), held(jail.find_folder(path.parent)) as folder:
            _check(jail, folder, path, pace)
    for path in paths:
        with suppress(errors.NotFound), explained(path), held(jail.find_folder(path.parent)) as folder:
            jail.check_name(folder, path)
            delete_at(folder, path.name, pace)


def _check(jail: Jail, folder: int, path: RelativePath, pace: Pace) -> None:
    """Raise ``Denied`` if ``path``, or anything below it, is denied, and ``FileNotFoundError``."""
    is_folder = stat.S_ISDIR(look_at(folder, path.name).st_mode)
    jail.check_name(folder, path, folder=is_folder)
    if is_folder and jail.denied:
        with held(os.open(path.name, FOLDER, dir_fd=folder)) as top:
            check_below(jail, top, jail.place_of(top), pace=pace)


def delete_at(folder: int, name: str, pace: Pace) -> None:
    """Delete ``name`` in ``folder``, with everything below it. Raises ``OSError``."""
    pace(0)
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        with held(os.open(name, FOLDER, dir_fd=folder)) as top:
            for _ in range(TRIES):
                while _empty(top, top, 1, pace):
                    pass
                try:
                    os.rmdir(name, dir_fd=folder)
                except OSError as error:
                    if error.errno != errno.ENOTEMPTY:
                        raise
                else:
                    return
        raise errors.NotAllowed(
            "The folder is filled faster than it can be deleted: stop what writes there, and try again"
        ) from None


def _empty(folder: int, top: int, depth: int, pace: Pace) -> bool:
    """Delete the contents of ``folder``; return whether a part of them was only moved to ``top``."""
    moved = False
    with os.scandir(folder) as entries:
        for entry in entries:
            pace(0)
            with suppress(FileNotFoundError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=folder)
                elif depth == DEPTH:
                    os.rename(entry.name, new_part_name(), src_dir_fd=folder, dst_dir_fd=top)
                    moved = True
                else:
                    moved |= _delete_folder(folder, entry.name, top, depth, pace)
    return moved


def _delete_folder(folder: int, name: str, top: int, depth: int, pace: Pace) -> bool:
    with held(os.open(name, FOLDER, dir_fd=folder)) as below:
        moved = _empty(below, top, depth + 1, pace)
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:  # filled in the meantime: left to the next round
            raise
    return moved
