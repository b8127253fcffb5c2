"""Which WebSockets each token holds open, so that they end with it."""

from collections.abc import Container, Iterator
from contextlib import contextmanager

import attrs
import trio

from lightd.http.identity import MASTER


@attrs.define(eq=False)
class OpenSockets:
    """The sockets that are open, by the id of the token that opened them."""

    _held: dict[str, set[trio.CancelScope]] = attrs.field(factory=dict)

    @contextmanager
    def held(self, token_id: str) -> Iterator[trio.CancelScope]:
        """Have the block end with the token; ``cancelled_caught`` tells that it did."""
        with trio.CancelScope() as scope:
            self._held.setdefault(token_id, set()).add(scope)
            try:
                yield scope
            finally:
                self._held[token_id].discard(scope)
                if not self._held[token_id]:
                    del self._held[token_id]

    def token_ids(self) -> frozenset[str]:
        """Return the tokens that hold a socket open."""
        return frozenset(self._held)

    def count(self, token_id: str) -> int:
        """Return how many sockets a token holds open."""
        return len(self._held.get(token_id, ()))

    def revoke(self, token_id: str) -> None:
        """End all that a token holds open."""
        for scope in self._held.get(token_id, ()):
            scope.cancel()

    def revoke_unknown(self, known: Container[str]) -> None:
        """End all that is held open by minted tokens that aren't ``known``."""
        for token_id in self._held:
            if token_id != MASTER and token_id not in known:
                self.revoke(token_id)
