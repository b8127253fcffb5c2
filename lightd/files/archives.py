"""The formats of archives, and the limits of unpacking.

Formats are recognised by the first bytes of an archive, not by its name. ``tar.zst`` needs
``compression.zstd`` (Python 3.14) or its backport; without them it is not in ``kinds()``.
"""

from contextlib import suppress
from importlib.util import find_spec
from typing import Final, Literal

import attrs

Kind = Literal["zip", "tar", "tar.gz", "tar.bz2", "tar.zst"]

_BEGINNINGS: Final[dict[bytes, Kind]] = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty archive
    b"\x1f\x8b": "tar.gz",
    b"BZh": "tar.bz2",
    b"\x28\xb5\x2f\xfd": "tar.zst",
}


def _find_zstd() -> str | None:
    """The name of the module for zstd, None if there is none."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ModuleNotFoundError):  # its package is not there
            if find_spec(name):
                return name
    return None


ZSTD: Final = _find_zstd()


@attrs.frozen
class Ceilings:
    """The limits of unpacking; ``ratio`` is relative to the archive's size, above ``ratio_from``."""

    entries: int = 200_000
    bytes: int = 256 << 30
    ratio: int = 200
    ratio_from: int = 64 << 20
    depth: int = 64


CEILINGS: Final = Ceilings()


def kinds() -> tuple[Kind, ...]:
    """The formats that can be written and read with this Python."""
    some: tuple[Kind, ...] = ("zip", "tar", "tar.gz", "tar.bz2")
    return (*some, "tar.zst") if ZSTD else some


def to_kind(beginning: bytes) -> Kind:
    """The format of an archive with these first bytes; unknown ones are taken for a tar."""
    return next((kind for first, kind in _BEGINNINGS.items() if beginning.startswith(first)), "tar")
