"""Measures volumes in one thread, in short slices, so that no measurement waits for the end of another.

- A measurement begins with a slice immediately. One that ends within it (``SLICE``: about a thousand names)
  does not wait for a long one. Longer ones rotate: each gets a slice in turn, however many there are.
- New measurements and rotating ones alternate, so neither delays the other.
- After a slice the thread pauses for as long as the slice took. So measuring uses at most half of a CPU, and
  Python's lock is free for the event loop. The thread has the daemon's own priority: with a lower one it
  would be preempted while it holds that lock, and the event loop would wait.
- A measurement whose caller was cancelled ends at its next slice.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

import attrs
import trio

from lightd.files import errors
from lightd.files.charging import Amount
from lightd.files.jail import open_jail
from lightd.files.measuring import survey

T = TypeVar("T")

SLICE: Final = 0.005
TRIES: Final = 3  # attempts to walk through a volume in which folders are moved
SHORT: Final = 0.001  # a measurement of a small volume: no pause needed
BETWEEN: Final = 32
"""Names between two checks of the clock."""

Steps = Generator[None, None, T]


@attrs.define(eq=False)
class _Look(Generic[T]):
    steps: Steps[T]
    ended: Callable[[], object]
    left: bool = False
    spent: float = 0.0
    answer: list[T] = attrs.field(factory=list)
    failure: BaseException | None = None

    def go_on(self, until: float) -> bool:
        """Continue until ``until`` or a little later; return whether it is finished."""
        try:
            while not self.left:
                for _ in range(BETWEEN):
                    next(self.steps)
                if time.monotonic() >= until:
                    return False
            self.steps.close()
        except StopIteration as end:
            self.answer.append(end.value)
        except BaseException as failure:  # noqa: BLE001 - passed on to every caller that waits for the result
            self.failure = failure
        return True


@attrs.define(eq=False)
class Surveyor:
    """See the module; made by ``open_surveyor``."""

    _new: deque[_Look[Any]] = attrs.field(factory=deque)
    _round: deque[_Look[Any]] = attrs.field(factory=deque)
    _changed: threading.Condition = attrs.field(factory=threading.Condition)
    _closed: bool = False

    async def look(self, steps: Steps[T]) -> tuple[T, float]:
        """Return the result of ``steps`` and its duration in seconds; raises what they raise.

        They are closed if the caller is cancelled.
        """
        token, ended = trio.lowlevel.current_trio_token(), trio.Event()
        look = _Look(steps, lambda: token.run_sync_soon(ended.set))
        with self._changed:
            self._new.append(look)
            self._changed.notify()
        try:
            await ended.wait()
        finally:
            look.left = True
            with trio.CancelScope(shield=True):
                await ended.wait()
        if look.failure is not None:
            raise look.failure
        return look.answer[0], look.spent

    def serve(self) -> None:
        """Process measurements until ``close``."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._new or self._round or self._closed)
                if self._closed:
                    return
            took = sum(self._continue(looks.popleft()) for looks in (self._new, self._round) if looks)
            if took > SHORT:
                time.sleep(took)

    def _continue(self, look: _Look[Any]) -> float:
        began = time.monotonic()
        ended = look.go_on(began + SLICE)
        took = time.monotonic() - began
        look.spent += took
        if ended:
            look.ended()
        else:
            self._round.append(look)
        return took

    def close(self) -> None:
        """Stop; no caller waits for a measurement any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()


@contextmanager
def open_surveyor() -> Iterator[Surveyor]:
    """Yield a surveyor; it must not be used after the block."""
    surveyor = Surveyor()
    thread = threading.Thread(target=surveyor.serve, name="lightd-surveyor")
    thread.start()
    try:
        yield surveyor
    finally:
        surveyor.close()
        thread.join()


async def walk_through(surveyor: Surveyor, path: str, most: int) -> tuple[Amount, float]:
    """Measure the volume at ``path``; return its usage and the duration in seconds.

    Raises ``NotAllowed`` if folders in it are moved all the time.
    """
    for _ in range(TRIES - 1):
        try:
            return await surveyor.look(_steps(path, most))
        except errors.NotAllowed:
            continue
    try:
        return await surveyor.look(_steps(path, most))
    except errors.NotAllowed:
        raise errors.NotAllowed(
            "The volume cannot be measured, because its folders are moved all the time"
        ) from None


def _steps(path: str, most: int) -> Steps[Amount]:
    with open_jail(path) as jail:
        return (yield from survey(jail, most))
