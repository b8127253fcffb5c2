"""Limits the requests and sockets that one token has in progress.

Each takes memory, and maybe a thread, for as long as its client wants. So a minted token has at most
``REQUESTS`` requests and ``SOCKETS`` sockets at a time, and all minted tokens together at most
``ALL_REQUESTS`` requests. The master token has no limit here.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from actors.kernel.mailbox import Overloaded
from lightd.access.errors import LimitExceeded
from lightd.access.identity import Identity

REQUESTS = 100
ALL_REQUESTS = 1000
SOCKETS = 300


@attrs.define(eq=False)
class Shares:
    """What is in progress, by token; the master token is not counted."""

    _requests: Counter[str] = attrs.field(factory=Counter)
    _sockets: Counter[str] = attrs.field(factory=Counter)

    @contextmanager
    def request(self, identity: Identity) -> Iterator[None]:
        """Count a request of ``identity`` in the block; raises ``LimitExceeded`` or ``Overloaded``."""
        if identity.is_master:
            yield
            return
        if self._requests.total() >= ALL_REQUESTS:
            message = f"{ALL_REQUESTS} requests of minted tokens are in progress, which is the maximum"
            raise Overloaded(message)
        message = f"this token has {REQUESTS} requests in progress, which is the maximum"
        with _counted(self._requests, identity.token_id, REQUESTS, "too_many_requests", message):
            yield

    @contextmanager
    def socket(self, identity: Identity) -> Iterator[None]:
        """Count a socket of ``identity`` until the block is left; raises ``LimitExceeded``."""
        if identity.is_master:
            yield
            return
        message = f"this token has {SOCKETS} sockets open, which is the maximum"
        with _counted(self._sockets, identity.token_id, SOCKETS, "too_many_sockets", message):
            yield


@contextmanager
def _counted(counts: Counter[str], token_id: str, most: int, code: str, message: str) -> Iterator[None]:
    if counts[token_id] >= most:
        raise LimitExceeded(code, message)
    counts[token_id] += 1
    try:
        yield
    finally:
        counts[token_id] -= 1
        if not counts[token_id]:
            del counts[token_id]
