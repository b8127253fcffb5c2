"""The messages and events of the tokens actor. None of them contains the text of a token.

A digest is the SHA-256 of a token's text, as 64 hexadecimal digits. The text has 256 random bits, so it can't
be guessed, and a salt or a slow hash would not make it safer. ``to_id`` takes a token's public id from the
beginning of the digest: it reveals 96 bits of the hash and nothing of the text.
"""

import attrs

from actors.tokens.grant import Grant

ID_LENGTH = 24


def to_id(digest: str) -> str:
    """Return the id of the token whose digest is ``digest``."""
    return digest[:ID_LENGTH]


# Commands. Times are in Unix seconds.


@attrs.frozen
class Mint:
    """Create a token that is valid from ``at`` until before ``expires_at``."""

    digest: str
    grant: Grant
    remove_on_use: bool
    at: float
    expires_at: float


@attrs.frozen
class Spend:
    """Use up a single-use token; no effect on others."""

    token_id: str
    at: float


@attrs.frozen
class Revoke:
    """Revoke a token, used or not."""

    token_id: str
    at: float


@attrs.frozen
class Sweep:
    """Remove tokens that have expired, or were used up ``REMEMBERED`` seconds ago and have no open socket."""

    at: float
    in_use: frozenset[str] = frozenset()


Message = Mint | Spend | Revoke | Sweep


# Events


@attrs.frozen
class TokenMinted:
    """A token was created for these containers and permissions; None means all."""

    digest: str
    containers: tuple[str, ...] | None
    permissions: tuple[str, ...] | None
    remove_on_use: bool
    created_at: float
    expires_at: float


@attrs.frozen
class TokenSpent:
    """A single-use token was used and is no longer accepted."""

    token_id: str
    at: float


@attrs.frozen
class TokenRevoked:
    """A token was revoked; its open sockets are closed."""

    token_id: str


@attrs.frozen
class TokensSwept:
    """Tokens that can no longer be used were removed."""

    token_ids: tuple[str, ...]


Event = TokenMinted | TokenSpent | TokenRevoked | TokensSwept
