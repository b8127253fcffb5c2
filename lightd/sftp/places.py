"""Where the files of the SFTP server are, below the folder of the daemon's data."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import attrs


@attrs.frozen
class Places:
    """The files in ``root``: only the daemon's user can read it."""

    root: Path

    @property
    def socket(self) -> Path:
        """Where the daemon listens for its server."""
        return self.root / "daemon.sock"

    @property
    def lock(self) -> Path:
        """Locked by a server that accepts connections."""
        return self.root / "lock"

    @property
    def secret(self) -> Path:
        """Signs the tickets of sessions."""
        return self.root / "secret"

    @property
    def trouble(self) -> Path:
        """What the server said last on its standard error."""
        return self.root / "server.log"

    @property
    def empty(self) -> Path:
        """The folder that a connection sees before its client has logged in."""
        return self.root / "empty"

    def key(self, kind: str) -> Path:
        """The private host key of a kind, as ``ssh-ed25519``."""
        return self.root / f"host_key_{kind}"

    def public_key(self, kind: str) -> Path:
        """The public host key of a kind."""
        return self.root / f"host_key_{kind}.pub"

    def fingerprints(self) -> Iterator[tuple[str, str]]:
        """Yield the kind of each host key and its fingerprint as OpenSSH shows it (``SHA256:…``)."""
        for path in sorted(self.root.glob("host_key_*.pub")):
            kind, encoded = path.read_text("ascii").split()[:2]
            digest = hashlib.sha256(base64.b64decode(encoded)).digest()
            yield kind, f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
