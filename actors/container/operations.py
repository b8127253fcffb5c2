"""What became of something that was asked of a container: read off its records. Pure.

Every record that a wish led to carries the wish's operation id as its cause; what it leads to later is
reported by the engine and carries none. So an operation is followed by what its first record says: the run
that it wants up or down, the attempt that it wants built. An operation ends once; what happens to the
container afterwards is no part of it.

Records of one decision come together, and have to be folded together: a stop that first calls something else
off is told by two.
"""

from collections.abc import Sequence
from enum import Enum

import attrs

from actors.container import events
from actors.container.events import Follow
from actors.kernel.journal import Recorded


class Status(Enum):
    """How far an operation is."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@attrs.frozen
class Operation:
    """One thing that was asked for. Times are Unix seconds; ``error`` says why it failed or was cancelled.

    ``run`` and ``attempt`` are those that it is about, None where it is about none. ``run_script`` is whether
    a reinstallation runs an install script, None for any other operation.
    """

    operation_id: str
    kind: str
    internal_id: str
    started_at: float
    status: Status = Status.PENDING
    error: str | None = None
    finished_at: float | None = None
    run: int | None = None
    attempt: int | None = None
    run_script: bool | None = None

    @property
    def settled(self) -> bool:
        """True once it has ended."""
        return self.status is not Status.PENDING


def to_kind(operation_id: str) -> str:
    """Return what kind of operation an id names."""
    return operation_id.partition("-")[0]


def fold(operation: Operation, records: Sequence[Recorded]) -> Operation:
    """Return ``operation`` after the records of its container that follow, those of one decision together."""
    for n, record in enumerate(records, start=1):
        if record.cause == operation.operation_id:
            operation = _after_own(operation, record)
        elif operation.settled:
            continue
        elif isinstance(record.event, events.Replaced) and (run := _to_resumed(records[n:])) is not None:
            operation = attrs.evolve(operation, run=run)  # it has done its work once the process is back
        else:
            operation = _after_other(operation, record)
    return operation


def _to_resumed(records: Sequence[Recorded]) -> int | None:
    event = records[0].event if records else None
    return event.run if isinstance(event, events.StartRequested) else None


def _after_own(operation: Operation, record: Recorded) -> Operation:
    """Return the operation after a record of its own: what it waits for, or that it is done."""
    match record.event:
        case events.InstallationRepeated() | events.ReinstallRequested():
            given = (record.event.install_script, record.event.install)
            script = record.event.run_script and any(each is not None for each in given)
            return attrs.evolve(operation, attempt=record.event.attempt, run_script=script)
        case events.Created(attempt=attempt) | events.RebindRequested(attempt=attempt):
            return attrs.evolve(operation, attempt=attempt)
        case events.StartRequested(run=run):
            return attrs.evolve(operation, run=run)
        case events.StopRequested(run=run, follow=follow) | events.KillRequested(run=run, follow=follow):
            run = run + 1 if follow is Follow.START else run
            return attrs.evolve(operation, run=run, status=Status.PENDING, finished_at=None)
        case events.ResumptionDecided(resume=True) | events.DeletionRequested():
            return operation
        case _ if operation.kind in ("delete", "limits"):
            return operation
        case _:
            return _end(operation, record, Status.SUCCEEDED)


def _after_other(operation: Operation, record: Recorded) -> Operation:
    if operation.kind == "delete":
        deleted = isinstance(record.event, events.Deleted)
        return _end(operation, record, Status.SUCCEEDED) if deleted else operation
    if isinstance(record.event, events.DeletionRequested):
        return _end(operation, record, Status.CANCELLED, "the container is being deleted")
    if operation.kind in ("start", "restart"):
        return _after_other_of_start(operation, record)
    if operation.kind in ("stop", "kill"):
        exited = isinstance(record.event, events.Exited) and record.event.run == operation.run
        return _end(operation, record, Status.SUCCEEDED) if exited else operation
    if operation.kind == "limits":
        return _after_other_of_limits(operation, record)
    return _after_other_of_making(operation, record)


def _after_other_of_limits(operation: Operation, record: Recorded) -> Operation:
    match record.event:
        case events.LimitsApplied():
            return _end(operation, record, Status.SUCCEEDED)
        case events.LimitsRefused(reason=reason):
            return _end(operation, record, Status.FAILED, reason)
        case _:
            return operation


def _after_other_of_start(operation: Operation, record: Recorded) -> Operation:
    run = operation.run
    match record.event:
        case events.StartRequested() if run is None:
            return attrs.evolve(operation, run=record.event.run)
        case events.BecameReady() if record.event.run == run:
            return _end(operation, record, Status.SUCCEEDED)
        case events.StartFailed() if record.event.run == run:
            cancelled = record.cause is not None
            return _end(
                operation, record, Status.CANCELLED if cancelled else Status.FAILED, record.event.reason
            )
        case events.Exited() if record.event.run == run:
            return _end(operation, record, Status.FAILED, record.event.reason or "the process ended")
        case events.StopRequested(follow=follow) | events.KillRequested(follow=follow) if _takes_away(
            operation, record.event.run, follow
        ):
            return _end(operation, record, Status.CANCELLED, "cancelled on request")
        case events.ChangeAbandoned() if run is None:
            return _end(operation, record, Status.FAILED, record.event.reason)
        case events.ResumptionDecided(resume=False) if run is None:
            return _end(operation, record, Status.CANCELLED, "cancelled on request")
        case _:
            return operation


def _takes_away(operation: Operation, run: int, follow: Follow) -> bool:
    """Return true where a stop of ``run`` ends the run that was asked for, or keeps it from coming."""
    if operation.run == run:
        return True
    return operation.run == run + 1 and follow is not Follow.START


def _after_other_of_making(operation: Operation, record: Recorded) -> Operation:
    """Return an installation or a change after a record that its work led to."""
    event = record.event
    if operation.run is not None:  # the process comes back with its new ports
        return _after_other_of_start(operation, record)
    match event:
        case events.Installed() | events.Replaced() if event.attempt == operation.attempt:
            return _end(operation, record, Status.SUCCEEDED)
        case events.InstallationFailed() | events.ChangeFailed() | events.ChangeAbandoned() if (
            event.attempt == operation.attempt
        ):
            status = Status.CANCELLED if event.fault == "cancelled" else Status.FAILED
            return _end(operation, record, status, event.reason)
        case _:
            return operation


def _end(operation: Operation, record: Recorded, status: Status, error: str | None = None) -> Operation:
    if status is Status.CANCELLED and record.cause is not None:
        error = f"{error} ({record.cause})"
    return attrs.evolve(operation, status=status, error=error, finished_at=record.at)
