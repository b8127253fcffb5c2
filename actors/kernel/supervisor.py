"""One-for-one supervision: a child that crashes is restarted alone, and quarantined when it keeps crashing.

A restart calls the child's function again. The delay before it is ``BACKOFF``, and starts over after a run
without a crash of ``intensity.within`` seconds. More than ``intensity.restarts`` crashes within that time put
the child into quarantine: it stays stopped until it is revived. Its siblings are not affected.

``outages`` are exceptions for external failures, for example a full disk. After those a child is restarted
with the same delays without limit; they are not counted as crashes.
"""

import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import trio

from actors.kernel.backoff import Backoff

logger = logging.getLogger(__name__)

BACKOFF = Backoff(0.1, 10.0, (0.8, 1.2))


@attrs.frozen
class RestartIntensity:
    """At most ``restarts`` restarts within ``within`` seconds; one more crash leads to quarantine."""

    restarts: int = 3
    within: float = 60.0


@attrs.define(eq=False)
class Child:
    """One supervised task; ``work`` is called for every incarnation.

    ``quarantined`` is the last error while it is in quarantine, else None. ``on_quarantine`` and
    ``on_revival`` are called when that changes; they must not block.
    """

    name: str
    work: Callable[[], Awaitable[None]]
    intensity: RestartIntensity
    outages: tuple[type[Exception], ...] = ()
    on_quarantine: Callable[[Exception], None] = lambda _: None
    on_revival: Callable[[], None] = lambda: None
    quarantined: Exception | None = None
    restarts: int = 0
    _crashes: deque[float] = attrs.field(factory=deque)
    _failures: int = 0
    _revived: trio.Event = attrs.field(factory=trio.Event)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def stop(self) -> None:
        """Cancel the child; it is not restarted."""
        self._scope.cancel()

    def revive(self) -> bool:
        """Take the child out of quarantine and forget its crashes; false if it is not in quarantine."""
        if self.quarantined is None:
            return False
        self._revived.set()
        return True

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._work_on()
        except* Exception as errors:
            logger.error("%s crashed while it was being cancelled", self.name, exc_info=errors)  # noqa: TRY400 - the traceback is that of the group

    async def _work_on(self) -> None:
        while True:
            began = trio.current_time()
            try:
                await self.work()
            except Exception as error:  # noqa: BLE001 - every crash is handled here
                await self._recover(error, began)
            else:
                return

    async def _recover(self, error: Exception, began: float) -> None:
        now = trio.current_time()
        if now - began > self.intensity.within:
            self._failures = 0
        if is_outage(error, self.outages):
            logger.warning("%s was stopped by an outage, restarting: %s", self.name, error)
        else:
            logger.error("%s crashed", self.name, exc_info=error)
            self._crashes.append(now)
            while now - self._crashes[0] > self.intensity.within:
                self._crashes.popleft()
            if len(self._crashes) > self.intensity.restarts:
                await self._quarantine(error)
                return
        self.restarts += 1
        self._failures += 1
        await trio.sleep(BACKOFF.delay(self._failures, random.random()))  # noqa: S311 - jitter is no secret

    async def _quarantine(self, error: Exception) -> None:
        logger.error(
            "%s is in quarantine after %d crashes; it stays stopped until it is revived",
            self.name,
            len(self._crashes),
        )
        self.quarantined = error
        self._revived = trio.Event()
        self.on_quarantine(error)
        await self._revived.wait()
        self.quarantined = None
        self._crashes.clear()
        self._failures = 0
        self.on_revival()


def is_outage(error: BaseException, outages: tuple[type[Exception], ...]) -> bool:
    """Return whether ``error``, or every exception of it if it is a group, is one of ``outages``."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(leaf, outages) for leaf in error.exceptions)
    return isinstance(error, outages)


@attrs.define(eq=False)
class Supervisor:
    """Supervises children. Created by ``open_supervisor``."""

    _nursery: trio.Nursery
    intensity: RestartIntensity

    def start(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        outages: tuple[type[Exception], ...] = (),
        on_quarantine: Callable[[Exception], None] = lambda _: None,
        on_revival: Callable[[], None] = lambda: None,
    ) -> Child:
        """Start a child and return at once; ``work`` is called for every incarnation."""
        child = Child(name, work, self.intensity, outages, on_quarantine, on_revival)
        self._nursery.start_soon(child._run)  # noqa: SLF001 - only its supervisor runs a child
        return child


@asynccontextmanager
async def open_supervisor(intensity: RestartIntensity | None = None) -> AsyncIterator[Supervisor]:
    """Yield a supervisor; on exit, its children are cancelled and awaited."""
    async with trio.open_nursery() as nursery:
        try:
            yield Supervisor(nursery, intensity or RestartIntensity())
        finally:
            nursery.cancel_scope.cancel()
