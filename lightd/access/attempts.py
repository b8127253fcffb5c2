"""Limits wrong guesses at the master token, by address.

A minted token has 256 random bits and cannot be guessed, so looking one up is never limited. Guessing can
only succeed against a master token that a person invented. So the comparison with that one is limited:
``BURST`` wrong guesses from an address, then one more every ``EVERY`` seconds. Over IPv6 a client counts by
its /64.

1. A client that shares its address with an attacker (NAT, proxy) is not locked out: minted tokens are
   accepted as before, and a digest that was valid from this address before is compared as before.
2. That does not help an attacker elsewhere: from an address where the master token was never used, the
   right guess is refused along with the wrong ones. From an address where it was used, no limit could
   distinguish the right guess from the panel's own request; there only the token's length protects it
   (lightd makes 256 bits).
3. A refused guess is compared with nothing and does not extend the wait.
4. Success costs nothing and resets nothing: an attacker that also has a valid token gains no guesses.
5. Memory is bounded: ``ADDRESSES`` that failed, of which the one that was quiet longest is forgotten first,
   and ``KNOWN`` at which the master token was used, which cannot be flooded by failures. A restart forgets
   both.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable

import attrs
import trio

from lightd.access.addresses import to_key

BURST = 20
EVERY = 3.0
ADDRESSES = 10_000
KNOWN = 1_000


@attrs.define(eq=False)
class Attempts:
    """The failures of each address. ``_paid`` is the time at which all of them are forgotten."""

    _clock: Callable[[], float] = trio.current_time
    _paid: OrderedDict[str, float] = attrs.field(factory=OrderedDict)
    _known: OrderedDict[str, str] = attrs.field(factory=OrderedDict)

    def wait(self, address: str) -> float:
        """Return the seconds until ``address`` may try again; 0 if it may now."""
        paid = self._paid.get(to_key(address)) if self._paid else None
        return 0.0 if paid is None else max(0.0, paid - self._clock() - (BURST - 1) * EVERY)

    def may_try(self, address: str, digest: str) -> bool:
        """Return true if ``digest`` may be compared with the master token's."""
        return self.wait(address) == 0 or hmac.compare_digest(self._known.get(to_key(address), ""), digest)

    def failed(self, address: str) -> None:
        """Count a wrong guess."""
        key, now = to_key(address), self._clock()
        self._paid[key] = max(now, self._paid.get(key, now)) + EVERY
        self._paid.move_to_end(key)
        if len(self._paid) > ADDRESSES:
            self._paid.popitem(last=False)

    def succeeded(self, address: str, digest: str) -> None:
        """Remember that ``digest`` was valid from ``address``."""
        key = to_key(address)
        self._known[key] = digest
        self._known.move_to_end(key)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
