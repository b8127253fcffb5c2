"""Who may come in: the token first, then the vendor's media type. Only ``ping`` and ``/docs`` are open.

The order, for a request and for a WebSocket's handshake alike:

1. The token is *recognised*: the master token, or a minted one that is good now; a 401 else (429 for guesses
   at the master token from an address that has made too many: ``attempts``). Nothing is spent yet.
2. A request needs the vendor's media type; a 403 else, and the token is as good as before.
3. The bearer *enters*: here a token for one use is spent, by one event in the journal. Of two at once the
   second is a 401. Where the journal can't be written nobody is let in: a 507, and the token is good still.
4. Only now the route is looked at, the scope, the body. What is refused there has been authenticated: a 404
   or a handshake for a container that isn't there uses up a token for one use.

A daemon that dies between 3 and the answer leaves the token spent: rather is a use lost than had twice.

Nothing is learnt from how long this takes. Tokens are compared by their SHA-256, and always in whole
(``hmac.compare_digest``). A minted token is looked up by the first 96 bits of that: what the time of a look
into a table tells is about a hash that nobody can choose the bits of, and finding a text that
shares them with another's is 2^96 tries, each with no word from us on how near it came.
"""

import hashlib
import hmac
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus

import attrs

from actors.kernel.decider import Rejection
from actors.kernel.handle import Handle
from actors.tokens.decider import State, Token
from actors.tokens.grant import MASTER
from actors.tokens.messages import Message, Spend, to_id
from lightd.access.attempts import Attempts
from lightd.access.identity import Identity
from lightd.api.commands import begin_operation, settle
from lightd.api.errors import ApiError
from lightd.config.sections import Authorization

MEDIA_TYPE = "application/vnd.pkglatv1+json"
SUBPROTOCOL = "lightd."
_BEARER = re.compile(r"(?i:bearer) +(\S+)")
_THE_MASTER = Identity(MASTER)


@attrs.define(eq=False)
class Gate:
    """Checks credentials; lets everybody in as the master where authorization is disabled."""

    _authorization: Callable[[], Authorization]  # a reload may have changed it
    _tokens: Handle[State, Message]
    _clock: Callable[[], float]
    _endings: Mapping[str, int] = attrs.field(factory=dict)  # of containers, as the fleet has them
    _attempts: Attempts = attrs.field(factory=Attempts)

    def recognise(self, candidates: Iterable[str], address: str) -> Identity:
        """Return whose token is among ``candidates``, the first that is good; raises a 401 or a 429.

        Every one of them is looked at, and each wrong guess counts, also beside a good token.
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
            raise self._too_many(address) if withheld else _unauthorized()
        return found

    async def enter(self, identity: Identity) -> None:
        """Spend the token where it is for one use; raises a 401 where that is over, and as ``Ref.ask``."""
        if identity.is_master:
            return
        token = self._tokens.view.state.tokens.get(identity.token_id)
        if token is not None and not token.remove_on_use:
            return
        spend = Spend(identity.token_id, self._clock())
        try:
            await settle(lambda: self._tokens.ref.ask(spend, begin_operation("token")))
        except Rejection:
            raise _unauthorized() from None

    def _too_many(self, address: str) -> ApiError:
        seconds = max(1, math.ceil(self._attempts.wait(address)))
        message = "too many wrong tokens came from this address, try again later"
        return ApiError(
            HTTPStatus.TOO_MANY_REQUESTS, "too_many_attempts", message, {"Retry-After": str(seconds)}
        )


def _unauthorized() -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, "unauthorized", "a valid token is needed")


@lru_cache(maxsize=256)
def to_digest(token: str) -> str:
    """Return the SHA-256 of a token's text, in hexadecimal.

    The newest are remembered, as a client shows the same token again and again. Nothing is decided by that: a
    digest follows from the text alone, and whether it is a good one is looked up each time.
    """
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def to_identity(token: Token, endings: Mapping[str, int]) -> Identity:
    """Return who a minted token's bearer is, after the deletions of containers in ``endings``."""
    return Identity(token.token_id, token.remaining(endings), token.expires_at, token.position)


def to_candidates(in_query: Sequence[str], in_header: Sequence[str], offered: Sequence[str]) -> list[str]:
    """Return the tokens that a handshake offers, one from each place at most: it isn't one try for many."""
    return [token for token in (*in_query[:1], *in_header[:1], *offered[:1]) if token]


def to_bearer(authorization: str | None) -> list[str]:
    """Return the token of an ``Authorization`` header, in a list of at most one."""
    found = _BEARER.fullmatch(authorization.strip()) if authorization else None
    return [found[1]] if found else []


def to_offered(subprotocols: Iterable[str]) -> list[str]:
    """Return the tokens among the sub-protocols that a WebSocket client offers."""
    return [name.removeprefix(SUBPROTOCOL) for name in subprotocols if name.startswith(SUBPROTOCOL)]


def check_media_type(accept: str) -> None:
    """Raise a 403 unless ``accept``, a header of RFC 9110 section 12.5.1, lists the vendor's media type."""
    if accept.lower() == MEDIA_TYPE:
        return
    offered = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    if MEDIA_TYPE not in offered:
        message = "the Accept header must be Application/vnd.pkglatv1+json"
        raise ApiError(HTTPStatus.FORBIDDEN, "vendor_header_required", message)
