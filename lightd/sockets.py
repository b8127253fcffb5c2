"""Which WebSockets each token holds open, so that they end with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio


@attrs.define(eq=False)
class OpenSockets:
    """The sockets that are open, by the token that opened them."""

    _held: dict[str, set[trio.CancelScope]] = attrs.field(factory=dict)

    @contextmanager
    def held(self, token: str) -> Iterator[trio.CancelScope]:
        """Have the block end with ``token``; ``cancelled_caught`` tells that it did."""
        with trio.CancelScope() as scope:
            self._held.setdefault(token, set()).add(scope)
            try:
                yield scope
            finally:
                self._held[token].discard(scope)
                if not self._held[token]:
                    del self._held[token]

    def revoke(self, token: str) -> None:
        """End all that ``token`` holds open."""
        for scope in self._held.get(token, ()):
            scope.cancel()
