"""Authentication: whose token is this? It knows no HTTP.

The order, for everything that a client opens or asks for:

1. The bearer is *authenticated*: the master token, or a minted one that is valid now. Raises
   ``Unauthenticated``, or ``LimitExceeded`` for guesses at the master token from an address that has made too
   many (``attempts``). Nothing is spent yet.
2. The caller checks what costs a single-use token nothing: over HTTP the vendor's media type.
3. A single-use token is *spent*, by one event in the journal. Of two uses at once the second is
   ``Unauthenticated``. If the journal can't be written, the token stays valid.
4. Only now the subject and the permission are checked (``visibility``). A refusal there uses up the token.

A daemon that dies between 3 and the response leaves the token spent: a lost use is better than a second one.

Timing tells nothing. Tokens are compared by their SHA-256, always as a whole (``hmac.compare_digest``). A
minted token is looked up by the first 96 bits of its digest: the time of a look-up in a table depends on a
hash whose bits nobody can choose, and finding a text that shares them with another's takes 2^96 tries.
"""

import hashlib
import hmac
import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import attrs

from actors.kernel.decider import Rejection
from actors.kernel.handle import Handle
from actors.tokens.decider import State, Token
from actors.tokens.grant import MASTER
from actors.tokens.messages import Message, Spend, to_id
from lightd.access.attempts import Attempts
from lightd.access.errors import LimitExceeded, Unauthenticated
from lightd.access.identity import Identity
from lightd.api.commands import begin_operation, settle
from lightd.config.sections import Authorization

_THE_MASTER = Identity(MASTER)


@attrs.define(eq=False)
class Gate:
    """Checks tokens. If authorization is disabled, everybody is the master.

    ``_authorization`` returns the running configuration's; ``_endings`` are the deletions of containers.
    """

    _authorization: Callable[[], Authorization]
    _tokens: Handle[State, Message]
    _clock: Callable[[], float]
    _endings: Mapping[str, int] = attrs.field(factory=dict)
    _attempts: Attempts = attrs.field(factory=Attempts)

    def authenticate(self, candidates: Iterable[str], address: str) -> Identity:
        """Return the identity of the first valid token among ``candidates``.

        Every candidate is checked, and each wrong guess counts, also beside a valid token. Raises
        ``Unauthenticated`` or ``LimitExceeded``.
        """
        authorization = self._authorization()
        if not authorization.enabled:
            return _THE_MASTER
        found, withheld = None, False
        tokens = self._tokens.view.state.tokens
        for candidate in candidates:
            digest = to_digest(candidate)
            token = tokens.get(to_id(digest))
            if token is not None and hmac.compare_digest(token.digest, digest):
                if token.opens(self._clock()) and not token.is_outlived(self._endings):
                    found = found or to_identity(token, self._endings)
            elif not self._attempts.may_try(address, digest):
                withheld = True
            elif hmac.compare_digest(to_digest(authorization.token), digest):
                self._attempts.succeeded(address, digest)
                found = found or _THE_MASTER
            else:
                self._attempts.failed(address)
        if found is None:
            raise self._too_many(address) if withheld else Unauthenticated
        return found

    async def spend(self, identity: Identity) -> None:
        """Spend the token if it is a single-use token.

        Raises ``Unauthenticated`` if it was spent or revoked, ``JournalUnavailable`` and ``Overloaded``.
        """
        if identity.is_master:
            return
        token = self._tokens.view.state.tokens.get(identity.token_id)
        if token is not None and not token.remove_on_use:
            return
        spend = Spend(identity.token_id, self._clock())
        try:
            await settle(lambda: self._tokens.ref.ask(spend, begin_operation("token")))
        except Rejection:
            raise Unauthenticated from None

    def _too_many(self, address: str) -> LimitExceeded:
        message = "too many wrong tokens came from this address, try again later"
        return LimitExceeded("too_many_attempts", message, max(1, math.ceil(self._attempts.wait(address))))


@lru_cache(maxsize=256)
def to_digest(token: str) -> str:
    """Return the SHA-256 of a token's text, in hexadecimal.

    The newest are cached, as a client sends the same token again and again. The cache decides nothing: a
    digest depends on the text alone, and whether it is valid is checked each time.
    """
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def to_identity(token: Token, endings: Mapping[str, int]) -> Identity:
    """Return the identity of a minted token's bearer, after the deletions of containers in ``endings``."""
    return Identity(token.token_id, token.remaining(endings), token.expires_at, token.position)
