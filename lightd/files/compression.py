"""How archives are opened as streams, and what damaged ones raise.

Only the process that packs and unpacks imports this module; the daemon does not need the libraries.
"""

import bz2
import gzip
import importlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any, Final, Literal, cast

from lightd.files import errors
from lightd.files.archives import ZSTD

Compression = Literal["", "gz", "bz2", "xz", "zst"]

_zstd: Final[Any] = importlib.import_module(ZSTD) if ZSTD else None

DAMAGED: Final[tuple[type[Exception], ...]] = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,  # also UnicodeError
    RuntimeError,  # zipfile: encrypted; NotImplementedError: an unsupported compression
    *([_zstd.ZstdError] if _zstd else []),
)
"""What reading a damaged archive raises, besides ``OSError``."""


def open_stream(
    file: IO[bytes], compression: Compression, mode: Literal["rb", "wb"]
) -> AbstractContextManager[IO[bytes]]:
    """``file`` with ``compression`` removed or added; ``file`` itself stays open."""
    opened: Any
    match compression:
        case "gz":
            opened = gzip.GzipFile(fileobj=file, mode=mode, compresslevel=6)
        case "bz2":
            opened = bz2.BZ2File(file, mode)
        case "xz":
            opened = lzma.LZMAFile(file, mode)  # noqa: SIM115 - closed by the caller, like the others
        case "zst" if _zstd is None:
            raise errors.InvalidArchive("This node cannot unpack zst: it needs Python 3.14 or backports.zstd")
        case "zst":
            opened = _zstd.ZstdFile(file, mode)
        case "":
            opened = nullcontext(file)
    return cast(AbstractContextManager[IO[bytes]], opened)
