"""The SFTP sessions that are open now, and how they are ended."""

from collections.abc import Callable
from typing import Final

import attrs

CREDENTIAL: Final = "sftp-"
"""How the ids of SFTP credentials begin; those of tokens are hexadecimal."""


@attrs.define(eq=False)
class SftpSession:
    """One client that has logged in.

    ``credential`` is the id of its token or of its SFTP credential; ``method`` is ``password`` or
    ``public_key``. ``started_at`` is in Unix seconds; ``read`` and ``written`` are bytes, ``files`` the files
    that were opened. ``pid`` is its process.
    """

    session_id: str
    internal_id: str
    volume_id: str
    username: str
    method: str
    credential: str
    address: str
    read_only: bool
    started_at: float
    pid: int = 0
    read: int = 0
    written: int = 0
    files: int = 0
    end: Callable[[str], None] = lambda _: None
    """Disconnects the client, which may show the reason."""


@attrs.define(eq=False)
class SftpSessions:
    """The open sessions by their ids, oldest first."""

    open: dict[str, SftpSession] = attrs.field(factory=dict)

    def of(self, internal_id: str) -> list[SftpSession]:
        """Return the sessions of a container."""
        return [session for session in self.open.values() if session.internal_id == internal_id]

    def credentials(self) -> frozenset[str]:
        """Return the ids of the tokens and credentials with open sessions."""
        return frozenset(session.credential for session in self.open.values())

    def processes(self, volume_id: str) -> list[int]:
        """Return the processes of the sessions on a volume, which can have files of it open."""
        return [session.pid for session in self.open.values() if session.volume_id == volume_id]
