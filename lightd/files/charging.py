"""What a writer asks before it writes, so that no volume grows past its limits while something is written.

A writer calls the ``charge`` of its jail with the bytes and entries that it is about to add, at most about
``PIECE`` bytes at a time, and writes them when the call returns. ``NoSpace`` from it ends the operation,
which takes away what it began. What an earlier call allowed counts as written at the next one.
"""

from collections.abc import Callable
from typing import Final

import attrs

PIECE: Final = 1 << 20
"""Bytes that are charged at a time: more would let concurrent writers hold room that they don't use yet."""

ENTRY: Final = 4096 + 512
"""Bytes charged for a file, folder or link, besides what is in it.

The last block of a file is counted whole (4096 on all filesystems that count here), and so is the first block
of a folder; a name takes up to 264 bytes of its folder's blocks, which may be half empty (ext4).
"""

Charge = Callable[[int, int], None]


def free(_bytes: int, _entries: int) -> None:
    """Nothing is accounted for here."""


@attrs.frozen
class Amount:
    """Bytes on the disk, and entries: files, folders and links, where every name counts."""

    bytes: int = 0
    entries: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.bytes + other.bytes, self.entries + other.entries)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.bytes - other.bytes, self.entries - other.entries)

    def holds(self, other: "Amount") -> bool:
        """Whether ``other`` is no more than this in either."""
        return other.bytes <= self.bytes and other.entries <= self.entries


NOTHING: Final = Amount()
