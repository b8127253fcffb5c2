"""The gate in front of the panel: shut while there seems to be no panel behind it.

Trouble that is everybody's shuts it for all, for a pause that grows with every failure. But where somebody
got through after the attempt had begun, it was not everybody's: a request that the panel answers for one
server and lets hang for another is that other's own affair.
"""

import math
from collections.abc import Callable

import attrs
import trio

from actors.kernel.ephemeral import Wake
from actors.remotesync.panel import Later, to_pause


@attrs.define(eq=False)
class Gate:
    """``chance`` returns a random number from 0 to 1."""

    chance: Callable[[], float]
    _failures: int = 0
    _opens_at: float = -math.inf
    _passed_at: float = -math.inf
    _opened: Wake = attrs.field(factory=Wake)

    async def wait(self) -> None:
        """Wait until the gate is open; no checkpoint where it is."""
        while trio.current_time() < self._opens_at:
            with trio.move_on_at(self._opens_at):
                await self._opened.wait()

    def passed(self) -> None:
        """Somebody got through: the gate is open, and the next pause a short one."""
        self._passed_at = trio.current_time()
        self.open()

    def open(self) -> None:
        """Let everybody through who waits."""
        self._failures = 0
        self._opens_at = -math.inf
        self._opened.notify()

    def shut(self, trouble: Later, began: float) -> bool:
        """Shut the gate for trouble of an attempt that began then; false where that is the attempt's own."""
        if not trouble.everybody or self._passed_at >= began:
            return False
        if trio.current_time() >= self._opens_at:  # else others ran into the same before
            self._failures += 1
            self._opens_at = trio.current_time() + to_pause(self._failures, trouble.after, self.chance())
        return True
