"""Putting a file into its place: written beside it under a new name, then renamed.

A reader sees the old file or the new one, and a failed write leaves the old one. A hard link planted at the
place is replaced, and its other end keeps what it had. A symbolic link there is refused: the caller may mean
the link or the file that it leads to, and can say so. One swapped in meanwhile is replaced, not followed.

The new name is ``.lightd-<16 hex digits>.temp``; listings hide it. What a crash leaves behind is a file of
the tenant's, counted against his quota, that goes at the next start (``janitor``). What an upload with a name
left is ``….part``, and stays for its client.
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
def replacing(jail: Jail, path: RelativePath, owner: Owner | None) -> Iterator[int]:
    """A descriptor to write; what was written is the file ``path``, whole and on the disk, after the block.

    Folders are made on the way. If the block raises, the path is as it was before.
    """
    with held(jail.make_folders(path.parent, owner)) as folder:
        mode = mode_to_keep(jail, folder, path)
        part = new_part_name()
        jail.charge(ENTRY, 1)
        with held(os.open(part, CREATE, 0o600, dir_fd=folder)) as file:
            try:
                yield file
                give_to(file, owner, mode)
                os.fsync(file)
                with jail.placing:
                    os.rename(part, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)


def mode_to_keep(jail: Jail, folder: int, path: RelativePath) -> int:
    """The permissions for a file about to be put at ``path``, in ``folder``: those of the one it replaces.

    Raises ``WrongKind`` where something else than a regular file is there, ``EXDEV`` where that is a link
    that leads out.
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
    """A name for what nobody takes up again where it breaks off."""
    return f".lightd-{secrets.token_hex(8)}.temp"


def is_part_name(name: str) -> bool:
    """Whether ``name`` is one of those that only lie beside a file being written."""
    return name.startswith(".lightd-") and _PART.fullmatch(name) is not None


def begin_writing_back(file: int, offset: int, count: int) -> None:
    """Have the kernel begin to write these bytes to the disk (sync_file_range(2)); it is only a hint."""
    _libc.sync_file_range(file, ctypes.c_int64(offset), ctypes.c_int64(count), _SYNC_FILE_RANGE_WRITE)


def rename_to_new(source: int, name: str, target: int, new_name: str) -> None:
    """Move ``name`` of the folder ``source`` to ``new_name`` of ``target``; ``EEXIST`` where that is taken.

    renameat2(2) with ``RENAME_NOREPLACE``; a filesystem without it is asked first, which a racing tenant
    can turn into replacing a file of his own.
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
