"""Quotas of btrfs: a volume is a subvolume, and a group of its own above it has the ceiling.

The group is above, and not the subvolume's own, because whoever may write in a folder may make subvolumes in
it. With simple accounting (Linux 6.7) the kernel puts those into the groups of the one they are in, and the
ceiling holds for them too. With the classic one they count nowhere: then the kernel's ceiling is no more than
a help, ``enforced`` is false, and the watch walks.

The groups are of a level of ours (``LEVEL``/<number of the subvolume>), so that none of anybody else's is
touched. What they hold is read from sysfs, which is up to date; the tree on the disk is behind by a commit.
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
    """See ``kind.Kind``; made by ``open_btrfs``. ``_groups`` is where sysfs shows them."""

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
        # The lock: a group that nothing belongs to yet is one to forget. A full volume takes no call either.
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
                with suppress(OSError):  # a volume's, ours or another daemon's
                    calls.remove_group(root, group)


def open_btrfs(root: str, *, enable: bool) -> Btrfs:
    """The kind for volumes in ``root``; where quotas aren't on there they are switched on with ``enable``.

    They cost something on the whole filesystem, so on one that is somebody's that is his to decide.
    Raises ``Unsupported``.
    """
    with _folder(root) as folder:
        try:
            groups = _SYSFS / str(calls.filesystem_of(folder)) / "qgroups"
        except OSError:
            raise Unsupported("it is not on btrfs") from None
        if not groups.is_dir() and enable:
            _enable(folder)
    if not groups.is_dir():
        raise Unsupported('quotas are not enabled on that btrfs ("btrfs quota enable --simple" does it)')
    mode = groups / "mode"
    simple = mode.exists() and mode.read_text().strip() == "squota"
    return Btrfs(root, groups, enforced=simple)


def _enable(folder: int) -> None:
    for accounting in (Accounting.SIMPLE, Accounting.CLASSIC):
        try:
            calls.enable_quota(folder, accounting)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP):
                raise Unsupported(f"quotas can't be enabled on that btrfs: {error.strerror}") from None
        else:
            return


def _group_of(tree: int) -> int:
    return LEVEL << 48 | tree


@contextmanager
def _folder(path: str) -> Iterator[int]:
    with held(os.open(path, FOLDER)) as folder:
        yield folder
