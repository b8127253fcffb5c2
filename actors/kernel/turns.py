"""Turns: long work on the event loop in short steps, one step in each pass of the loop.

Work whose amount depends on the input of a tenant is divided into steps of well under a millisecond. Each
step takes a turn. All tasks that take turns are in one queue, so however many there are, other tasks that are
ready to run wait for at most one step.
"""

from typing import TypeVar

import attrs
import trio

from actors.kernel.steps import Steps

T = TypeVar("T")


@attrs.define(eq=False)
class Turns:
    """The queue of the tasks that have more work than fits into one step."""

    _line: trio.Lock = attrs.field(factory=trio.Lock)

    async def next(self) -> None:
        """Wait for a turn; the step is what runs until the next await."""
        async with self._line:
            pass

    async def run(self, steps: Steps[T]) -> T:
        """Run all ``steps``, each but the first in a turn of its own, and return the result."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: T = end.value
                return found
            await self.next()
