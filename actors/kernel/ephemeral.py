"""Live data that is not stored: a stream of numbered items, and a current value.

Writing never waits and never fails. A ``Ring`` keeps the newest items and tells a slow reader how many it has
missed; a ``Latest`` keeps one value, to which a slow reader skips. Both notify a ``Wake`` when something is
new; several can share one, so that a reader waits for all of them at once.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

import attrs
import trio

T = TypeVar("T")


@attrs.define(eq=False)
class Wake:
    """Wakes all tasks that wait for it. It remembers nothing: check the condition, then wait, in one step."""

    _event: trio.Event = attrs.field(factory=trio.Event)

    def notify(self) -> None:
        """Wake all tasks that are waiting now."""
        if self._event.statistics().tasks_waiting:
            self._event.set()
            self._event = trio.Event()

    async def wait(self) -> None:
        """Wait for the next ``notify``."""
        await self._event.wait()


@attrs.frozen
class Stretch(Generic[T]):
    """Consecutive items of a ring. ``first`` is the number of the first; ``missed`` before it are lost."""

    first: int
    items: Sequence[T]
    missed: int = 0

    @property
    def last(self) -> int:
        """The number of the last item; ``first - 1`` if there are none."""
        return self.first + len(self.items) - 1


@attrs.define(eq=False)
class Ring(Generic[T]):
    """The newest items of a stream, numbered from 1 without gaps.

    Bounded by ``items`` and by ``size``, the sum of ``measure`` over all items; beyond either bound the
    oldest are dropped. The newest item is always kept. ``volume`` is the sum over all items ever pushed.
    """

    items: int
    size: int
    measure: Callable[[T], int]
    wake: Wake = attrs.field(factory=Wake)
    _kept: deque[T] = attrs.field(factory=deque)
    _held: int = 0
    _last: int = 0
    volume: int = 0

    @property
    def last(self) -> int:
        """The number of the newest item, 0 before the first."""
        return self._last

    @property
    def first(self) -> int:
        """The number of the oldest item that is still kept; ``last + 1`` if there is none."""
        return self._last - len(self._kept) + 1

    def push(self, items: Sequence[T]) -> None:
        """Append ``items`` and wake the readers once."""
        self._kept.extend(items)
        self._last += len(items)
        size = sum(map(self.measure, items))
        self._held += size
        self.volume += size
        while len(self._kept) > 1 and (len(self._kept) > self.items or self._held > self.size):
            self._held -= self.measure(self._kept.popleft())
        if items:
            self.wake.notify()

    def read(self, after: int, limit: int) -> Stretch[T]:
        """Return at most ``limit`` items after number ``after``, and how many before them are lost.

        A number greater than the newest counts as the newest.
        """
        after = min(after, self._last)
        first = max(after + 1, self.first)
        return Stretch(first, self._cut(first - self.first, limit), missed=first - after - 1)

    def _cut(self, start: int, limit: int) -> list[T]:
        """Return the kept items from index ``start`` on; iterates from the nearer end."""
        stop = min(start + limit, len(self._kept))
        if start < len(self._kept) - stop:
            return list(islice(self._kept, start, stop))
        return list(islice(reversed(self._kept), len(self._kept) - stop, len(self._kept) - start))[::-1]

    def tail(self, limit: int) -> Stretch[T]:
        """Return the newest items, at most ``limit``."""
        return self.read(max(self._last - limit, self.first - 1), limit)


@attrs.define(eq=False)
class Latest(Generic[T]):
    """The newest value of something that changes, and how often it was set."""

    value: T
    wake: Wake = attrs.field(factory=Wake)
    edition: int = 0

    def set(self, value: T) -> None:
        """Replace the value and wake the readers; does nothing if it is equal to the current one."""
        if value != self.value:
            self.value = value
            self.edition += 1
            self.wake.notify()
