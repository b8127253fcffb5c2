"""The daemon's folders and files: created where missing, and closed to other users.

With Docker no server passes through these folders, for Docker makes its mounts as root. So the folders of
containers and of volumes are the daemon's alone: a container that runs as root may leave a set-uid program in
its volume, and no other user of the host may reach it. ``volumes_path`` is shut where it stands open, that of
an earlier version too.
Without Docker a server is a user of the host, which passes through both to its script and to its volume.
What lightd names itself is tightened where it stands open; of the other folders the operator is told.
"""

import logging
import os
import stat
from pathlib import Path

from lightd.config.sections import Storage

logger = logging.getLogger(__name__)

PASSED, PRIVATE, FILE = 0o711, 0o700, 0o600
FILES = ("lightd.db", "lightd.db-wal", "lightd.db-shm", "lightd.db.lock", "volumes.img")


def prepare(storage: Storage, *, mounts: bool = True) -> None:
    """The folders are there, and what is secret in them is open to nobody else; raises ``OSError``.

    ``mounts`` says that containers see their folders by mounts, not by their paths on the host.
    """
    _make("storage.base_path", storage.base_path)
    settle_shared(storage, mounts=mounts)
    _tighten(storage.base_path / "consoles", PRIVATE)
    for name in FILES:
        _tighten(storage.base_path / name, FILE)


def settle_shared(storage: Storage, *, mounts: bool = True) -> None:
    """The folders of containers and of volumes are there, and as shut as servers allow.

    To be called again when a file system was mounted in the place of one.
    """
    for path in (storage.containers_path, storage.volumes_path):
        path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        if mounts:
            _shut(path)
        else:
            _let_pass(path)


def _make(key: str, path: Path) -> None:
    path.mkdir(mode=PASSED, parents=True, exist_ok=True)
    found = stat.S_IMODE(path.stat().st_mode)
    if found & 0o777 & ~PASSED:
        logger.warning("%s can be accessed by other users (mode %04o): chmod %o %s", key, found, PASSED, path)


def _shut(path: Path) -> None:
    """Nobody but us may pass through the folder; where it isn't ours to change, the log says so."""
    status = path.stat()
    found = stat.S_IMODE(status.st_mode)
    try:
        if os.geteuid() == 0 and status.st_uid != 0:
            os.chown(path, 0, -1)
        if found & 0o777 & ~PRIVATE:
            path.chmod(PRIVATE)
            logger.warning("removed the access of other users to %s (mode was %04o)", path, found)
    except PermissionError:
        logger.warning("%s can be accessed by other users (mode %04o): chmod %o it", path, found, PRIVATE)


def _let_pass(path: Path) -> None:
    """Others may pass through the folder."""
    found = stat.S_IMODE(path.stat().st_mode)
    if found | PASSED != found:
        path.chmod(found | PASSED)


def _tighten(path: Path, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # it isn't there yet, or is none of ours: who opens it says so
    found = stat.S_IMODE(os.fstat(descriptor).st_mode)
    try:
        if found & 0o777 & ~mode:
            os.fchmod(descriptor, found & mode)
            logger.warning("removed the access of other users to %s (mode was %04o)", path, found)
    except PermissionError:
        logger.warning("%s can be accessed by other users (mode %04o): chmod %o it", path, found, mode)
    finally:
        os.close(descriptor)
