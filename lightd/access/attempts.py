"""Failed attempts at the master token, and what an address may still try.

A token that was minted has 256 random bits: no number of guesses finds one, so looking it up is never
refused, and costs an address nothing. Guessing pays only against a master token that a person made up. So
what is limited is the comparison with that one: ``BURST`` wrong guesses from an address, then one more every
``EVERY`` seconds. A client counts by its address, over IPv6 by its /64.

1. One who shares his address with an attacker (a NAT, a proxy) is not locked out. Minted tokens are accepted
   as ever. And a digest that has let its bearer in from this address before is compared as ever, so a panel
   goes on, whatever its neighbour tries.
2. That is no help in guessing elsewhere: from an address at which the master token was never used, the right
   guess is refused along with the wrong ones. From one where it was, no limit could tell the right guess from
   the panel's own request; there its length alone stands in the way, and lightd makes them with 256 bits.
3. What is refused was compared with nothing, and costs nothing more: the wait doesn't grow.
4. Success costs nothing, and wipes nothing out either: an attacker who also has a token gains no guesses.
5. Memory is bounded: ``ADDRESSES`` that failed, of which the one that has been quiet longest is forgotten
   first, and ``KNOWN`` at which the master token was used. Nobody gets into the latter by failing, so it
   can't be flooded. Both are forgotten by a restart.
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
    """Who may still try. ``_paid`` has the moment at which an address's failures will all be forgotten."""

    _clock: Callable[[], float] = trio.current_time
    _paid: OrderedDict[str, float] = attrs.field(factory=OrderedDict)
    _known: OrderedDict[str, str] = attrs.field(factory=OrderedDict)

    def wait(self, address: str) -> float:
        """Return in how many seconds ``address`` may try again, 0 where at once."""
        paid = self._paid.get(to_key(address)) if self._paid else None
        return 0.0 if paid is None else max(0.0, paid - self._clock() - (BURST - 1) * EVERY)

    def may_try(self, address: str, digest: str) -> bool:
        """Return true where ``digest`` may be compared with that of the master token."""
        return self.wait(address) == 0 or hmac.compare_digest(self._known.get(to_key(address), ""), digest)

    def failed(self, address: str) -> None:
        """Count a wrong guess."""
        key, now = to_key(address), self._clock()
        self._paid[key] = max(now, self._paid.get(key, now)) + EVERY
        self._paid.move_to_end(key)
        if len(self._paid) > ADDRESSES:
            self._paid.popitem(last=False)

    def succeeded(self, address: str, digest: str) -> None:
        """Remember that ``digest`` let its bearer in from ``address``."""
        key = to_key(address)
        self._known[key] = digest
        self._known.move_to_end(key)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
