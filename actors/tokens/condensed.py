"""The snapshot that replaces the oldest records of the tokens. Pure."""

import attrs

from actors.kernel import journal
from actors.tokens.decider import State, Token
from actors.tokens.grant import Grant


@attrs.frozen
class Kept:
    """One token; see ``Token``."""

    digest: str
    containers: tuple[str, ...] | None
    permissions: tuple[str, ...] | None
    remove_on_use: bool
    created_at: float
    expires_at: float
    spent_at: float | None
    position: int


@attrs.frozen
class Condensed(journal.Condensed):
    """The older records of the tokens were replaced by the tokens that they led to."""

    tokens: tuple[Kept, ...]

    def to_state(self) -> State:
        """Return the tokens."""
        tokens = [
            Token(
                kept.digest,
                Grant(
                    None if kept.containers is None else frozenset(kept.containers),
                    None if kept.permissions is None else frozenset(kept.permissions),
                ),
                kept.remove_on_use,
                kept.created_at,
                kept.expires_at,
                kept.spent_at,
                kept.position,
            )
            for kept in self.tokens
        ]
        return State({token.token_id: token for token in tokens})


def condense(state: State, created_at: float) -> Condensed:
    """Return the snapshot of ``state``."""
    return Condensed(created_at, tuple(_keep(token) for token in state.tokens.values()))


def _keep(token: Token) -> Kept:
    containers, permissions = token.grant.containers, token.grant.permissions
    return Kept(
        token.digest,
        None if containers is None else tuple(sorted(containers)),
        None if permissions is None else tuple(sorted(permissions)),
        token.remove_on_use,
        token.created_at,
        token.expires_at,
        token.spent_at,
        token.position,
    )
