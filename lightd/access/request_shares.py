"""Limits the requests and sockets that one token has in progress, and the answers that are not read.

Each takes memory, and maybe a thread, for as long as its client wants. So a minted token has at most
``REQUESTS`` requests and ``SOCKETS`` sockets at a time, and all minted tokens together at most
``ALL_REQUESTS`` requests. Answers over ``SMALL`` bytes that are being sent to slow clients are at most
``UNREAD`` bytes for one token and ``ALL_UNREAD`` bytes for all. The master token has no limit here.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

import attrs
import trio

from actors.kernel.mailbox import Overloaded
from lightd.access.errors import LimitExceeded
from lightd.access.identity import Identity

REQUESTS = 100
ALL_REQUESTS = 1000
SOCKETS = 300
SMALL = 64 * 1024
UNREAD = 32 * 1024**2
ALL_UNREAD = 512 * 1024**2


@attrs.define(eq=False)
class Shares:
    """What is in progress, by token; the master token is not counted."""

    _requests: Counter[str] = attrs.field(factory=Counter)
    _sockets: Counter[str] = attrs.field(factory=Counter)
    _unread: Counter[str] = attrs.field(factory=Counter)
    _turns: WeakValueDictionary[str, trio.Lock] = attrs.field(factory=WeakValueDictionary)
    """For each token, held by the answer that waits for room; its others wait behind it."""
    _freed: trio.Event = attrs.field(factory=trio.Event)
    """Set, and replaced, when an answer has ended."""

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
    def answer(self, identity: Identity, size: int) -> Iterator[None]:
        """Count an answer of ``size`` bytes until it is sent and the block ends; raises as ``request``.

        The first answer of a token may have any size; half of ``ALL_UNREAD`` is only for such answers.
        """
        if _is_unlimited(identity, size):
            yield
            return
        others = bool(self._unread[identity.token_id])
        most = ALL_UNREAD // (2 if others else 1)
        if self._unread.total() + size > most:
            raise Overloaded(f"clients do not read {most >> 20} MiB of answers, the maximum: try again later")
        message = (
            f"this token has {UNREAD >> 20} MiB of answers that its clients do not read: read them, or close"
            " their connections"
        )
        with _counted(self._unread, identity.token_id, UNREAD, "too_many_requests", message, size):
            try:
                yield
            finally:  # those that wait run after the bytes were given back: there is no checkpoint in between
                self._freed.set()
                self._freed = trio.Event()

    @asynccontextmanager
    async def awaited_answer(self, identity: Identity, size: int) -> AsyncIterator[None]:
        """Count an answer as ``answer`` does, but wait for the room that it needs, in the order of arrival.

        However many wait, only the first of each token is woken when an answer has ended.
        """
        if _is_unlimited(identity, size):
            yield
            return
        with ExitStack() as stack:
            async with self._turns.setdefault(identity.token_id, trio.Lock()):
                while True:
                    try:
                        stack.enter_context(self.answer(identity, size))
                        break
                    except (LimitExceeded, Overloaded):
                        await self._freed.wait()
            yield

    @contextmanager
    def socket(self, identity: Identity) -> Iterator[None]:
        """Count a socket of ``identity`` until the block is left; raises ``LimitExceeded``."""
        if identity.is_master:
            yield
            return
        message = f"this token has {SOCKETS} WebSockets open, which is the maximum"
        with _counted(self._sockets, identity.token_id, SOCKETS, "too_many_sockets", message):
            yield


def _is_unlimited(identity: Identity, size: int) -> bool:
    return identity.is_master or size <= SMALL


@contextmanager
def _counted(
    counts: Counter[str], token_id: str, most: int, code: str, message: str, amount: int = 1
) -> Iterator[None]:
    if counts[token_id] and counts[token_id] + amount > most:
        raise LimitExceeded(code, message)
    counts[token_id] += amount
    try:
        yield
    finally:
        counts[token_id] -= amount
        if not counts[token_id]:
            del counts[token_id]
