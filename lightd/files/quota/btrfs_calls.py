"""The btrfs calls for quotas (linux/btrfs.h, linux/btrfs_tree.h). All of them raise ``OSError``."""

import fcntl
import os
import struct
import uuid
from enum import IntEnum
from typing import Final

_MAGIC: Final = 0x94
_WRITE, _READ = 1, 2

FIRST_INODE: Final = 256
"""The inode of the top folder of every subvolume, and of no other file (BTRFS_FIRST_FREE_OBJECTID)."""

_CLEARED = 2**64 - 1  # removes a limit
_MAX_REFERENCED = 1


class Accounting(IntEnum):
    """How the kernel counts: classic (by backreferences), or simple (for the first writer; Linux 6.7)."""

    CLASSIC = 1
    SIMPLE = 4


def _call(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | _MAGIC << 8 | number


_RESIZE = _call(_WRITE, 3, 4096)
_SYNC = _call(0, 8, 0)
_SUBVOL_CREATE = _call(_WRITE, 14, 4096)
_INO_LOOKUP = _call(_READ | _WRITE, 18, 4096)
_FS_INFO = _call(_READ, 31, 1024)
_QUOTA_CTL = _call(_READ | _WRITE, 40, 16)
_QGROUP_ASSIGN = _call(_WRITE, 41, 24)
_QGROUP_CREATE = _call(_WRITE, 42, 16)
_QGROUP_LIMIT = _call(_READ, 43, 48)


def _named(folder: int, request: int, name: bytes) -> None:
    fcntl.ioctl(folder, request, bytearray(struct.pack("=q4088s", 0, name)))


def filesystem_of(folder: int) -> uuid.UUID:
    """The id of the file system; raises ``ENOTTY`` if it is not btrfs."""
    buffer = bytearray(1024)
    fcntl.ioctl(folder, _FS_INFO, buffer)
    return uuid.UUID(bytes=bytes(buffer[16:32]))


def create_subvolume(folder: int, name: str) -> None:
    _named(folder, _SUBVOL_CREATE, os.fsencode(name))


def fill_device(folder: int) -> None:
    """Enlarge the file system to the size of its device."""
    _named(folder, _RESIZE, b"max")


def tree_of(folder: int) -> int:
    """The number of the subvolume that contains ``folder``."""
    buffer = bytearray(struct.pack("=QQ4080x", 0, FIRST_INODE))
    fcntl.ioctl(folder, _INO_LOOKUP, buffer)
    tree: int = struct.unpack_from("=Q", buffer)[0]
    return tree


def sync(folder: int) -> None:
    """Write everything to the disk, so that it is counted."""
    fcntl.ioctl(folder, _SYNC)


def enable_quota(folder: int, accounting: Accounting) -> None:
    fcntl.ioctl(folder, _QUOTA_CTL, bytearray(struct.pack("=QQ", accounting, 0)))


def create_group(folder: int, group: int) -> None:
    fcntl.ioctl(folder, _QGROUP_CREATE, bytearray(struct.pack("=QQ", 1, group)))


def remove_group(folder: int, group: int) -> None:
    """Remove the group; raises ``EBUSY`` if it has members."""
    fcntl.ioctl(folder, _QGROUP_CREATE, bytearray(struct.pack("=QQ", 0, group)))


def assign(folder: int, tree: int, group: int) -> None:
    """Count the subvolume ``tree`` in ``group`` too; raises ``EEXIST`` if it is a member already."""
    fcntl.ioctl(folder, _QGROUP_ASSIGN, bytearray(struct.pack("=QQQ", 1, tree, group)))


def limit(folder: int, group: int, ceiling: int | None) -> None:
    """Limit the group to ``ceiling`` bytes; None removes the limit."""
    most = _CLEARED if ceiling is None else ceiling
    fcntl.ioctl(
        folder, _QGROUP_LIMIT, bytearray(struct.pack("=QQQQQQ", group, _MAX_REFERENCED, most, 0, 0, 0))
    )
