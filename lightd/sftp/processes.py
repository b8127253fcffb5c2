"""The process of the SFTP server as the daemon sees it: its files, whether one runs, and its start."""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock

from lightd.sftp.places import Places


def prepare(places: Places) -> bytes:
    """Make the folder of the server's files, and return the secret that signs tickets."""
    places.root.mkdir(mode=0o700, exist_ok=True)
    places.root.chmod(0o700)
    places.empty.mkdir(mode=0o555, exist_ok=True)
    with suppress(FileNotFoundError):
        places.socket.unlink()
    path = places.secret
    if not path.exists() or len(path.read_bytes()) != hashlib.sha256().digest_size:
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(os.urandom(hashlib.sha256().digest_size))
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    return path.read_bytes()


def is_locked(places: Places) -> bool:
    """Whether a server accepts connections."""
    descriptor = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return True
    else:
        flock(descriptor, LOCK_UN)
        return False
    finally:
        os.close(descriptor)


def spawn(command: Sequence[str], places: Places) -> "subprocess.Popen[bytes]":
    """Start the server; what it says on standard error is in ``places.trouble``."""
    with places.trouble.open("wb") as trouble:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=trouble,
            cwd=places.root,
            start_new_session=True,
        )
