"""How much a volume holds, and which of its files have names outside of it.

A tenant can't make a hard link across the border of his volume: it is a mount of its own to him. An operator
can, and a volume may hold thousands of honest ones (package stores, local git clones). So a file of several
names is a tenant's only if all of them are in his volume. Finding out costs a walk, made at the first such
file that an operation meets. It is a guard against a link left behind, not against one made meanwhile.
"""

import os
import stat
from collections import Counter
from contextlib import closing

import attrs

from lightd.files import errors
from lightd.files.deleting import Pace
from lightd.files.jail import Jail, explained
from lightd.files.paths import ROOT, RelativePath
from lightd.files.walking import walk


@attrs.frozen
class Usage:
    """What a volume holds: ``bytes`` on the disk, as du(1) counts them, in ``files`` of every kind."""

    bytes: int
    files: int


def measure(jail: Jail, pace: Pace = lambda _: None) -> Usage:
    """What all of the jail uses, each inode counted once. ``NotAllowed`` where it moves meanwhile.

    ``pace`` is called at every name; what it raises ends the walk.
    """
    seen: set[tuple[int, int]] = set()
    blocks = files = 0
    with explained(ROOT), closing(walk(jail.root)) as mets:
        for met in mets:
            pace(0)
            state = met.state
            if state.st_nlink > 1 and not stat.S_ISDIR(state.st_mode):
                if (state.st_dev, state.st_ino) in seen:
                    continue
                seen.add((state.st_dev, state.st_ino))
            blocks += state.st_blocks
            files += 1
    return Usage(blocks * 512, files)


@attrs.define(eq=False)
class Links:
    """The names that the files of a jail have in it, counted when first asked for."""

    _jail: Jail
    _names: Counter[tuple[int, int]] | None = None

    def check(self, state: os.stat_result, path: RelativePath) -> None:
        """Raise ``NotAllowed`` where the file of ``state`` has a name outside of the jail."""
        if self.lead_out(state):
            raise errors.NotAllowed(f'"{path}" is a hard link that leads out of the volume')

    def lead_out(self, state: os.stat_result) -> bool:
        if stat.S_ISDIR(state.st_mode) or state.st_nlink == 1:
            return False
        if self._names is None:
            self._names = Counter(
                (met.state.st_dev, met.state.st_ino)
                for met in walk(self._jail.root)
                if met.state.st_nlink > 1 and not stat.S_ISDIR(met.state.st_mode)
            )
        return self._names[state.st_dev, state.st_ino] < state.st_nlink
