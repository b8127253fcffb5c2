"""The daemon's folders and files: made where they are missing, and shut to whom they don't concern.

Other users of the host may pass through ``base_path`` and ``volumes_path`` to a volume that is theirs, and
list neither. All else is the daemon's alone: Docker makes its mounts as root, so no server needs to pass.
Without Docker a server is a user of the host, which passes through ``containers_path`` to its script too.
What lightd names itself is tightened where it stands open; of a folder that the operator named he is told.
"""

import logging
import os
import stat
from pathlib import Path

from lightd.config import Storage

logger = logging.getLogger(__name__)

PASSED, PRIVATE, FILE = 0o711, 0o700, 0o600
FILES = ("lightd.db", "lightd.db-wal", "lightd.db-shm", "lightd.db.lock", "volumes.img")


def prepare(storage: Storage, *, mounts: bool = True) -> None:
    """The folders are there, and what is secret in them is open to nobody else; raises ``OSError``.

    ``mounts`` says that containers see their folders by mounts, not by their paths on the host.
    """
    _make("storage.base_path", storage.base_path, PASSED)
    _make("storage.containers_path", storage.containers_path, PRIVATE if mounts else PASSED)
    if not mounts:
        _let_pass(storage.containers_path)
    _make("storage.volumes_path", storage.volumes_path, PASSED)
    _tighten(storage.base_path / "consoles", PRIVATE)
    for name in FILES:
        _tighten(storage.base_path / name, FILE)


def _make(key: str, path: Path, mode: int) -> None:
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    found = stat.S_IMODE(path.stat().st_mode)
    if found & 0o777 & ~mode:
        logger.warning("%s is open to others (mode %04o): chmod %o %s", key, found, mode, path)


def _let_pass(path: Path) -> None:
    """Others may pass through a folder that was made while they needn't."""
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
            logger.warning("%s was open to others (mode %04o) and is no more", path, found)
    except PermissionError:
        logger.warning("%s is open to others (mode %04o): chmod %o it", path, found, mode)
    finally:
        os.close(descriptor)
