"""Replaces a file: the new contents are written under a new name next to it, then renamed.

A reader sees the old file or the new one, and a failed write leaves the old one. If the target is a hard
link, this name is replaced, and the other names keep the old contents. A symbolic link is rejected, because
the caller could mean the link or its target. A link that appears in the meantime is replaced, not followed.

The new name is ``.lightd-<16 hex digits>.temp``, which listings hide. After a crash it is a file of the
tenant, counted in the quota, which is removed at the next start (``janitor``). The temporary file of an
upload with a name is ``….part``, and is kept for its client.
"""

import ctypes
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from lightd.files import errors
from lightd.files.charging import ENTRY
from lightd.files.jail import PERMISSIONS, Jail, Owner, give_to, held, kind_of, look_at
from lightd.files.paths import RelativePath

FILE_MODE: Final = 0o644

CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_RENAME_NOREPLACE = 1
_SYNC_FILE_RANGE_WRITE = 2
_PART = re.compile(r"\.lightd-[0-9a-f]{16}\.(part|temp)")

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def replacing(jail: Jail, path: RelativePath, owner: Owner | None, *, new: bool = False) -> Iterator[int]:
    """A descriptor for writing; after the block, the contents are the file ``path`` and synced to the disk.

    Missing folders are created. If the block raises, the path is not changed. Raises ``Exists`` if it must be
    ``new`` and is not, before the block or after it.
    """
    with held(jail.make_folders(path.parent, owner)) as folder:
        if new:
            with suppress(FileNotFoundError):
                look_at(folder, path.name)
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        jail.check_name(folder, path, folder=False)
        mode = mode_to_keep(jail, folder, path)
        part = new_part_name()
        jail.charge(ENTRY, 1)
        with held(os.open(part, CREATE, 0o600, dir_fd=folder)) as file:
            try:
                yield file
                give_to(file, owner, mode)
                os.fsync(file)
                with jail.placing:
                    jail.check_name(folder, path, folder=False)
                    if new:
                        rename_to_new(folder, part, folder, path.name)
                    else:
                        os.rename(part, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)


def mode_to_keep(jail: Jail, folder: int, path: RelativePath) -> int:
    """The permissions for a new file at ``path``, in ``folder``: those of the file that it replaces.

    Raises ``WrongKind`` if it is not a regular file, and ``EXDEV`` if it is a link that leads out.
    """
    try:
        mode = look_at(folder, path.name).st_mode
    except FileNotFoundError:
        return FILE_MODE
    if stat.S_ISREG(mode):
        return mode & PERMISSIONS
    if stat.S_ISLNK(mode):
        with suppress(FileNotFoundError), held(jail.find(path)):
            pass
    raise errors.WrongKind(f'"{path}" is a {kind_of(mode)}, not a file')


def new_part_name() -> str:
    """A name for a temporary file that is not resumed after an interruption."""
    return f".lightd-{secrets.token_hex(8)}.temp"


def is_part_name(name: str) -> bool:
    """Whether ``name`` is that of a temporary file."""
    return name.startswith(".lightd-") and _PART.fullmatch(name) is not None


def begin_writing_back(file: int, offset: int, count: int) -> None:
    """Ask the kernel to start writing these bytes to the disk (sync_file_range(2)); only a hint."""
    _libc.sync_file_range(file, ctypes.c_int64(offset), ctypes.c_int64(count), _SYNC_FILE_RANGE_WRITE)


def rename_to_new(source: int, name: str, target: int, new_name: str) -> None:
    """Move ``name`` in the folder ``source`` to ``new_name`` in ``target``; raises ``EEXIST`` if that exists.

    Uses renameat2(2) with ``RENAME_NOREPLACE``. On a file system without it the target is checked first; a
    tenant who wins that race can only replace one of their own files.
    """
    arguments = source, os.fsencode(name), target, os.fsencode(new_name), _RENAME_NOREPLACE
    if _libc.renameat2(*arguments) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(number, os.strerror(number))
    with suppress(FileNotFoundError):
        look_at(target, new_name)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
