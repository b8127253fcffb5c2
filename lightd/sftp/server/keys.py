"""The host keys of the SFTP server: made once, and kept."""

import os
from pathlib import Path
from typing import Any, Final

import asyncssh

from lightd.sftp.places import Places

RSA_BITS: Final = 3072
KINDS: Final = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")


def load(places: Places) -> list[asyncssh.SSHKey]:
    """Return the host keys; those that are missing are made. Raises ``OSError`` and ``KeyImportError``."""
    found = []
    for kind in KINDS:
        private = places.key(kind)
        if not private.exists():
            sizes: dict[str, Any] = {"key_size": RSA_BITS} if kind == "ssh-rsa" else {}
            key = asyncssh.generate_private_key(kind, **sizes)
            _write(private, key.export_private_key("openssh"), 0o600)
        key = asyncssh.import_private_key(private.read_bytes())
        public = places.public_key(kind)
        if not public.exists():
            _write(public, key.export_public_key("openssh"), 0o644)
        found.append(key)
    return found


def _write(path: "os.PathLike[str]", data: bytes, mode: int) -> None:
    """Have ``path`` as a whole or not at all, also after a power failure."""
    new = f"{os.fspath(path)}.new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:  # noqa: PTH123 - with a mode
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    Path(new).replace(path)
