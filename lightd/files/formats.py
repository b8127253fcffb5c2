"""How the format of an archive is recognised: by its contents, not by its name.

``tar.xz`` and single compressed files can only be unpacked. A compressed file is a tar if its contents begin
with the header of one.
"""

import io
import os
import tarfile
import zipfile
from typing import IO, Final, Literal

import attrs

from lightd.files import archives, errors
from lightd.files.compression import DAMAGED, Compression, open_stream

BLOCK: Final = 512  # bytes of a tar's header
LOOKED_INTO: Final = 64 * 1024  # bytes of a compressed archive in which its first two blocks must be

_ZIPS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # the second one is empty, the third one split
_COMPRESSIONS: Final[dict[bytes, Compression]] = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
}
_UNSUPPORTED: Final = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x1f\x9d": "compress (.Z)",
    b"\x04\x22\x4d\x18": "LZ4",
    b"LZIP": "lzip",
    b"\x89LZO\0": "lzop",
    b"\x5d\0\0": "LZMA",
    b"MSCF": "CAB",
    b"xar!": "XAR",
    b"!<arch>\n": "ar (.a, .deb)",
    b"0707": "cpio",
}


@attrs.frozen
class Format:
    """A zip, or a tar or a single file with a compression."""

    container: Literal["zip", "tar", "file"]
    compression: Compression = ""


def find_format(file: IO[bytes], name: str) -> Format:
    """The format of the archive ``file``, which is called ``name``; its position is the beginning afterwards.

    Unknown contents are taken for a tar. Raises ``InvalidArchive`` for a format that is known and not
    supported, and an error of ``DAMAGED`` or ``OSError`` if a compressed file has no beginning.
    """
    beginning = os.pread(file.fileno(), BLOCK, 0)
    if beginning.startswith(_ZIPS):
        return Format("zip")
    compression = _find_compression(beginning)
    if compression:
        with open_stream(file, compression, "rb") as stream:
            beginning = stream.read(BLOCK)
        file.seek(0)
        is_tar = has_tar_header(beginning) or (beginning == bytes(BLOCK) and _is_named_tar(name))
        return Format("tar" if is_tar else "file", compression)
    if not has_tar_header(beginning):
        for first, unsupported in _UNSUPPORTED.items():
            if beginning.startswith(first):
                raise errors.InvalidArchive(
                    f'"{name}" is in the format {unsupported}; supported are {archives.readable()}'
                )
        is_zip = zipfile.is_zipfile(file)  # one that extracts itself begins with a program
        file.seek(0)
        if is_zip:
            return Format("zip")
    return Format("tar")


def _find_compression(beginning: bytes) -> Compression:
    return next((each for first, each in _COMPRESSIONS.items() if beginning.startswith(first)), "")


def has_tar_header(block: bytes) -> bool:
    """Whether ``block`` is the header of a tar's entry: its checksum is correct."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


def _is_named_tar(name: str) -> bool:
    *_, before, last = ("", *name.lower().split("."))
    return before == "tar" or last in ("tgz", "tbz", "tbz2", "txz", "tzst")


def to_single_name(name: str) -> str:
    """The name of the file in the compressed file ``name``, as the programs for single files choose it."""
    bare, _, ending = name.rpartition(".")
    return bare if bare and ending.lower() in ("gz", "bz2", "xz", "zst") else f"{name}.out"


def is_of_volume(file: int) -> bool:
    """Whether the regular file ``file`` is an archive of a whole volume that lightd created."""
    beginning = os.pread(file, 2 * BLOCK, 0)
    if beginning.startswith(_ZIPS):
        end = b"%c\0%b" % (len(archives.MARK_OF_VOLUME), archives.MARK_OF_VOLUME.encode())
        return os.pread(file, len(end), max(os.fstat(file).st_size - len(end), 0)) == end
    if compression := _find_compression(beginning):
        try:
            # No more of it is read: any number of empty pieces may come before the first byte.
            with open_stream(io.BytesIO(os.pread(file, LOOKED_INTO, 0)), compression, "rb") as stream:
                beginning = stream.read(2 * BLOCK)
        except (OSError, MemoryError, errors.InvalidArchive):
            return False
        except DAMAGED:
            return False
    return (
        has_tar_header(beginning[:BLOCK])
        and f"comment={archives.MARK_OF_VOLUME}\n".encode() in beginning[BLOCK:]
    )
