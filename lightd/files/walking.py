"""Walks everything below a folder, with limited memory for any number of names and any depth.

One descriptor is open, and one more for each level that has more than ``NAMES`` folders: the rest of such a
level is read when the walk comes back to it. Going down opens one name with ``O_NOFOLLOW``; going up opens
``..`` and compares the result with the folder that the walk came through. If a parent folder was moved
meanwhile, the walk ends with ``EAGAIN``.
"""

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import islice
from typing import Final

import attrs

from lightd.files import errors
from lightd.files.jail import FOLDER, Jail
from lightd.files.paths import LONGEST_PATH

NAMES: Final = 10_000
"""Names of one folder that are in memory at a time, about a megabyte of them."""

NAMES_CHECKED: Final = 100_000
"""Names that are compared with a deny list while other writers of the volume wait, in about half a second."""

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


def walk(top: int, trail: list[str] | None = None) -> Generator[Met, None, None]:
    """Every name below the folder ``top``, a folder before its contents; names that vanish are left out.

    ``trail``, if given, has the names of the folders between ``top`` and each name that is met. It holds
    descriptors: close it (``contextlib.closing``) if it may not be exhausted.
    """
    with closing(_Walk(os.open(".", FOLDER, dir_fd=top), [] if trail is None else trail)) as walking:
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


def check_below(
    jail: Jail, top: int, *places: tuple[str, ...], pace: Callable[[int], None] | None = None
) -> None:
    """Raise ``Denied`` if anything below the folder ``top`` is denied with ``top`` at one of ``places``.

    Without a ``pace`` it is one step, and raises ``NotAllowed`` for more than ``NAMES_CHECKED`` names.
    Raises ``TooDeep`` for a path that is too long for a client to name it.
    """
    if not jail.denied:
        return
    trail: list[str] = []
    checked = 0
    with closing(walk(top, trail)) as mets:
        for met in mets:
            checked += 1
            if pace is not None:
                pace(0)
            elif checked > NAMES_CHECKED:
                raise errors.NotAllowed(
                    f"The folder has more than {NAMES_CHECKED} files, too many to compare with the deny"
                    " list of the server: rename its folders one by one"
                )
            below = (*trail, met.name)
            if sum(map(len, below)) + len(below) > LONGEST_PATH:
                raise errors.TooDeep(f"A path has more than {LONGEST_PATH} characters")
            for place in places:
                jail.denied.check((*place, *below), folder=stat.S_ISDIR(met.state.st_mode))


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
    trail: list[str]
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
        self.trail.append(name)
        return True

    def go_up(self) -> None:
        """Leave the last level, which is finished. Raises ``EAGAIN`` if its folder was moved meanwhile."""
        self.levels.pop()
        if self.levels:
            self._move(os.open("..", FOLDER, dir_fd=self.here))
            self.trail.pop()
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
