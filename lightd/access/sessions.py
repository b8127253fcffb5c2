"""The open WebSockets of each token, so that they can be closed when the token ends."""

from collections.abc import Container, Iterator
from contextlib import contextmanager

import attrs
import trio

from actors.tokens.grant import MASTER


@attrs.define(eq=False)
class OpenSockets:
    """Open WebSockets by the id of the token that opened them."""

    _held: dict[str, set[trio.CancelScope]] = attrs.field(factory=dict)

    @contextmanager
    def held(self, token_id: str) -> Iterator[trio.CancelScope]:
        """Cancel the block when the token ends; then ``cancelled_caught`` is true."""
        with trio.CancelScope() as scope:
            self._held.setdefault(token_id, set()).add(scope)
            try:
                yield scope
            finally:
                self._held[token_id].discard(scope)
                if not self._held[token_id]:
                    del self._held[token_id]

    def token_ids(self) -> frozenset[str]:
        """Return the ids of the tokens with open sockets."""
        return frozenset(self._held)

    def count(self, token_id: str) -> int:
        """Return the number of open sockets of a token."""
        return len(self._held.get(token_id, ()))

    def revoke(self, token_id: str) -> None:
        """Close all sockets of a token."""
        for scope in self._held.get(token_id, ()):
            scope.cancel()

    def revoke_unknown(self, known: Container[str]) -> None:
        """Close all sockets of minted tokens that are not ``known``."""
        for token_id in self._held:
            if token_id != MASTER and token_id not in known:
                self.revoke(token_id)
