"""Deleting, which follows no link and stops at no depth.

A tree is emptied through descriptors, at most two for each of ``DEPTH`` levels. Names are deleted as they are
read, so that none are held, however many there are; one that a filesystem skips is the next round's. What is
nested deeper is first moved up, next to the top of what is being deleted, which shortens it by as much each
time.
"""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from lightd.files import errors
from lightd.files.jail import FOLDER, TRIES, Jail, explained, held, look_at
from lightd.files.paths import RelativePath
from lightd.files.placing import new_part_name

DEPTH: Final = 64

Pace = Callable[[int], None]


def delete(jail: Jail, paths: Sequence[RelativePath], pace: Pace) -> None:
    """None of ``paths`` is there; a link is deleted, not what it leads to.

    Raises ``NotFound`` before anything is deleted if one of them is missing. ``pace`` is called at every
    name; what it raises ends the operation, with a part deleted. ``NotAllowed`` where the tenant fills a
    folder faster than it is emptied.
    """
    for path in paths:
        pace(0)
        with explained(path), held(jail.find_folder(path.parent)) as folder:
            look_at(folder, path.name)
    for path in paths:
        with suppress(errors.NotFound), explained(path), held(jail.find_folder(path.parent)) as folder:
            delete_at(folder, path.name, pace)


def delete_at(folder: int, name: str, pace: Pace) -> None:
    """``name`` in ``folder`` is gone, with all below it. Raises ``OSError``."""
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
        raise errors.NotAllowed("The folder is filled while it is deleted") from None


def _empty(folder: int, top: int, depth: int, pace: Pace) -> bool:
    """Delete what is in ``folder``; return whether something of it was only moved to ``top``."""
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
        if error.errno != errno.ENOTEMPTY:  # filled meanwhile: the next round's
            raise
    return moved
