"""Work on files that takes so long that one wants to look at it: archives and copies of trees.

A job is a task of the daemon's, not of the request that began it. Whoever waits for one may leave it alone,
or take it along (``cancel``). Ended ones are remembered until the daemon ends: the last ``KEPT_IN_ONE`` of a
volume, and of volumes that are no more as far as there is room for ``KEPT``.
"""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import attrs
import trio

from lightd.files.errors import Busy, FileRefused
from lightd.files.shares import FAVOURED

logger = logging.getLogger(__name__)

KEPT_IN_ONE: Final = 20
KEPT: Final = 2000  # at a few hundred bytes
UNDER_WAY: Final = 1  # in one volume, and as many with the master token
WAITING: Final = 2  # for one volume, and as many with the master token; more are refused

Status = Literal["pending", "succeeded", "failed", "cancelled"]


@attrs.define(eq=False)
class Job:
    """One of them. ``bytes`` were worked through so far; times are Unix seconds."""

    operation_id: str
    kind: str
    volume_id: str
    favoured: bool
    started_at: float
    status: Status = "pending"
    bytes: int = 0
    answer: int | None = None
    failure: Exception | None = None
    finished_at: float | None = None
    done: trio.Event = attrs.field(factory=trio.Event)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def cancel(self) -> None:
        """It ends soon, and leaves nothing behind; nothing where it has ended."""
        self._scope.cancel()

    def told(self, count: int) -> None:
        """So many bytes were worked through."""
        self.bytes = count

    @property
    def error(self) -> str | None:
        """Why it failed, as a client may be told."""
        if self.failure is None:
            return None
        return str(self.failure) if isinstance(self.failure, FileRefused) else "an unexpected failure"

    def to_shown(self) -> dict[str, Any]:
        """The job as a client sees an operation."""
        return {
            "operation_id": self.operation_id,
            "kind": self.kind,
            "volume_id": self.volume_id,
            "status": self.status,
            "bytes": self.bytes,
            "error": self.error,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
        }


Work = Callable[[Job], Awaitable[int]]


@attrs.define(eq=False)
class Jobs:
    """All of them, the oldest first. Made by ``open_jobs``."""

    _nursery: trio.Nursery
    _clock: Callable[[], float]
    _jobs: OrderedDict[str, Job] = attrs.field(factory=OrderedDict)

    def start(self, operation_id: str, kind: str, volume_id: str, work: Work) -> Job:
        """Begin ``work``; its answer is the job's. Raises ``Busy`` where too many wait for that volume."""
        favoured = FAVOURED.get()
        pending = [job for job in self.of(volume_id) if job.status == "pending" and job.favoured == favoured]
        if len(pending) >= UNDER_WAY + WAITING:
            raise Busy(f"This volume has too many archives: {UNDER_WAY} at once, and {WAITING} more wait")
        job = Job(operation_id, kind, volume_id, favoured, self._clock())
        self._jobs[operation_id] = job
        self._nursery.start_soon(self._run, job, work)
        return job

    def get(self, operation_id: str) -> Job | None:
        return self._jobs.get(operation_id)

    def of(self, volume_id: str) -> list[Job]:
        """The jobs of one volume, the oldest first."""
        return [job for job in self._jobs.values() if job.volume_id == volume_id]

    async def _run(self, job: Job, work: Work) -> None:
        status: Status = "cancelled"
        try:
            with job._scope:  # noqa: SLF001 - its own job
                try:
                    job.answer = await work(job)
                    status = "succeeded"
                except Exception as failure:  # told to whoever waits, or looks later; the daemon goes on
                    if not job._scope.cancel_called:  # noqa: SLF001 - as above; else it failed because of that
                        job.failure, status = failure, "failed"
                    if not isinstance(failure, FileRefused):
                        logger.exception("%s in volume %s failed", job.kind, job.volume_id)
        finally:
            job.status, job.finished_at = status, self._clock()
            job.done.set()
            self._forget(self.of(job.volume_id), KEPT_IN_ONE)
            self._forget(self._jobs.values(), KEPT)

    def _forget(self, jobs: Iterable[Job], kept: int) -> None:
        ended = [job for job in jobs if job.status != "pending"]
        for job in ended[: max(0, len(ended) - kept)]:
            del self._jobs[job.operation_id]


@asynccontextmanager
async def open_jobs(clock: Callable[[], float]) -> AsyncIterator[Jobs]:
    """Yield the jobs; what is under way at the end of the block is cancelled, and waited for."""
    async with trio.open_nursery() as nursery:
        try:
            yield Jobs(nursery, clock)
        finally:
            nursery.cancel_scope.cancel()
