"""What the tokens actor is told, and what it records. A token's text comes to none of them.

A digest is the SHA-256 of a token's text, as 64 hexadecimal digits. The text holds 256 random bits, so there
is nothing to try out: no salt and no slow hash would make it harder to go back. ``to_id`` cuts a token's
public name off the digest's beginning: whoever has it knows 96 bits of a hash, and no more of the text.
"""

import attrs

from actors.tokens.grant import Grant

ID_LENGTH = 24


def to_id(digest: str) -> str:
    """Return the id of the token whose digest is ``digest``."""
    return digest[:ID_LENGTH]


# Commands. Times are Unix seconds.


@attrs.frozen
class Mint:
    """Have one more token, good from ``at`` to before ``expires_at``."""

    digest: str
    grant: Grant
    remove_on_use: bool
    at: float
    expires_at: float


@attrs.frozen
class Spend:
    """Have a token that is for one use used; nothing for one that lasts."""

    token_id: str
    at: float


@attrs.frozen
class Revoke:
    """Have a token no more, used or not."""

    token_id: str
    at: float


@attrs.frozen
class Sweep:
    """Forget what has expired, and what was used a while ago and holds no socket open any more."""

    at: float
    in_use: frozenset[str] = frozenset()


Message = Mint | Spend | Revoke | Sweep


# Events


@attrs.frozen
class TokenMinted:
    """A token is good for what it names; None stands for all of them."""

    digest: str
    containers: tuple[str, ...] | None
    permissions: tuple[str, ...] | None
    remove_on_use: bool
    created_at: float
    expires_at: float


@attrs.frozen
class TokenSpent:
    """A token for one use was used, and lets nobody in any more."""

    token_id: str
    at: float


@attrs.frozen
class TokenRevoked:
    """A token was taken back, and what it held open ends."""

    token_id: str


@attrs.frozen
class TokensSwept:
    """Tokens that are of no use to anybody were forgotten."""

    token_ids: tuple[str, ...]


Event = TokenMinted | TokenSpent | TokenRevoked | TokensSwept
