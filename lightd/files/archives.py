"""The formats of archives, and how they are opened as streams.

Formats are recognised by the first bytes of an archive, not by its name. ``tar.zst`` needs
``compression.zstd`` (Python 3.14) or its backport; without them it is not in ``kinds()``.
"""

import bz2
import gzip
import importlib
import struct
import tarfile
import zipfile
import zlib
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import IO, Any, Final, Literal, cast

import attrs

Kind = Literal["zip", "tar", "tar.gz", "tar.bz2", "tar.zst"]

_BEGINNINGS: Final[dict[bytes, Kind]] = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty archive
    b"\x1f\x8b": "tar.gz",
    b"BZh": "tar.bz2",
    b"\x28\xb5\x2f\xfd": "tar.zst",
}


def _find_zstd() -> Any:  # noqa: ANN401 - one of two modules that no checker sees both of
    """The module for zstd, None if there is none."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ModuleNotFoundError):
            return importlib.import_module(name)
    return None


_zstd: Final = _find_zstd()

DAMAGED: Final[tuple[type[Exception], ...]] = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,  # also UnicodeError
    RuntimeError,  # zipfile: encrypted; NotImplementedError: an unsupported compression
    *([_zstd.ZstdError] if _zstd else []),
)
"""What reading a damaged archive raises, besides ``OSError``."""


@attrs.frozen
class Ceilings:
    """The limits of unpacking; ``ratio`` is relative to the archive's size, above ``ratio_from``."""

    entries: int = 200_000
    bytes: int = 256 << 30
    ratio: int = 200
    ratio_from: int = 64 << 20
    depth: int = 64


def kinds() -> tuple[Kind, ...]:
    """The formats that can be written and read with this Python."""
    some: tuple[Kind, ...] = ("zip", "tar", "tar.gz", "tar.bz2")
    return (*some, "tar.zst") if _zstd else some


def to_kind(beginning: bytes) -> Kind:
    """The format of an archive with these first bytes; unknown ones are taken for a tar."""
    return next((kind for first, kind in _BEGINNINGS.items() if beginning.startswith(first)), "tar")


def open_tar_stream(
    file: IO[bytes], kind: Kind, mode: Literal["rb", "wb"]
) -> AbstractContextManager[IO[bytes]]:
    """``file`` with the compression of ``kind`` removed or added; ``file`` itself stays open."""
    match kind:
        case "tar.gz":
            return cast(
                AbstractContextManager[IO[bytes]], gzip.GzipFile(fileobj=file, mode=mode, compresslevel=6)
            )
        case "tar.bz2":
            return cast(AbstractContextManager[IO[bytes]], bz2.BZ2File(file, mode))
        case "tar.zst":
            return cast(AbstractContextManager[IO[bytes]], _zstd.ZstdFile(file, mode))
        case _:
            return nullcontext(file)
