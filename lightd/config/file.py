"""The configuration file: its path, reading it, creating it, and replacing the token in it.

1. The file contains the master token: it is created with mode 0600, and rejected if other users can read it.
2. A reader sees the old or the new file, never a part: it is written next to its place, synced, and renamed.
3. If two daemons start for the first time at once, one creates the file, and both use it.
4. A new token changes one value and keeps the owner, every other key and a symbolic link (not white space).

Every problem is a ``ConfigurationError`` whose lines say what is wrong; none contains a token.
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

from lightd.config import sections

MODE = 0o600
PLACES = (Path("/etc/lightd/config.json"), Path("/var/lib/lightd/config.json"))
"""Where a configuration is looked for after ``./config.json``, by all commands but ``serve``."""
READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def resolve_path(cli_value: str | None, environ: Mapping[str, str]) -> Path:
    """The path of the file: ``--config``, else ``$LIGHTD_CONFIG``, else ``./config.json``.

    The path is absolute, and symbolic links in it are kept: relative paths in the configuration are relative
    to the directory that the operator named.
    """
    return Path(cli_value or environ.get("LIGHTD_CONFIG") or "config.json").absolute()


def find_path(cli_value: str | None, environ: Mapping[str, str]) -> tuple[Path, bool]:
    """The path of an existing configuration, and whether it is a default one of ``PLACES``.

    It is that of ``resolve_path``, unless that is the default and there is no such file. Raises
    ``ConfigurationError`` if there is none; nothing is written.
    """
    path = resolve_path(cli_value, environ)
    if is_there(path):
        return path, False
    looked = [path]
    if not cli_value and not environ.get("LIGHTD_CONFIG"):
        for place in PLACES:
            if is_there(place):
                return place, True
        looked += PLACES
    where = " or ".join(map(str, looked))
    raise sections.ConfigurationMissing(
        f"there is no configuration at {where}: `lightd serve` writes one when it is started for the first "
        "time; --config PATH names another place"
    )


def fresh_token() -> str:
    """A new token: ``lightd_`` and 43 characters with 256 random bits."""
    return f"lightd_{secrets.token_urlsafe(32)}"


def node_name(host_name: str) -> str:
    """The default node name for a host name: at most 63 characters, ``-`` for each invalid one."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", host_name)[:63] or "node"


def fresh_node(host_name: str) -> str:
    """A new node name: the host's name and 32 random bits, so that two nodes of one host differ."""
    return f"{node_name(host_name)[:54]}-{secrets.token_hex(4)}"


def load(path: Path) -> sections.Configuration:
    """The configuration in the file at ``path``, as it applies to the current user.

    The default node name is the host name.
    """
    read = sections.parse(_read(path), path.parent, node_name(socket.gethostname()))
    return sections.held_by(read, os.geteuid(), os.getegid())


def is_there(path: Path) -> bool:
    """Whether ``path`` exists; true also if a folder without permission hides it."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def create(path: Path) -> bool:
    """Create a file with a new token at ``path`` if there is none; return whether it was created.

    The directory must exist, so that a mistyped path does not start a second, empty daemon.
    """
    if is_there(path):
        return False
    with _troubles("cannot be written"):
        node = fresh_node(socket.gethostname())
        file = sections.first_file(fresh_token(), root=os.geteuid() == 0, node=node)
        temporary = _write_beside(path, file)
        try:
            os.link(temporary, path)  # unlike a rename, this never replaces a file
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        _sync_directory(path.parent)
    return True


def replace_token(path: Path, token: str) -> None:
    """Write ``token`` into the file at ``path`` as the master token; a running daemon uses it after a reload.

    If the file or the token is not valid, nothing is changed.
    """
    target = path.resolve()
    document: Any = sections.loads(_read(path))
    if isinstance(document, dict) and isinstance(document.get("authorization"), dict):
        document["authorization"]["token"] = token
    sections.from_json(document, path.parent, node_name(socket.gethostname()))
    with _troubles("cannot be written"):
        owner = target.stat()
        temporary = _write_beside(target, document, owner=(owner.st_uid, owner.st_gid))
        try:
            temporary.replace(target)
        except OSError:
            temporary.unlink()
            raise
        _sync_directory(target.parent)


def _read(path: Path) -> str:
    with _troubles("cannot be read"):
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise sections.ConfigurationError("cannot be read: not a regular file")
            if found.st_mode & READABLE_BY_OTHERS:
                mode = stat.S_IMODE(found.st_mode)
                raise sections.ConfigurationError(
                    f"contains a token and can be read by other users (mode {mode:04o}): chmod 600 {path}",
                )
            content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise sections.ConfigurationError(f"is not valid UTF-8 (at byte {error.start})") from None


def _write_beside(path: Path, document: object, owner: tuple[int, int] | None = None) -> Path:
    """A new file in the directory of ``path`` that contains ``document`` and is synced to disk."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, MODE)  # regardless of the umask
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
        raise sections.ConfigurationError(f"{what}: {error.strerror or error}") from error
