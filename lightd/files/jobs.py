"""Long operations on files, which clients can list and cancel: archives and copies of trees.

A job is a task of the daemon, not of the request that started it. A request that waits for a job can leave it
running, or cancel it. Finished jobs are remembered until the daemon stops: the last ``KEPT_IN_ONE`` of each
volume, and at most ``KEPT`` in total.
"""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import attrs
import trio

from lightd.files.errors import Busy, FileRefused
from lightd.files.shares import PRIVILEGED

logger = logging.getLogger(__name__)

KEPT_IN_ONE: Final = 20
KEPT: Final = 2000  # some hundred bytes each
UNDER_WAY: Final = 1  # for each volume, and as many with the master token
WAITING: Final = 2  # for each volume, and as many with the master token; more are refused

Status = Literal["pending", "succeeded", "failed", "cancelled"]


@attrs.define(eq=False)
class Job:
    """One job. ``bytes`` is its progress; times are Unix seconds."""

    operation_id: str
    kind: str
    volume_id: str
    privileged: bool
    started_at: float
    status: Status = "pending"
    bytes: int = 0
    answer: int | None = None
    failure: Exception | None = None
    finished_at: float | None = None
    done: trio.Event = attrs.field(factory=trio.Event)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def cancel(self) -> None:
        """Cancel it; its partial result is removed. Does nothing if it has ended."""
        self._scope.cancel()

    def advance(self, count: int) -> None:
        """Report that this many bytes have been processed."""
        self.bytes = count

    @property
    def error(self) -> str | None:
        """The reason of the failure, for the client."""
        if self.failure is None:
            return None
        return (
            str(self.failure)
            if isinstance(self.failure, FileRefused)
            else "an unexpected failure (see the log)"
        )

    def to_shown(self) -> dict[str, Any]:
        """The job as an operation of the API."""
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
    """All jobs, the oldest first; opened by ``open_jobs``."""

    _nursery: trio.Nursery
    _clock: Callable[[], float]
    _jobs: OrderedDict[str, Job] = attrs.field(factory=OrderedDict)

    def start(self, operation_id: str, kind: str, volume_id: str, work: Work) -> Job:
        """Start ``work``; its result is the answer. Raises ``Busy`` if too many jobs wait for the volume."""
        privileged = PRIVILEGED.get()
        pending = [
            job for job in self.of(volume_id) if job.status == "pending" and job.privileged == privileged
        ]
        if len(pending) >= UNDER_WAY + WAITING:
            bounds = f"{UNDER_WAY} at once, and {WAITING} more wait"
            raise Busy(f"This volume has too many archives: {bounds}; try again later")
        job = Job(operation_id, kind, volume_id, privileged, self._clock())
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
                except Exception as failure:
                    # It is reported to the caller, or by the operation; the daemon continues.
                    if not job._scope.cancel_called:  # noqa: SLF001 - as above; otherwise it failed because it was cancelled
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
    """Open the jobs; at the end of the block, running ones are cancelled and awaited."""
    async with trio.open_nursery() as nursery:
        try:
            yield Jobs(nursery, clock)
        finally:
            nursery.cancel_scope.cancel()
