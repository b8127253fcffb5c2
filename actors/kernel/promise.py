"""A promise: an outcome that one task sets and other tasks wait for."""

from typing import Generic, TypeVar

import attrs
import trio

T = TypeVar("T")


@attrs.define(eq=False)
class Promise(Generic[T]):
    """A value or an error that is there once it was set; the first outcome counts, later ones are ignored.

    Setting one never waits. A waiter that was cancelled changes nothing for the others. All waiters raise the
    same ``error`` object.
    """

    error: Exception | None = None
    _value: T | None = None
    _set: trio.Event = attrs.field(factory=trio.Event)

    @property
    def settled(self) -> bool:
        """Whether there is an outcome."""
        return self._set.is_set()

    def set(self, value: T) -> None:
        """Let every waiter return ``value``; does nothing if there is an outcome already."""
        if not self.settled:
            self._value = value
            self._set.set()

    def fail(self, error: Exception) -> None:
        """Let every waiter raise ``error``; does nothing if there is an outcome already."""
        if not self.settled:
            self.error = error
            self._set.set()

    async def wait(self) -> T:
        """Return the value or raise the error, as soon as there is one; always a checkpoint."""
        await self._set.wait()
        if self.error is not None:
            raise self.error
        return self._value  # type: ignore[return-value]  # it is set: there is an outcome and no error
