"""Measures a volume, and finds files that have names outside of it.

A tenant cannot create a hard link across the border of the volume, which is a separate mount in the
container. An operator can, and a volume can contain thousands of legitimate ones (package stores, local git
clones). So a file with several names belongs to the tenant only if all of them are in the volume. Checking
that needs a walk, which is done for the first such file of an operation. It protects against a link that was
left there, not against one that is created meanwhile. The memory of a walk is limited.
"""

import os
import stat
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from typing import Final

import attrs

from lightd.files import errors
from lightd.files.charging import Amount
from lightd.files.deleting import Pace
from lightd.files.jail import Jail, explained
from lightd.files.paths import ROOT, RelativePath
from lightd.files.walking import walk

REMEMBERED: Final = 100_000
"""The maximum number of files with several names that are told apart in one volume; about 150 bytes each."""

FIRST: Final = 8  # units of 512 bytes: the size of an empty folder


@attrs.frozen
class Usage:
    """What a volume contains: ``bytes`` on the disk, as du(1) counts them, in ``files`` of every type."""

    bytes: int
    files: int


def measure(jail: Jail, pace: Pace = lambda _: None) -> Usage:
    """Measure the whole jail, each inode once. Raises ``NotAllowed`` if folders are moved meanwhile.

    If more files have several names than can be remembered, each name counts as its share of the file.
    ``pace`` is called for every name; if it raises, the walk ends.
    """
    seen: set[int] = set()
    blocks = files = 0.0
    with explained(ROOT), closing(walk(jail.root)) as mets:
        for met in mets:
            pace(0)
            state = met.state
            part = _part_of(state, seen)
            blocks += state.st_blocks * part
            files += part
    return Usage(round(blocks) * 512, round(files))


def _part_of(state: os.stat_result, seen: set[int]) -> float:
    """How much of a file counts at this name: all of it at the first name, if names can be remembered."""
    if not _has_several_names(state):
        return 1
    if _to_key(state) in seen:
        return 0
    if len(seen) < REMEMBERED:
        seen.add(_to_key(state))
        return 1
    return 1 / state.st_nlink


def check_alone(jail: Jail, state: os.stat_result, path: RelativePath) -> None:
    """Like ``Links.check``, for a single file: nothing is remembered."""
    if not _has_several_names(state):
        return
    left = state.st_nlink
    with closing(walk(jail.root)) as mets:
        for met in mets:
            jail.pace(0)
            left -= os.path.samestat(met.state, state)
            if left <= 0:
                return
    raise _leads_out(path)


def _has_several_names(state: os.stat_result) -> bool:
    return state.st_nlink > 1 and not stat.S_ISDIR(state.st_mode)


def _to_key(state: os.stat_result) -> int:
    return state.st_dev << 64 | state.st_ino


def _leads_out(path: RelativePath) -> errors.NotAllowed:
    return errors.NotAllowed(f'"{path}" is a hard link to a file outside of the volume')


def survey(jail: Jail, most: int) -> Generator[None, None, Amount]:
    """Measure the whole jail: bytes as du(1) counts them, each inode once, and the number of names.

    It yields at every name and ends after ``most`` of them, because a tenant can create names faster than
    they are counted. Raises ``NotAllowed`` if folders are moved meanwhile.
    """
    seen: set[int] = set()
    blocks: float = max(os.fstat(jail.root).st_blocks - FIRST, 0)  # so that an empty volume has no usage
    entries = 0
    with explained(ROOT), closing(walk(jail.root)) as mets:
        for met in mets:
            yield
            entries += 1
            if entries >= most:
                break
            blocks += met.state.st_blocks * _part_of(met.state, seen)
    return Amount(round(blocks) * 512, entries)


@attrs.define(eq=False)
class Links:
    """The names of the jail's files in the jail, counted when they are first needed.

    Raises ``NotAllowed`` if more files have several names than can be remembered.
    """

    _jail: Jail
    _names: Counter[int] | None = None

    def check(self, state: os.stat_result, path: RelativePath) -> None:
        """Raise ``NotAllowed`` if the file with ``state`` has a name outside of the jail."""
        if self.lead_out(state):
            raise _leads_out(path)

    def lead_out(self, state: os.stat_result) -> bool:
        if not _has_several_names(state):
            return False
        if self._names is None:
            self._names = self._count()
        return self._names[_to_key(state)] < state.st_nlink

    def _count(self) -> Counter[int]:
        names: Counter[int] = Counter()
        with closing(walk(self._jail.root)) as mets:
            for met in mets:
                self._jail.pace(0)
                if _has_several_names(met.state):
                    names[_to_key(met.state)] += 1
                    if len(names) > REMEMBERED:
                        raise errors.NotAllowed(
                            f"The volume has more than {REMEMBERED} files with several names"
                        )
        return names
