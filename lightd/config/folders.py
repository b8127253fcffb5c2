"""The daemon's folders and files: created where missing, and closed to other users.

With Docker, servers do not need access to these folders, because Docker creates the mounts as root. So only
the daemon can enter the folders of containers and volumes: a container that runs as root can leave a set-uid
program in its volume, and no other user of the host may reach it. ``volumes_path`` is closed if it is open,
also that of an earlier version.
Without Docker, a server runs as a user of the host, which passes through both folders to its script and its
volume. lightd changes the mode of files and folders that it names itself; for others it logs a warning.
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
    """Create the folders, and close the secret files in them to other users; raises ``OSError``.

    ``mounts``: containers see their folders by mounts, not by their paths on the host.
    """
    _make("storage.base_path", storage.base_path)
    settle_shared(storage, mounts=mounts)
    _tighten(storage.base_path / "consoles", PRIVATE)
    for name in FILES:
        _tighten(storage.base_path / name, FILE)


def settle_shared(storage: Storage, *, mounts: bool = True) -> None:
    """Create the folders of containers and volumes, and close them as far as servers allow.

    Call it again after a file system was mounted on one of them.
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
    """Close the folder to other users; log a warning if lightd may not change it."""
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
    """Let other users pass through the folder."""
    found = stat.S_IMODE(path.stat().st_mode)
    if found | PASSED != found:
        path.chmod(found | PASSED)


def _tighten(path: Path, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # it does not exist yet, or opening it later reports the error
    found = stat.S_IMODE(os.fstat(descriptor).st_mode)
    try:
        if found & 0o777 & ~mode:
            os.fchmod(descriptor, found & mode)
            logger.warning("removed the access of other users to %s (mode was %04o)", path, found)
    except PermissionError:
        logger.warning("%s can be accessed by other users (mode %04o): chmod %o it", path, found, mode)
    finally:
        os.close(descriptor)
