"""The snapshot that replaces the oldest records of the credentials. Pure."""

import attrs

from actors.kernel import journal
from actors.sftp.decider import Credential, State


@attrs.frozen
class Condensed(journal.Condensed):
    """The older records of the credentials were replaced by those that there were afterwards."""

    credentials: tuple[Credential, ...]

    def to_state(self) -> State:
        """Return the credentials."""
        return State({each.credential_id: each for each in self.credentials})


def condense(state: State, created_at: float) -> Condensed:
    """Return the snapshot of ``state``."""
    return Condensed(created_at, tuple(state.credentials.values()))
