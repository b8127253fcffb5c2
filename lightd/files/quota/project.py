"""Project quotas of ext4 and xfs: a volume is a folder with its own project, which has the limit.

Files in the folder inherit its project. But the owner of a file can remove it from its project
(ioctl_fsgetxattr(2), in the initial user namespace, where Docker's containers are): so ``enforced`` is
false, and the watch walks through the volume. It needs Linux 5.14 (quotactl_fd(2)) and a file system mounted
with ``prjquota``.

A project is a number that no other folder next to it has; nothing else is stored.
"""

import ctypes
import fcntl
import os
import struct
import threading
from typing import Final

import attrs

from lightd.files.deleting import Pace
from lightd.files.jail import FOLDER, FOLDER_MODE, held
from lightd.files.quota.kind import MEGABYTE, Unsupported
from lightd.files.quota.limits import entries_of

FIRST: Final = 0x6C640000
"""The first number that lightd uses; administrators usually count from 1."""

_ATTRIBUTES = struct.Struct("=IIIII8x")  # struct fsxattr: flags, extent size, extents, project, copy size
_GET_ATTRIBUTES = 0x801C581F
_SET_ATTRIBUTES = 0x401C5820
_INHERIT = 0x200

# struct if_dqblk: for bytes (limits in KiB) and for inodes the hard limit, the soft limit and the usage; …
_QUOTA = struct.Struct("=QQQQQQQQI4x")
_QUOTACTL_FD = 443  # the same number everywhere
_PROJECTS = 2
_GET_QUOTA = 0x800007 << 8 | _PROJECTS
_SET_QUOTA = 0x800008 << 8 | _PROJECTS
_LIMITS = 1 | 4  # QIF_BLIMITS, QIF_ILIMITS

_libc = ctypes.CDLL(None, use_errno=True)


@attrs.frozen
class Project:
    """See ``kind.Kind``; made by ``open_project``."""

    _root: str
    _numbering: threading.Lock = attrs.field(factory=threading.Lock)
    name: Final = "project"
    enforced: Final = False

    def make(self, path: str, size_mb: int | None) -> None:
        with self._numbering:
            project = self._free_number()
            os.mkdir(path, FOLDER_MODE)
            with held(os.open(path, FOLDER)) as folder:
                _set_limit(folder, project, size_mb)  # another volume may have had the number before
                flags, extent, extents, _, copy = _attributes(folder)
                wanted = _ATTRIBUTES.pack(flags | _INHERIT, extent, extents, project, copy)
                fcntl.ioctl(folder, _SET_ATTRIBUTES, wanted)

    def holds(self, path: str) -> bool:
        return _project_of(path) >= FIRST

    def limit(self, path: str, size_mb: int | None) -> None:
        with held(os.open(path, FOLDER)) as folder:
            _set_limit(folder, _attributes(folder)[3], size_mb)

    def usage(self, path: str, _pace: Pace) -> int:
        with held(os.open(path, FOLDER)) as folder:
            return _used(folder, _attributes(folder)[3])

    def settle(self, _path: str) -> None:
        """Nothing to do: the usage is exact at once on ext4, and soon on xfs."""

    def forget(self) -> None:
        """Nothing to do: a number's limit is set before the number is used again."""

    def _free_number(self) -> int:
        with os.scandir(self._root) as entries:
            taken = {_project_of(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)}
        number = FIRST
        while number in taken:
            number += 1
        return number


def open_project(root: str) -> Project:
    """The kind for volumes in ``root``; raises ``Unsupported``."""
    with held(os.open(root, FOLDER)) as folder:
        try:
            _attributes(folder)
            _used(folder, FIRST)
        except OSError as error:
            raise Unsupported(
                f"the file system or the kernel does not support it: {error.strerror}"
            ) from None
    return Project(root)


def _attributes(folder: int) -> tuple[int, int, int, int, int]:
    buffer = bytearray(_ATTRIBUTES.size)
    fcntl.ioctl(folder, _GET_ATTRIBUTES, buffer)
    flags, extent, extents, project, copy = _ATTRIBUTES.unpack(buffer)
    return flags, extent, extents, project, copy


def _project_of(path: str) -> int:
    with held(os.open(path, FOLDER)) as folder:
        return _attributes(folder)[3]


def _used(folder: int, project: int) -> int:
    buffer = ctypes.create_string_buffer(_QUOTA.size)
    try:
        _quotactl(folder, _GET_QUOTA, project, buffer)
    except FileNotFoundError:  # xfs has no project before its first file
        return 0
    used: int = _QUOTA.unpack(buffer.raw)[2]
    return used


def _set_limit(folder: int, project: int, size_mb: int | None) -> None:
    wanted = to_quota(size_mb)
    _quotactl(folder, _SET_QUOTA, project, ctypes.create_string_buffer(wanted, _QUOTA.size))


def to_quota(size_mb: int | None) -> bytes:
    """The limits in the kernel's format: bytes (0 means none) and entries, as inodes."""
    kibibytes = 0 if size_mb is None else size_mb * MEGABYTE // 1024
    inodes = entries_of(size_mb)
    return _QUOTA.pack(kibibytes, kibibytes, 0, inodes, inodes, 0, 0, 0, _LIMITS)


def _quotactl(folder: int, command: int, project: int, block: "ctypes.Array[ctypes.c_char]") -> None:
    if _libc.syscall(_QUOTACTL_FD, folder, command, project, block) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
