"""Walks everything below a folder, with limited memory for any number of names and any depth.

One descriptor is open, and one more for each level that has more than ``NAMES`` folders: the rest of such a
level is read when the walk comes back to it. Going down opens one name with ``O_NOFOLLOW``; going up opens
``..`` and compares the result with the folder that the walk came through. If a parent folder was moved
meanwhile, the walk ends with ``EAGAIN``.
"""

import errno
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from typing import Final

import attrs

from lightd.files.jail import FOLDER

NAMES: Final = 10_000
"""Names of one folder that are in memory at a time, about a megabyte of them."""

PAUSED: Final = 64
"""Levels that are read later, each with a descriptor; one level beyond keeps the names of its folders."""

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@attrs.frozen
class Met:
    """A name found by a walk; ``folder`` is valid until the next one."""

    folder: int
    name: str
    state: os.stat_result


def names_in(folder: int) -> Iterator[str]:
    """The names in ``folder``, sorted in groups of ``NAMES``; no more of them are in memory."""
    with os.scandir(folder) as entries:
        while batch := sorted(entry.name for entry in islice(entries, NAMES)):
            yield from batch


def walk(top: int) -> Generator[Met, None, None]:
    """Every name below the folder ``top``, a folder before its contents; names that vanish are left out.

    It holds descriptors: close it (``contextlib.closing``) if it may not be exhausted.
    """
    with closing(_Walk(os.open(".", FOLDER, dir_fd=top))) as walking:
        yield from walking.enter()
        while walking.levels:
            level = walking.levels[-1]
            if level.below:
                if walking.go_down(level.below.pop()):
                    yield from walking.enter()
            elif level.rest is not None:
                yield from walking.read(level)
            else:
                walking.go_up()


@attrs.define(eq=False)
class _Level:
    """A folder on the way: ``below`` are folders in it to be walked, ``rest`` names in it to be read."""

    identity: tuple[int, int]
    rest: "os._ScandirIterator[str] | None"
    below: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class _Walk:
    """The position of a walk: in the folder ``here``, reached through ``levels``."""

    here: int
    levels: list[_Level] = attrs.field(factory=list)
    paused: int = 0

    def enter(self) -> Iterator[Met]:
        """Add the current folder as the last level, and read the first part of it."""
        level = _Level(_identity(os.fstat(self.here)), os.scandir(self.here))
        self.levels.append(level)
        self.paused += 1
        return self.read(level)

    def read(self, level: _Level) -> Iterator[Met]:
        """Continue reading ``level``, which is the current folder."""
        assert level.rest is not None  # noqa: S101 - for the type checker
        for entry in level.rest:  # its own stat() would use the number of a descriptor that may be closed
            try:
                state = os.stat(entry.name, dir_fd=self.here, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(state.st_mode):
                level.below.append(entry.name)
            yield Met(self.here, entry.name, state)
            if len(level.below) >= NAMES and self.paused <= PAUSED:
                return
        self._end(level)

    def _end(self, level: _Level) -> None:
        if level.rest is not None:
            level.rest.close()
            level.rest = None
            self.paused -= 1

    def go_down(self, name: str) -> bool:
        """Enter the folder ``name``; return whether it still exists."""
        try:
            there = os.open(name, FOLDER, dir_fd=self.here)
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise
        self._move(there)
        return True

    def go_up(self) -> None:
        """Leave the last level, which is finished. Raises ``EAGAIN`` if its folder was moved meanwhile."""
        self.levels.pop()
        if self.levels:
            self._move(os.open("..", FOLDER, dir_fd=self.here))
            if _identity(os.fstat(self.here)) != self.levels[-1].identity:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _move(self, there: int) -> None:
        os.close(self.here)
        self.here = there

    def close(self) -> None:
        for level in self.levels:
            self._end(level)
        os.close(self.here)


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino
