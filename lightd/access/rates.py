"""Limits how often a token may start, stop, change, and send commands to one container.

Each start and each change writes to the journal and is work for Docker, so a client that repeats them as
fast as it can slows all others. The rules:

1. Each token has a budget for each container and each kind of action: ``burst`` at once, then one in
   ``every`` seconds. More is refused with the time after which to try again, and spends nothing.
2. Stopping and killing have a budget of their own, so that a kill is always possible after many starts. It
   is not shared with other tokens.
3. Starts and changes by tokens with ``containers`` have a second budget for each container, twice as large,
   that all those tokens share: a panel mints a token for each page, and a tenant may have many pages.
4. The master token has no limit, so that an operator can start all servers at once; except for commands,
   whose limit is that of a WebSocket, which is the same for every token.
5. Memory is bounded: beyond ``REMEMBERED`` budgets, the one that was used longest ago is forgotten.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import attrs
import trio

from lightd.access.errors import LimitExceeded
from lightd.access.identity import Identity

REMEMBERED: Final = 10_000
ROUNDING: Final = 1e-6
"""Seconds: sums of fractions are not exact."""
SHARED: Final = 2
"""The budget that all tokens with ``containers`` share, in multiples of a token's own."""


@attrs.frozen
class Budget:
    """``burst`` actions at once, then one in ``every`` seconds. ``title`` is used in messages.

    ``master`` is true if it also limits the master token.
    """

    title: str
    burst: int
    every: float
    shared: bool = True
    master: bool = False


STARTING: Final = Budget("started or restarted", 20, 5.0)
ENDING: Final = Budget("stopped or killed", 20, 0.5, shared=False)
CHANGING: Final = Budget("changed", 20, 5.0)
SENDING: Final = Budget("sent commands", 20, 0.05, master=True)
POWER: Final = MappingProxyType({"start": STARTING, "restart": STARTING, "stop": ENDING, "kill": ENDING})


@attrs.define(eq=False)
class Rates:
    """The budgets: for each, the time at which everything that was spent is available again."""

    _clock: Callable[[], float] = trio.current_time
    _paid: OrderedDict[tuple[str, str, str], float] = attrs.field(factory=OrderedDict)

    def spend(self, budget: Budget, subject: str, identity: Identity, actions: int = 1) -> None:
        """Spend ``actions`` of ``budget`` on ``subject``, at most its ``burst``; raises ``LimitExceeded``."""
        if identity.is_master and not budget.master:
            return
        keys = [((budget.title, subject, identity.token_id), budget.burst)]
        if budget.shared and identity.grant.containers is not None:
            keys.append(((budget.title, subject, ""), SHARED * budget.burst))
        now = self._clock()
        for key, burst in keys:
            every = budget.every * budget.burst / burst
            if (wait := self._paid.get(key, now) - now - (burst - actions) * every) > ROUNDING:
                raise _too_often(budget, wait)
        for key, burst in keys:
            every = budget.every * budget.burst / burst
            self._paid[key] = max(now, self._paid.get(key, now)) + actions * every
            self._paid.move_to_end(key)
        while len(self._paid) > REMEMBERED:
            self._paid.popitem(last=False)


def _too_often(budget: Budget, wait: float) -> LimitExceeded:
    often = f"{budget.burst} times at once, then every {budget.every:g} seconds"
    message = f"this is {budget.title} too often: the limit is {often}"
    return LimitExceeded("too_often", message, max(1, math.ceil(wait)))
