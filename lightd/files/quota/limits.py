"""The limits of a volume: bytes, and entries (files, folders, links: every name counts).

A name uses resources of the host that no size includes: an inode, and its place in a folder. So each volume
also has a maximum number of entries, as many file systems have: one for each ``BYTES_AN_ENTRY`` of its size.
"""

from typing import Final

import attrs

from lightd.files.charging import Amount
from lightd.files.quota.kind import MEGABYTE

BYTES_AN_ENTRY: Final = 16 * 1024
"""The default of mkfs.ext4(8), so that volumes do not use up the host's inodes before its bytes."""

FEWEST: Final = 20_000
"""The entries that every volume can have: a small program with its packages has about as many."""

UNSIZED: Final = 2_000_000
"""The entries of a volume without a size: more than the largest known servers have."""


@attrs.frozen
class Limit:
    """What a volume can contain, as far as lightd enforces it; ``bytes`` is None if it does not."""

    bytes: int | None
    entries: int

    def has_room(self, amount: Amount) -> bool:
        return self.has_bytes(amount) and amount.entries <= self.entries

    def has_bytes(self, amount: Amount) -> bool:
        return self.bytes is None or amount.bytes <= self.bytes


def entries_of(size_mb: int | None) -> int:
    """The number of entries that a volume of that size can have."""
    if size_mb is None:
        return UNSIZED
    return max(FEWEST, size_mb * MEGABYTE // BYTES_AN_ENTRY)


def far_of(entries: int) -> int:
    """A number that is far more than the allowed ``entries``."""
    return entries + max(entries // 2, FEWEST)


def most_of(limit: Limit) -> int:
    """The names after which a walk stops: enough to find that there are far too many."""
    return far_of(limit.entries) + 1


def to_entries(used: int, most: int) -> str:
    """How many entries are used, for people."""
    return f"{used} of {most} entries (files, folders and links) are used"
