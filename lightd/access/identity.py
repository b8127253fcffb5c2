"""The identity of a client with a valid token."""

import attrs

from actors.tokens.grant import EVERYTHING, MASTER, Grant


@attrs.frozen
class Identity:
    """The bearer of a token. ``token_id`` is public; ``expires_at`` is Unix seconds, None for no end."""

    token_id: str
    grant: Grant = EVERYTHING
    expires_at: float | None = None
    position: int | None = None
    """The position in the journal at which the token was minted, None for the master token."""

    @property
    def is_master(self) -> bool:
        """Whether this is the master token, or authorization is off."""
        return self.token_id == MASTER
