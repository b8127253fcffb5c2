"""The circuit breaker in front of the panel: open, so that nothing is sent, while the panel is unreachable.

A failure that concerns the whole panel opens it for all servers, for a pause that grows with each failure. If
another request succeeded after the failed attempt began, the failure does not concern the whole panel: a
request that the panel answers for one server and not for another is a problem of that server.
"""

import math
from collections.abc import Callable

import attrs
import trio

from actors.kernel.ephemeral import Wake
from actors.remotesync.panel import Later, to_pause


@attrs.define(eq=False)
class CircuitBreaker:
    """Closed at first. ``chance`` returns a random number from 0 to 1."""

    chance: Callable[[], float]
    _failures: int = 0
    _retry_at: float = -math.inf
    _succeeded_at: float = -math.inf
    _closed: Wake = attrs.field(factory=Wake)

    async def wait_closed(self) -> None:
        """Wait until requests can be sent; no checkpoint if they can be sent now."""
        while trio.current_time() < self._retry_at:
            with trio.move_on_at(self._retry_at):
                await self._closed.wait()

    def record_success(self) -> None:
        """Close it after a request that succeeded; the next pause is a short one."""
        self._succeeded_at = trio.current_time()
        self.close()

    def close(self) -> None:
        """Let all waiting requests be sent."""
        self._failures = 0
        self._retry_at = -math.inf
        self._closed.notify()

    def trip(self, failure: Later, began: float) -> bool:
        """Open it after the failure of an attempt that began at ``began``.

        Returns false and does nothing if the failure concerns that attempt alone.
        """
        if not failure.panel_wide or self._succeeded_at >= began:
            return False
        if trio.current_time() >= self._retry_at:  # otherwise an earlier failure has opened it already
            self._failures += 1
            self._retry_at = trio.current_time() + to_pause(self._failures, failure.after, self.chance())
        return True
