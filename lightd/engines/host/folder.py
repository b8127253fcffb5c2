"""The files of the host that a container starts from: its own folder, and a volume that is its user's.

The container's own folder is the daemon's and is mounted read-only: no tenant can plant anything in it. What
is put there goes through the same jail as a tenant's files all the same (``lightd.files.jail``).
The volume is the tenant's, so it is walked beneath directory descriptors; a link is given away itself, never
what it leads to, and what is mounted in it stays as it is. Hard links lead nowhere else: none can be made
across a mount. The kernel takes set-id bits and capabilities off a file whose owner changes (chown(2)).

A volume is handed over once an attempt, and again when its top isn't the user's; a note in the container's
folder says for which. So a walk that was cut short is done again, and what a server made later under other
numbers stays as it made it.

An installer is root and may end in any way, so a second note says that a hand-over is due. It is written
before the installer is made, and goes when the volume was handed over after the installer's removal.
Everything here blocks: call it in a worker thread.
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

DEEPEST: Final = 200  # levels of folders, one descriptor each while it is walked


def write_files(path: str, files: Mapping[str, str | bytes]) -> None:
    """Put ``files`` into the folder, which is made where it isn't there; each whole or not at all."""
    os.makedirs(path, mode=0o755, exist_ok=True)  # noqa: PTH103 - with the rest of os
    with _jailed(path) as jail:
        os.fchmod(jail.root, 0o755)  # the container's user reads it, whatever our umask
        for name, text in files.items():
            _write(jail, name, text)


def clear(path: str) -> None:
    """Take our files away, and the folder where nothing else is in it; nothing where it isn't there."""
    with suppress(FileNotFoundError):
        with _jailed(path) as jail:
            left = filter(is_part_name, os.listdir(jail.root))  # noqa: PTH208 - what a kill left half written
            for name in (*FILES, NOTE, *left):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=jail.root)
        with suppress(OSError):
            os.rmdir(path)  # noqa: PTH106 - with the rest of os


def check_there(volume: str | None) -> None:
    """Raise ``EngineRefused`` where the volume's folder is missing: nothing may run on an empty one."""
    if volume is not None and not _is_folder(volume):
        raise EngineRefused(f"volume {volume.rpartition('/')[2]} is not mounted: its folder is missing")


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def hand_over(volume: str, folder: str, attempt: int, owner: Owner) -> None:
    """Have all that is in the volume belong to ``owner``, unless this attempt had that already.

    Raises ``FileNotFoundError`` where there is no volume.
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
    """Note that the volume is to be handed over to ``user`` once the installer of this attempt is gone."""
    with _jailed(folder) as notes:
        _write(notes, DUE, f"{attempt} {user} {volume_id}\n")
        with suppress(FileNotFoundError):
            os.unlink(NOTE, dir_fd=notes.root)


def settle_hand_over(folder: str, volumes_path: str, attempt: int | None = None) -> None:
    """Hand the volume over where that is due, and remove the folder if nothing else is in it.

    ``attempt`` is that of the installer which was removed: what is due after a later one, which may have
    begun meanwhile, stays due. A volume that can't be handed over is logged, and stays due: it must not
    delay a removal.
    """
    try:
        with _jailed(folder) as notes:
            due = (_read(notes, DUE) or "").split()
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("%s can't be read: %s", folder, error)
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
    with suppress(FileNotFoundError):  # the container's removal may take the folder away meanwhile
        if set(os.listdir(folder)) <= {NOTE}:  # noqa: PTH208 - the container's other files went before
            clear(folder)


@contextmanager
def _giving(owner: Owner) -> Iterator[None]:
    """What an ordinary user is kept from is told as that: only root gives files away."""
    try:
        yield
    except PermissionError:
        if os.geteuid() == 0:
            raise
        raise EngineRefused(
            f"The volume can't be given to {owner.uid}:{owner.gid}, or isn't lightd's: lightd isn't root, so"
            f" servers run as {os.geteuid()}:{os.getegid()} (docker.user in the configuration, user in the"
            " request)"
        ) from None


@contextmanager
def _jailed(path: str) -> Iterator[Jail]:
    """The jail of ``path``, which its own descriptor may list; raises ``OSError``, for a link too."""
    with held(os.open(path, FOLDER)) as root:
        yield Jail(root, best())


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
        inner = os.open(name, FOLDER, dir_fd=folder)
    except (NotADirectoryError, OSError) as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            return  # no folder any more
        raise
    with held(inner):
        _give(inner, owner, device, depth + 1)


def _write(jail: Jail, name: str, text: str | bytes) -> None:
    """The file ``name`` holds ``text``; what else was there, a link say, is gone."""
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
