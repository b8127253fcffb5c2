"""How much and how many a volume may hold: bytes, and entries (files, folders, links: every name counts).

A name takes room of the host's that no size counts: an inode, and its place in a folder. So each volume has a
bound on its entries as well, as many filesystems have: one for each ``BYTES_AN_ENTRY`` of its size.
"""

from typing import Final

import attrs

from lightd.files.charging import Amount
from lightd.files.quota.kind import MEGABYTE

BYTES_AN_ENTRY: Final = 16 * 1024
"""What mkfs.ext4(8) takes by default: so volumes use up the host's inodes no sooner than its bytes."""

FEWEST: Final = 20_000
"""Entries that every volume may have: a small program with its packages has as many."""

UNSIZED: Final = 2_000_000
"""Entries of a volume without a size: more than the largest known servers have, and a walk of seconds."""


@attrs.frozen
class Limit:
    """What a volume may hold as far as lightd has to see to it; ``bytes`` is None where it hasn't."""

    bytes: int | None
    entries: int

    def has_room(self, amount: Amount) -> bool:
        return self.has_bytes(amount) and amount.entries <= self.entries

    def has_bytes(self, amount: Amount) -> bool:
        return self.bytes is None or amount.bytes <= self.bytes


def entries_of(size_mb: int | None) -> int:
    """The entries that a volume of that size may have."""
    if size_mb is None:
        return UNSIZED
    return max(FEWEST, size_mb * MEGABYTE // BYTES_AN_ENTRY)


def far_of(entries: int) -> int:
    """So many are far more than the ``entries`` that are allowed."""
    return entries + max(entries // 2, FEWEST)


def most_of(limit: Limit) -> int:
    """The names that a walk counts at most: enough to see that there are far too many."""
    return far_of(limit.entries) + 1


def to_entries(used: int, most: int) -> str:
    """How many entries are used, as a person reads it."""
    return f"{used} of {most} entries (files, folders and links) are used"
