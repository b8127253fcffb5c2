"""Everything below a folder, with one descriptor however deep the tenant nests.

Going down opens one name with ``O_NOFOLLOW``; going up opens ``..`` and compares what it got with the folder
it came through. A folder on the way back that was moved meanwhile ends the walk with ``EAGAIN``.
"""

import errno
import os
import stat
from collections.abc import Generator

import attrs

from lightd.files.jail import FOLDER

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@attrs.frozen
class Met:
    """A name that a walk came by: ``folder`` is valid until the next one."""

    folder: int
    name: str
    state: os.stat_result


@attrs.frozen
class _Level:
    identity: tuple[int, int]
    below: list[str]  # the folders in it that are still to be walked


def walk(top: int) -> Generator[Met, None, None]:
    """Every name below the folder ``top``, a folder before what is in it; what vanishes is left out.

    It holds descriptors: close it (``contextlib.closing``) where it may be left before its end.
    """
    here = os.open(".", FOLDER, dir_fd=top)
    try:
        levels = [(yield from _meet(here))]
        while levels:
            if levels[-1].below:
                there = _open_if_there(here, levels[-1].below.pop())
                if there is None:
                    continue
                os.close(here)
                here = there
                levels.append((yield from _meet(here)))
                continue
            levels.pop()
            if levels:
                there = os.open("..", FOLDER, dir_fd=here)
                os.close(here)
                here = there
                if _identity(os.fstat(here)) != levels[-1].identity:
                    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    finally:
        os.close(here)


def _meet(folder: int) -> Generator[Met, None, _Level]:
    below = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(state.st_mode):
                below.append(entry.name)
            yield Met(folder, entry.name, state)
    return _Level(_identity(os.fstat(folder)), below)


def _open_if_there(folder: int, name: str) -> int | None:
    try:
        return os.open(name, FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino
