"""The configuration on disk: where it lies, its first writing, and a new token in it.

1. The file holds the master token: it is written with mode 0600, and one that others can read is refused.
2. A reader finds the old file or the new one, whole: it is written beside its place, synced, and moved in.
3. Of two daemons that start for the first time at once, one writes, and both go by what it wrote.
4. What a person wrote stays theirs: a new token changes one value and keeps the owner and every other key
   (not the white space), and a symbolic link to the file stays one.

Every trouble is a ``ConfigurationError`` whose lines name what is wrong; none holds a token.
"""

import contextlib
import json
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightd import config

MODE = 0o600
READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def resolve_path(cli_value: str | None, environ: Mapping[str, str]) -> Path:
    """Where the file is: ``--config``, else ``$LIGHTD_CONFIG``, else ``./config.json``.

    The path is absolute, and a symbolic link in it is kept: relative paths of the configuration are taken
    beneath the directory that the operator named.
    """
    return Path(cli_value or environ.get("LIGHTD_CONFIG") or "config.json").absolute()


def fresh_token() -> str:
    """A new token: ``lightd_`` and 43 characters that hold 256 random bits."""
    return f"lightd_{secrets.token_urlsafe(32)}"


def node_name(host_name: str) -> str:
    """The node on the host of that name: 63 characters, ``-`` for each that a node's name can't have."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", host_name)[:63] or "node"


def load(path: Path) -> config.Configuration:
    """The configuration in the file at ``path``, as it holds for who we are.

    The node takes the host's name where it has none.
    """
    read = config.parse(_read(path), path.parent, node_name(socket.gethostname()))
    return config.held_by(read, os.geteuid(), os.getegid())


def is_there(path: Path) -> bool:
    """Whether there is something at ``path``; what a closed folder hides counts, and can't be read then."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def create(path: Path) -> bool:
    """Make sure of a file at ``path``, and say whether it was written now, with a fresh token.

    The directory must exist: a mistyped path shall not start a second, empty daemon somewhere.
    """
    if is_there(path):
        return False
    with _troubles("can't be written"):
        temporary = _write_beside(path, config.first_file(fresh_token()))
        try:
            os.link(temporary, path)  # unlike a rename, never over a file that came in between
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        _sync_directory(path.parent)
    return True


def replace_token(path: Path, token: str) -> None:
    """Put ``token`` into the file at ``path`` as the master token; a daemon that runs learns it on reload.

    A file or a token that isn't valid changes nothing.
    """
    target = path.resolve()
    document: Any = config.loads(_read(path))
    if isinstance(document, dict) and isinstance(document.get("authorization"), dict):
        document["authorization"]["token"] = token
    config.from_json(document, path.parent, node_name(socket.gethostname()))
    with _troubles("can't be written"):
        owner = target.stat()
        temporary = _write_beside(target, document, owner=(owner.st_uid, owner.st_gid))
        try:
            temporary.replace(target)
        except OSError:
            temporary.unlink()
            raise
        _sync_directory(target.parent)


def _read(path: Path) -> str:
    with _troubles("can't be read"):
        # A fifo would keep the open waiting for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise config.ConfigurationError("can't be read: it is not a regular file")
            if found.st_mode & READABLE_BY_OTHERS:
                mode = stat.S_IMODE(found.st_mode)
                raise config.ConfigurationError(
                    f"is open to others (mode {mode:04o}) and holds a token: chmod 600 {path}",
                )
            content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise config.ConfigurationError(f"is not UTF-8: byte {error.start} is wrong") from None


def _write_beside(path: Path, document: object, owner: tuple[int, int] | None = None) -> Path:
    """A new file in the directory of ``path`` that holds ``document`` and is on the disk."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, MODE)  # whatever the umask made of it
            file.write(f"{text}\n".encode())
            file.flush()
            os.fsync(descriptor)
    except OSError:
        temporary.unlink()
        raise
    return temporary


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _troubles(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise config.ConfigurationError(f"{what}: {error.strerror or error}") from error
