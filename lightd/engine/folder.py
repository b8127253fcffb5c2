"""The files of the host that a container starts from: its own folder, and a volume that is its user's.

The container's own folder is the daemon's and is mounted read-only: no tenant can plant anything in it.
The volume is the tenant's, so it is walked beneath directory descriptors; a link is given away itself, never
what it leads to, and what is mounted in it stays as it is. Hard links lead nowhere else: none can be made
across a mount. The kernel takes set-id bits and capabilities off a file whose owner changes (chown(2)).

A volume is handed over once an attempt, and again when its top isn't the user's; a note in the container's
folder says for which. So a walk that was cut short is done again, and what a server made later under other
numbers stays as it made it. Everything here blocks: call it in a worker thread.
"""

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import attrs

ENTRYPOINT: Final = "entrypoint.sh"
INSTALLER: Final = "installer.sh"
SCRIPT: Final = "install.sh"
FILES: Final = (ENTRYPOINT, INSTALLER, SCRIPT)
NOTE: Final = "handed-over"
DEEPEST: Final = 200  # levels of folders, one descriptor each while it is walked

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.frozen
class Owner:
    """Whom a volume belongs to, in the host's numbers."""

    uid: int
    gid: int

    @classmethod
    def from_user(cls, user: str) -> "Owner":
        """The owner that ``uid:gid`` names; without a gid it is 0, as in Docker."""
        uid, _, gid = user.partition(":")
        return cls(int(uid), int(gid or 0))

    def has(self, status: os.stat_result) -> bool:
        return (status.st_uid, status.st_gid) == (self.uid, self.gid)


def write_files(path: str, files: Mapping[str, str]) -> None:
    """Put ``files`` into the folder, which is made where it isn't there; each whole or not at all."""
    os.makedirs(path, mode=0o755, exist_ok=True)  # noqa: PTH103 - with the rest of os
    folder = os.open(path, _FOLDER)
    try:
        os.fchmod(folder, 0o755)  # the container's user reads it, whatever our umask
        for name, text in files.items():
            _write(folder, name, text)
    finally:
        os.close(folder)


def clear(path: str) -> None:
    """Take our files away, and the folder where nothing else is in it; nothing where it isn't there."""
    with suppress(FileNotFoundError):
        folder = os.open(path, _FOLDER)
        try:
            for name in (*FILES, NOTE):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)
        with suppress(OSError):
            os.rmdir(path)  # noqa: PTH106 - with the rest of os


def is_there(path: str) -> bool:
    """Whether ``path`` is a folder, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def hand_over(volume: str, folder: str, attempt: int, owner: Owner) -> None:
    """Have all that is in the volume belong to ``owner``, unless this attempt had that already.

    Raises ``FileNotFoundError`` where there is no volume.
    """
    note = f"{attempt} {owner.uid}:{owner.gid}\n"
    notes = os.open(folder, _FOLDER)
    try:
        top = os.open(volume, _FOLDER)
        try:
            if _read(notes, NOTE) == note and owner.has(os.fstat(top)):
                return
            _give(top, owner, os.fstat(top).st_dev, 0)
            if not owner.has(os.fstat(top)):
                os.fchown(top, owner.uid, owner.gid)
        finally:
            os.close(top)
        _write(notes, NOTE, note, durable=False)  # lost in a power failure, it is only done again
    finally:
        os.close(notes)


def _give(folder: int, owner: Owner, device: int, depth: int) -> None:
    if depth > DEEPEST:
        raise OSError(errno.ELOOP, "Its folders are nested too deeply")
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
                if status.st_dev != device:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    _give_folder(folder, entry.name, owner, device, depth)
                if not owner.has(status):
                    os.chown(entry.name, owner.uid, owner.gid, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue  # it went while we looked


def _give_folder(folder: int, name: str, owner: Owner, device: int, depth: int) -> None:
    try:
        inner = os.open(name, _FOLDER, dir_fd=folder)
    except (NotADirectoryError, OSError) as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            return  # no folder any more
        raise
    try:
        _give(inner, owner, device, depth + 1)
    finally:
        os.close(inner)


def _write(folder: int, name: str, text: str, *, durable: bool = True) -> None:
    data = text.encode(errors="surrogateescape")
    temporary = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
    file = os.open(temporary, _NEW, 0o644, dir_fd=folder)
    with os.fdopen(file, "wb") as stream:
        os.fchmod(file, 0o644)
        stream.write(data)
        stream.flush()
        if durable:
            os.fsync(file)
    os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def _read(folder: int, name: str) -> str | None:
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(file, "rb") as stream:
        return stream.read(1000).decode(errors="replace")
