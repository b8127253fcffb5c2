"""How long the event loop keeps everybody waiting, and what it does meanwhile.

1. A *pass* of the loop runs all tasks that are ready. Nobody else is served until it ends. An instrument of
   Trio measures each pass: that costs a microsecond and wakes nothing.
2. What a long pass is busy with can be seen from another thread alone. It looks at the stack when a pass has
   run for ``LOOK`` seconds, and sleeps once the loop had nothing to do for as long; to be woken for each pass
   would cost more than the pass.
3. A pass over ``BLOCKED`` seconds is logged when it ends, with the innermost function of ours and the name of
   the task: at most once in ``TOLD_EVERY`` seconds for each function. On a machine that is overloaded a pass
   may be long through no fault of what runs in it.
4. The figures are kept: how many passes took how long, and the longest (``Delays``).
"""

import bisect
import contextlib
import logging
import math
import sys
import threading
import time
from collections.abc import AsyncIterator
from types import FrameType

import attrs
import trio

logger = logging.getLogger(__name__)

BOUNDS = (0.001, 0.005, 0.010, 0.025, 0.050, 0.100, 0.250, 0.500, 1.0, 2.5)
"""Seconds: the upper bounds of the classes of delays; the last class has none."""
BLOCKED = 0.050
LOOK = 0.040
TOLD_EVERY = 10.0
OURS = ("lightd", "actors")


@attrs.define(eq=False)
class Delays:
    """The passes of the loop by length: ``counts`` has a number for each of ``BOUNDS``, and one more."""

    counts: list[int] = attrs.field(factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a pass that took so long."""
        self.counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def reset(self) -> None:
        """Begin anew."""
        self.counts[:] = [0] * len(self.counts)
        self.total = self.longest = 0.0


@attrs.frozen
class Sight:
    """What the loop was seen doing: a function of ours, as ``module.function``, and the task's name."""

    place: str
    task: str


class Passes(trio.abc.Instrument):
    """Measures each pass of the loop that it is installed in."""

    def __init__(self, delays: Delays) -> None:
        self._delays = delays
        self._thread = threading.get_ident()
        self._began = math.inf
        self._passes = 0
        self._sight: Sight | None = None
        self._called = threading.Event()
        self._asleep = False
        self._closed = False
        self._told: dict[str, float] = {}

    # In the loop's thread

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - Trio passes it
        self._began = time.perf_counter()
        self._passes += 1
        if self._asleep:
            self._called.set()

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - Trio passes it
        if self._began is not math.inf:
            seconds, self._began = time.perf_counter() - self._began, math.inf
            self._delays.add(seconds)
            if seconds > BLOCKED:
                self._tell(seconds)

    def _tell(self, seconds: float) -> None:
        sight, self._sight = self._sight, None
        place, task = ("?", "?") if sight is None else (sight.place, sight.task)
        now = time.monotonic()
        if now >= self._told.get(place, 0.0):
            self._told[place] = now + TOLD_EVERY
            message = "the event loop was blocked for %d ms by %s in the task %s"
            logger.warning(message, seconds * 1000, place, task)

    # In the watching thread

    def watch(self) -> None:
        """Look at what runs whenever a pass takes long, until ``close``."""
        while not self._closed:
            number = self._passes
            time.sleep(LOOK)
            if self._passes != number:
                continue
            if self._began is math.inf:
                self._sleep()
            else:
                self._sight = _look(sys._current_frames().get(self._thread))  # noqa: SLF001 - its documented name

    def _sleep(self) -> None:
        """Return when the loop has something to do."""
        self._asleep = True
        if self._began is math.inf and not self._closed:
            self._called.wait()
        self._asleep = False
        self._called.clear()

    def close(self) -> None:
        """Have ``watch`` return."""
        self._closed = True
        self._called.set()


def _look(frame: FrameType | None) -> Sight | None:
    innermost, task = None, "?"
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if innermost is None and name.split(".", maxsplit=1)[0] in OURS:
            innermost = f"{name}.{frame.f_code.co_qualname}"
        if frame.f_code.co_name == "unrolled_run":  # Trio's own loop, whose variable is the task that runs
            task = str(getattr(frame.f_locals.get("task"), "name", task))
        frame = frame.f_back
    return None if innermost is None else Sight(innermost, task)


@contextlib.asynccontextmanager
async def open_delays() -> AsyncIterator[Delays]:
    """Yield the delays of the loop that this is called in; they are measured until the block is left."""
    delays = Delays()
    passes = Passes(delays)
    thread = threading.Thread(target=passes.watch, name="delays", daemon=True)
    thread.start()
    trio.lowlevel.add_instrument(passes)
    try:
        yield delays
    finally:
        trio.lowlevel.remove_instrument(passes)
        passes.close()
