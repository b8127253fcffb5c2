"""Who is asking: what a valid credential turned out to be."""

import attrs

from actors.tokens.grant import EVERYTHING, MASTER, Grant


@attrs.frozen
class Identity:
    """The bearer of a token. ``token_id`` is public; ``expires_at`` is Unix seconds, None for no end."""

    token_id: str
    grant: Grant = EVERYTHING
    expires_at: float | None = None
    position: int | None = None
    """Where in the journal the token was minted, None for the master's."""

    @property
    def is_master(self) -> bool:
        """Whether this is the master token, or authorization is off."""
        return self.token_id == MASTER
