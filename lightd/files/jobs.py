"""Work on files that takes so long that one wants to look at it: archives and copies of trees.

A job is a task of the daemon's, not of the request that began it. Whoever waits for one may leave it alone,
or take it along (``cancel``). Ended ones are remembered, the last ``KEPT`` of them, until the daemon ends.
"""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import attrs
import trio

from actors.kernel.mailbox import Overloaded
from lightd.files.errors import FileRefused

logger = logging.getLogger(__name__)

KEPT: Final = 200
MOST: Final = 64  # that are under way or wait for their turn; more are refused

Status = Literal["pending", "succeeded", "failed", "cancelled"]


@attrs.define(eq=False)
class Job:
    """One of them. ``bytes`` were worked through so far; times are Unix seconds."""

    operation_id: str
    kind: str
    volume_id: str
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
        """Begin ``work``; its answer is the job's. Raises ``Overloaded``."""
        if sum(job.status == "pending" for job in self._jobs.values()) >= MOST:
            raise Overloaded("too many file operations are under way, try again later")
        job = Job(operation_id, kind, volume_id, self._clock())
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
            self._forget()

    def _forget(self) -> None:
        ended = [job for job in self._jobs.values() if job.status != "pending"]
        for job in ended[: max(0, len(ended) - KEPT)]:
            del self._jobs[job.operation_id]


@asynccontextmanager
async def open_jobs(clock: Callable[[], float]) -> AsyncIterator[Jobs]:
    """Yield the jobs; what is under way at the end of the block is cancelled, and waited for."""
    async with trio.open_nursery() as nursery:
        try:
            yield Jobs(nursery, clock)
        finally:
            nursery.cancel_scope.cancel()
