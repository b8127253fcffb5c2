"""The formats of archives, the limits of unpacking, and the mark of lightd's own archives.

``tar.zst`` needs ``compression.zstd`` (Python 3.14) or its backport; without them it is not in ``kinds()``.

An archive that lightd creates has a mark: a comment, in the PAX global header of a tar or at the end of a
zip. It has other ceilings (``OWN``), because everything that was packed must come back; its names are the
bytes that they were, and its links can lead anywhere. Anyone can write this mark. What is written is
charged to the volume with it and without it, and the memory and CPU time of the process are limited.
"""

from contextlib import suppress
from importlib.util import find_spec
from typing import Final, Literal

import attrs

Kind = Literal["zip", "tar", "tar.gz", "tar.bz2", "tar.zst"]


def _find_zstd() -> str | None:
    """The name of the module for zstd, None if there is none."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ModuleNotFoundError):  # its package is not there
            if find_spec(name):
                return name
    return None


ZSTD: Final = _find_zstd()


ANY: Final = 1 << 62
"""No limit: more than a file system can have."""

LARGEST: Final = 1 << 44
"""Bytes of what lightd's own archive unpacks to, holes included: the largest file of ext4."""

DEPTH: Final = 256
"""Levels in lightd's own archives: two descriptors are open for each while folders are merged."""

MARK: Final = "lightd"
MARK_OF_VOLUME: Final = "lightd: everything in the volume"
"""The comments of lightd's own archives; the second one is for those that whole-volume archives leave out."""


@attrs.frozen
class Ceilings:
    """The limits of unpacking; ``ratio`` is relative to the archive's size, above ``ratio_from``."""

    entries: int = 200_000
    bytes: int = 256 << 30
    ratio: int = 200
    ratio_from: int = 64 << 20
    depth: int = 64


CEILINGS: Final = Ceilings()
OWN: Final = Ceilings(ANY, LARGEST, ANY, ANY, DEPTH)


def kinds() -> tuple[Kind, ...]:
    """The formats that can be written with this Python."""
    some: tuple[Kind, ...] = ("zip", "tar", "tar.gz", "tar.bz2")
    return (*some, "tar.zst") if ZSTD else some


def readable() -> str:
    """The formats that can be unpacked, for an error message."""
    return ", ".join((*kinds(), "tar.xz"))
