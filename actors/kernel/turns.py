"""Turns: long work on the event loop in short steps, of which each pass of the loop has one.

Work that grows with what somebody else has made is cut into steps of well under a millisecond. Each begins
with a turn. All who take turns stand in one line, so however many of them there are, whatever else is ready
to run waits for one step at most.
"""

from typing import TypeVar

import attrs
import trio

from actors.kernel.steps import Steps

T = TypeVar("T")


@attrs.define(eq=False)
class Turns:
    """The one line of all who have more to do than fits into a step."""

    _line: trio.Lock = attrs.field(factory=trio.Lock)

    async def next(self) -> None:
        """Wait until nobody else has a turn in this pass; what is done before the next await is the step."""
        async with self._line:
            pass

    async def run(self, steps: Steps[T]) -> T:
        """Do all ``steps``, each in a turn of its own but for the first, and return what they found."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: T = end.value
                return found
            await self.next()
