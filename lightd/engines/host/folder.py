"""The host's files of a container: its own folder, and the owner of its volume.

The container's own folder belongs to the daemon and is mounted read-only, so no tenant can create anything in
it. It is nevertheless written through the same jail as a tenant's files (``lightd.files.jail``). The volume
belongs to the tenant, so it is walked beneath directory descriptors. The owner of a link is changed, not
that of its target, and mounts in the volume are skipped. Hard links cannot lead out of the volume, because
they cannot cross a mount. The kernel removes set-id bits and capabilities of a file when its owner changes
(chown(2)).

A volume is given to its user once for each attempt, and again if its top folder has another owner; a note in
the container's folder contains the last attempt. A walk that was interrupted is repeated, and files that a
server has created as another user later keep their owner.

An installer is root and can end at any point, so a second note says that the volume must be given to its
user. It is written before the installer is created, and removed when the volume was given to its user after
the installer's removal. Everything here blocks: call it in a worker thread.
"""

import errno
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from actors.container.engine import EngineRefused
from lightd.engines.docker import names
from lightd.files import errors
from lightd.files.deleting import delete_at
from lightd.files.jail import FOLDER, Jail, Owner, held, look_at
from lightd.files.paths import RelativePath
from lightd.files.placing import is_part_name, replacing
from lightd.files.reading import open_download
from lightd.files.resolve import best

ENTRYPOINT: Final = "entrypoint.sh"
INSTALLER: Final = "installer.sh"
SCRIPT: Final = "install.sh"
FILES: Final = (ENTRYPOINT, INSTALLER, SCRIPT, names.PASSWD, names.GROUP, names.MACHINE_ID)
NOTE: Final = "handed-over"
DUE: Final = "hand-over-due"
DUE_FIELDS: Final = 3  # the attempt, the user, the volume
logger = logging.getLogger("lightd.engines.docker")

DEEPEST: Final = 200  # levels of folders, each with one descriptor while it is walked


def write_files(path: str, files: Mapping[str, str | bytes]) -> None:
    """Write ``files`` to the folder, which is created if necessary; each file completely or not at all."""
    os.makedirs(path, mode=0o755, exist_ok=True)  # noqa: PTH103 - with the rest of os
    with _jailed(path) as jail:
        os.fchmod(jail.root, 0o755)  # the container's user must be able to read it, whatever the umask is
        for name, text in files.items():
            _write(jail, name, text)


def clear(path: str) -> None:
    """Remove lightd's files, and the folder if it is empty then; does nothing if there is no folder."""
    with suppress(FileNotFoundError):
        with _jailed(path) as jail:
            left = filter(is_part_name, os.listdir(jail.root))  # noqa: PTH208 - incomplete files of a killed daemon
            for name in (*FILES, NOTE, *left):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=jail.root)
        with suppress(OSError):
            os.rmdir(path)  # noqa: PTH106 - with the rest of os


def check_there(volume: str | None) -> None:
    """Raise ``EngineRefused`` if the volume's folder is missing, so that nothing runs on an empty one."""
    if volume is not None and not _is_folder(volume):
        raise EngineRefused(f"volume {volume.rpartition('/')[2]} is not mounted: its folder is missing")


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def hand_over(volume: str, folder: str, attempt: int, owner: Owner) -> None:
    """Give everything in the volume to ``owner``, unless that was already done for this attempt.

    Raises ``FileNotFoundError`` if there is no volume.
    """
    note = f"{attempt} {owner.uid}:{owner.gid}\n"
    with _jailed(folder) as notes:
        with _jailed(volume) as jail, _giving(owner):
            top = jail.root
            if _read(notes, NOTE) == note and owner.has(os.fstat(top)):
                return
            _give(top, owner, os.fstat(top).st_dev, 0)
            if not owner.has(os.fstat(top)):
                os.fchown(top, owner.uid, owner.gid)
        _write(notes, NOTE, note)


def expect_hand_over(folder: str, attempt: int, user: str, volume_id: str) -> None:
    """Write a note: the volume must be given to ``user`` when the installer of this attempt is removed."""
    with _jailed(folder) as notes:
        _write(notes, DUE, f"{attempt} {user} {volume_id}\n")
        with suppress(FileNotFoundError):
            os.unlink(NOTE, dir_fd=notes.root)


def settle_hand_over(folder: str, volumes_path: str, attempt: int | None = None) -> None:
    """Give the volume to its user if a note says so, and remove the folder if nothing else is in it.

    ``attempt`` is that of the removed installer: a note of a later one, which can have begun meanwhile, is
    kept. If the owner cannot be changed, the error is logged and the note is kept: this must not delay a
    removal.
    """
    try:
        with _jailed(folder) as notes:
            due = (_read(notes, DUE) or "").split()
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("%s cannot be read: %s", folder, error)
        return
    if len(due) == DUE_FIELDS:
        noted, user, volume_id = due
        if attempt is not None and int(noted) > attempt:
            return
        try:
            hand_over(f"{volumes_path}/{volume_id}", folder, int(noted), Owner.from_user(user))
        except FileNotFoundError:
            pass  # the volume is gone
        except (OSError, EngineRefused) as error:
            logger.warning("volume %s still has files of its installer's user: %s", volume_id, error)
            return
    with suppress(FileNotFoundError):
        os.unlink(f"{folder}/{DUE}")  # noqa: PTH108 - with the rest of os
    with suppress(FileNotFoundError):  # the removal of the container can remove the folder at the same time
        if set(os.listdir(folder)) <= {NOTE}:  # noqa: PTH208 - the container's other files were removed before
            clear(folder)


@contextmanager
def _giving(owner: Owner) -> Iterator[None]:
    """Explain a permission error: only root can change the owner of files."""
    try:
        yield
    except PermissionError:
        if os.geteuid() == 0:
            raise
        raise EngineRefused(
            f"The volume cannot be given to {owner.uid}:{owner.gid}: lightd is not root or the owner, so"
            f" servers run as {os.geteuid()}:{os.getegid()} (docker.user in the configuration, user in the"
            " request)"
        ) from None


@contextmanager
def _jailed(path: str) -> Iterator[Jail]:
    """The jail of ``path``, with a descriptor that can be listed; raises ``OSError``, also for a link."""
    with held(os.open(path, FOLDER)) as root:
        yield Jail(root, best())


def _give(folder: int, owner: Owner, device: int, depth: int) -> None:
    if depth > DEEPEST:
        raise OSError(errno.ELOOP, "The volume has too many levels of folders")
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
                continue  # removed in the meantime


def _give_folder(folder: int, name: str, owner: Owner, device: int, depth: int) -> None:
    try:
        inner = os.open(name, FOLDER, dir_fd=folder)
    except (NotADirectoryError, OSError) as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            return  # not a folder any more
        raise
    with held(inner):
        _give(inner, owner, device, depth + 1)


def _write(jail: Jail, name: str, text: str | bytes) -> None:
    """Write ``text`` to the file ``name``, replacing whatever exists there, for example a link."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(look_at(jail.root, name).st_mode):
            delete_at(jail.root, name, lambda _: None)
    with replacing(jail, RelativePath((name,)), None) as file, open(file, "wb", closefd=False) as stream:
        stream.write(text if isinstance(text, bytes) else text.encode(errors="surrogateescape"))


def _read(jail: Jail, name: str) -> str | None:
    try:
        with open_download(jail, RelativePath((name,))) as file:
            return file.read(0, 1000).decode(errors="replace")
    except errors.NotFound:
        return None
