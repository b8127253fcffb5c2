"""How archives are opened as streams, and what damaged ones raise.

Only the process that packs and unpacks imports this module; the daemon does not need the libraries.
"""

import bz2
import gzip
import importlib
import struct
import tarfile
import zipfile
import zlib
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any, Final, Literal, cast

from lightd.files.archives import ZSTD, Kind

_zstd: Final[Any] = importlib.import_module(ZSTD) if ZSTD else None

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
