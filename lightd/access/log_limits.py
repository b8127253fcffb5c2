"""Limits the log lines of one client's requests.

Each request has a log line, and a client without a token could fill the disk with them. Each source (a
token, or an address without one) has ``BURST`` lines and then ``RATE`` a second; all addresses together
have ten times as many. Lines that are left out are counted, and the count is logged every ``SUMMARY``
seconds. Requests of the master token are always logged.
"""

import logging
import math
from collections import OrderedDict
from collections.abc import Callable

import attrs
import trio

from lightd.access.addresses import to_key

logger = logging.getLogger("lightd.request")

BURST = 100
RATE = 5.0
STRANGERS = ""
"""The source that all addresses without a token share."""
SUMMARY = 10.0
SOURCES = 4096
"""The maximum number of sources; the oldest is forgotten first."""


@attrs.define(eq=False)
class LogLimits:
    """Decides which requests are logged. ``_paid`` is the time at which a source has all its lines again."""

    _clock: Callable[[], float] = trio.current_time
    _paid: OrderedDict[str, float] = attrs.field(factory=OrderedDict)
    _left_out: int = 0
    _summary_at: float = -math.inf

    def admits(self, token_id: str | None, address: str) -> bool:
        """Whether a request of this source is logged; if so, it counts as one of its lines."""
        now = self._clock()
        own = f"token {token_id}" if token_id is not None else f"address {to_key(address)}"
        fits = self._take(own, 1, now) and (token_id is not None or self._take(STRANGERS, 10, now))
        self._left_out += not fits
        if self._left_out and now >= self._summary_at:
            logger.warning("%d more requests like those before were not logged", self._left_out)
            self._left_out, self._summary_at = 0, now + SUMMARY
        return fits

    def _take(self, source: str, share: int, now: float) -> bool:
        before = max(now, self._paid.pop(source, now))
        fits = (before - now) * RATE < BURST - 0.5
        self._paid[source] = before + fits / (RATE * share)
        if len(self._paid) > SOURCES:
            self._paid.popitem(last=False)
        return fits
