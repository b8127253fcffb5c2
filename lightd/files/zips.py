r"""Entries of zips: names, types, permissions and times, as the program meant them that created the zip.

- **Names** are bytes. A flag says that they are UTF-8. Without it they should be in code page 437; some
  programs add the name in UTF-8 (field 0x7075), and macOS and Debian's ``zip`` write UTF-8 without saying so.
  Python's ``zipfile`` differs between versions here, so that only its undecoded names are used.
- **``\``** separates names in a zip that was not made on Unix or macOS, and is a character otherwise.
- **Types** come from Unix modes, or from a ``/`` at the end and the attribute of DOS for folders.
- **Times** are those of DOS: local, in steps of two seconds. Fields have them in UTC: lightd's own in
  nanoseconds, 0x000a in steps of 100 ns, 0x5455 and 0x5855 in seconds.
"""

import os
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Final

from lightd.files.paths import RelativePath

_UNIX: Final = (3, 19)  # the systems whose modes have a meaning: Unix, macOS
_UTF8: Final = 0x800
ENCRYPTED: Final = 0x1
_DOS_FOLDER: Final = 0x10
_UNIX_EXTENSION: Final = 0x8000  # 7-Zip's attribute: the upper half is a Unix mode, whatever the system
_UNICODE_PATH: Final = 0x7075
_EXTENDED_TIME: Final = 0x5455
_INFOZIP_UNIX: Final = 0x5855
_NTFS: Final = 0x000A
_LIGHTD: Final = 0x444C
_NTFS_EPOCH: Final = 116_444_736_000_000_000  # 1601 to 1970, in steps of 100 ns
_YEARS: Final = (315_619_200, 4_354_732_800)  # Unix seconds: the years of DOS, 1980 to 2107

METHODS: Final = {9: "Deflate64", 14: "LZMA", 93: "zstd", 95: "xz", 97: "WavPack", 98: "PPMd", 99: "AES"}


def raw_name(info: zipfile.ZipInfo) -> bytes:
    """The name as it is in the zip."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")


def name_of(info: zipfile.ZipInfo) -> str:
    """The name, with ``/`` between its parts; bytes without a meaning are ``surrogateescape``."""
    raw = raw_name(info)
    name = _named_elsewhere(info, raw) if not info.flag_bits & _UTF8 else info.orig_filename
    if name is None:
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            name = info.orig_filename
    return name if _is_from_unix(info) else name.replace("\\", "/")


def own_name_of(info: zipfile.ZipInfo) -> str:
    """The name in a zip that lightd created: the bytes of the file's name."""
    return os.fsdecode(raw_name(info))


def _named_elsewhere(info: zipfile.ZipInfo, raw: bytes) -> str | None:
    """The name in field 0x7075, which is only valid for the name that it has the checksum of."""
    data = _fields(info).get(_UNICODE_PATH, b"")
    start = struct.pack("<BL", 1, zlib.crc32(raw))
    if data.startswith(start):
        with suppress(UnicodeDecodeError):
            return data[len(start) :].decode() or None
    return None


def mode_of(info: zipfile.ZipInfo) -> int:
    """The Unix mode of the entry, with its type; 0 if it has none."""
    return info.external_attr >> 16 if _is_from_unix(info) else 0


def _is_from_unix(info: zipfile.ZipInfo) -> bool:
    return info.create_system in _UNIX or info.external_attr & _UNIX_EXTENSION != 0


def is_folder(info: zipfile.ZipInfo, name: str) -> bool:
    kind = stat.S_IFMT(mode_of(info))
    if name.endswith("/") or kind == stat.S_IFDIR:
        return True
    return kind == 0 and info.external_attr & _DOS_FOLDER != 0 and info.file_size == 0


def modified_at(info: zipfile.ZipInfo) -> int | None:
    """The time of the last modification in nanoseconds, None if it is no valid time."""
    fields = _fields(info)
    with suppress(struct.error):
        if (data := fields.get(_LIGHTD)) is not None:
            return int(struct.unpack("<q", data)[0])
        if (data := fields.get(_EXTENDED_TIME)) is not None and data[:1] and data[0] & 1:
            return int(struct.unpack_from("<l", data, 1)[0]) * 10**9
        if (data := fields.get(_NTFS)) is not None and data[4:8] == b"\1\0\x18\0":
            return (int(struct.unpack_from("<Q", data, 8)[0]) - _NTFS_EPOCH) * 100
        if (data := fields.get(_INFOZIP_UNIX)) is not None:
            return int(struct.unpack_from("<l", data, 4)[0]) * 10**9
    with suppress(ValueError, OverflowError):  # a thirteenth month, or 31 February
        return int(datetime(*info.date_time).astimezone().timestamp()) * 10**9
    return None


def _fields(info: zipfile.ZipInfo) -> dict[int, bytes]:
    return dict(_read_fields(info.extra))


def _read_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    head = struct.Struct("<HH")
    while len(extra) >= head.size:
        number, size = head.unpack_from(extra)
        end = head.size + size
        yield number, extra[head.size : end]
        extra = extra[end:]


class OwnInfo(zipfile.ZipInfo):
    """An entry whose name is any bytes, which are marked as UTF-8 if they are."""

    __slots__ = ()

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - overrides zipfile's
        raw = os.fsencode(self.filename)
        try:
            raw.decode()
        except UnicodeDecodeError:
            return raw, self.flag_bits
        return raw, self.flag_bits | (0 if raw.isascii() else _UTF8)


def make_info(path: RelativePath, state: os.stat_result) -> OwnInfo:
    """The entry for a file with ``state``."""
    name = "/".join(path.parts)
    info = OwnInfo(f"{name}/" if stat.S_ISDIR(state.st_mode) else name)
    info.date_time = time.localtime(min(max(state.st_mtime, _YEARS[0]), _YEARS[1]))[:6]
    info.create_system = _UNIX[0]
    info.external_attr = (stat.S_IFMT(state.st_mode) | stat.S_IMODE(state.st_mode) & 0o777) << 16
    if stat.S_ISDIR(state.st_mode):
        info.external_attr |= _DOS_FOLDER
    info.extra = struct.pack("<HHq", _LIGHTD, 8, state.st_mtime_ns)
    seconds = state.st_mtime_ns // 10**9
    if -(1 << 31) <= seconds < 1 << 31:
        info.extra += struct.pack("<HHBl", _EXTENDED_TIME, 5, 1, seconds)
    return info
