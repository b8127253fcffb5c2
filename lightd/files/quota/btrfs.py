"""Quotas of btrfs: a volume is a subvolume, and a quota group above it has the limit.

The limit is on the group above, not on the subvolume's own group, because a user who can write in a folder
can create subvolumes in it. With simple quotas (Linux 6.7) the kernel adds those to the groups of the
enclosing subvolume, and the limit applies to them too. With classic quotas they are not counted: then the
kernel's limit is only an additional measure, ``enforced`` is false, and the watch walks through the volume.

The groups have a level of their own (``LEVEL``/<number of the subvolume>), so that no other groups are
changed. Their usage is read from sysfs, which is up to date; the tree on the disk is one commit behind.
"""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from lightd.files.deleting import Pace
from lightd.files.jail import FOLDER, FOLDER_MODE, held
from lightd.files.quota import btrfs_calls as calls
from lightd.files.quota.btrfs_calls import Accounting
from lightd.files.quota.kind import MEGABYTE, Unsupported

LEVEL: Final = 0x6C64
_SYSFS: Final = Path("/sys/fs/btrfs")
_COUNTED: Final = ("referenced", "rsv_data", "rsv_meta_pertrans", "rsv_meta_prealloc")


@attrs.frozen
class Btrfs:
    """See ``kind.Kind``; made by ``open_btrfs``. ``_groups`` is their folder in sysfs."""

    _root: str
    _groups: Path
    enforced: bool
    _grouping: threading.Lock = attrs.field(factory=threading.Lock)
    name: Final = "btrfs"

    def make(self, path: str, size_mb: int | None) -> None:
        above, name = os.path.split(path)
        with _folder(above) as folder:
            calls.create_subvolume(folder, name)
        self.limit(path, size_mb)
        os.chmod(path, FOLDER_MODE)

    def holds(self, path: str) -> bool:
        state = os.lstat(path)
        return stat.S_ISDIR(state.st_mode) and state.st_ino == calls.FIRST_INODE

    def limit(self, path: str, size_mb: int | None) -> None:
        # The lock keeps ``forget`` from removing a group that has no member yet. Calls fail on a full volume.
        with self._grouping, _folder(path) as folder, _folder(self._root) as root:
            tree = calls.tree_of(folder)
            group = _group_of(tree)
            with suppress(FileExistsError):
                calls.create_group(root, group)
            with suppress(FileExistsError):
                calls.assign(root, tree, group)
            calls.limit(root, group, None if size_mb is None else size_mb * MEGABYTE)

    def usage(self, path: str, _pace: Pace) -> int:
        with _folder(path) as folder:
            tree = calls.tree_of(folder)
        counted = self._groups / f"{LEVEL}_{tree}"
        return sum(int((counted / name).read_text()) for name in _COUNTED)

    def settle(self, path: str) -> None:
        with _folder(path) as folder:
            calls.sync(folder)

    def forget(self) -> None:
        with self._grouping, _folder(self._root) as root:
            for shown in self._groups.glob(f"{LEVEL}_*"):
                group = _group_of(int(shown.name.partition("_")[2]))
                with suppress(OSError):  # a group of a volume, of this or another daemon
                    calls.remove_group(root, group)


def open_btrfs(root: str, *, enable: bool) -> Btrfs:
    """The kind for volumes in ``root``; with ``enable``, quotas are enabled if they are not.

    Quotas slow down the whole file system, so on an existing one the operator decides about them. Raises
    ``Unsupported``.
    """
    with _folder(root) as folder:
        try:
            groups = _SYSFS / str(calls.filesystem_of(folder)) / "qgroups"
        except OSError:
            raise Unsupported("storage.volumes_path is not on btrfs") from None
        if not groups.is_dir() and enable:
            _enable(folder)
    if not groups.is_dir():
        raise Unsupported("quotas are not enabled on that btrfs; run: btrfs quota enable --simple")
    mode = groups / "mode"
    simple = mode.exists() and mode.read_text().strip() == "squota"
    return Btrfs(root, groups, enforced=simple)


def _enable(folder: int) -> None:
    for accounting in (Accounting.SIMPLE, Accounting.CLASSIC):
        try:
            calls.enable_quota(folder, accounting)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP):
                raise Unsupported(f"quotas cannot be enabled on that btrfs: {error.strerror}") from None
        else:
            return


def _group_of(tree: int) -> int:
    return LEVEL << 48 | tree


@contextmanager
def _folder(path: str) -> Iterator[int]:
    with held(os.open(path, FOLDER)) as folder:
        yield folder
