"""What a writer calls before it writes, so that no volume exceeds its limits meanwhile.

A writer calls the ``charge`` of its jail with the bytes and entries that it is about to add, at most about
``PIECE`` bytes at a time, and writes them after the call. If it raises ``NoSpace``, the operation ends and
removes its partial result. At the next call, what the previous one allowed counts as written.
"""

from collections.abc import Callable
from typing import Final

import attrs

PIECE: Final = 1 << 20
"""Bytes that are charged at a time: with more, writers would reserve room long before they use it."""

ENTRY: Final = 4096 + 512
"""Bytes charged for a file, folder or link, in addition to its contents.

The last block of a file counts as a whole (4096 bytes on all supported file systems), and so does the first
block of a folder. A name needs up to 264 bytes of its folder's blocks, which can be half empty (ext4).
"""

Charge = Callable[[int, int], None]


def free(_bytes: int, _entries: int) -> None:
    """No accounting."""


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
        """Whether neither value of ``other`` is larger than this one's."""
        return other.bytes <= self.bytes and other.entries <= self.entries


NOTHING: Final = Amount()
