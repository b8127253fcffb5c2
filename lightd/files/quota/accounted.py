"""Quotas by lightd's own accounting: volumes are ordinary folders, measured by walking through them.

A walk does not find files that were deleted but are still used: ``quotas`` adds them (``files.unlinked``).
"""

import os
from typing import Final

import attrs

from lightd.files.deleting import Pace
from lightd.files.jail import FOLDER_MODE, open_jail
from lightd.files.measuring import measure


@attrs.frozen
class Accounted:
    """See ``kind.Kind``. The limits are in the journal; nothing is stored on the disk."""

    name: Final = "accounted"
    enforced: Final = False

    def make(self, path: str, _size_mb: int | None) -> None:
        os.mkdir(path, FOLDER_MODE)

    def holds(self, path: str) -> bool:
        os.lstat(path)
        return True

    def limit(self, path: str, _size_mb: int | None) -> None:
        os.lstat(path)

    def usage(self, path: str, pace: Pace) -> int:
        with open_jail(path) as jail:
            return measure(jail, pace).bytes

    def settle(self, _path: str) -> None:
        return

    def forget(self) -> None:
        return
