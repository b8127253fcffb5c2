"""The kinds of archives, and how they are opened as streams.

Kinds are told by what an archive begins with, not by its name. ``tar.zst`` needs ``compression.zstd`` (Python
3.14) or its backport; where neither is, it is not among ``kinds()``.
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
    b"PK\x05\x06": "zip",  # an empty one
    b"\x1f\x8b": "tar.gz",
    b"BZh": "tar.bz2",
    b"\x28\xb5\x2f\xfd": "tar.zst",
}


def _find_zstd() -> Any:  # noqa: ANN401 - one of two modules that no checker sees both of
    """The module that has zstd, None where there is none."""
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
    ValueError,  # of UnicodeError too
    RuntimeError,  # zipfile: encrypted; NotImplementedError: a compression it has not
    *([_zstd.ZstdError] if _zstd else []),
)
"""What reading a damaged archive raises, besides ``OSError``."""


@attrs.frozen
class Ceilings:
    """What an archive may at most unpack to; ``ratio`` is to its size, above ``ratio_from``."""

    entries: int = 200_000
    bytes: int = 256 << 30
    ratio: int = 200
    ratio_from: int = 64 << 20
    depth: int = 64


def kinds() -> tuple[Kind, ...]:
    """The kinds that can be made and read here."""
    some: tuple[Kind, ...] = ("zip", "tar", "tar.gz", "tar.bz2")
    return (*some, "tar.zst") if _zstd else some


def to_kind(beginning: bytes) -> Kind:
    """What an archive that begins so is; whatever begins like no other is taken for a tar."""
    return next((kind for first, kind in _BEGINNINGS.items() if beginning.startswith(first)), "tar")


def open_tar_stream(
    file: IO[bytes], kind: Kind, mode: Literal["rb", "wb"]
) -> AbstractContextManager[IO[bytes]]:
    """``file`` with the compression of ``kind`` taken off or put on; ``file`` itself stays open."""
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
