"""What became of an operation, read off its container's records."""

import pytest

from actors.container import changed
from actors.container import events as happened
from actors.container.events import Follow
from actors.container.operations import Operation, Status, fold, to_kind
from actors.kernel.journal import Recorded

ME, OTHER = "me", "stop-other"
EXIT = happened.Exited(1, 0, False, True, 1.0, 2.0)
CRASH = happened.Exited(1, 3, False, False, 1.0, 2.0, "the process ended with exit code 3")
READY = happened.BecameReady(1)


def outcome(kind, *events):
    """Fold events, each alone or with its cause; return the status and the error."""
    records = []
    for n, event in enumerate(events, start=1):
        event, cause = event if isinstance(event, tuple) else (event, None)  # noqa: PLW2901 - a shorthand
        records.append(Recorded(n, "container-s1", n, float(n), event, cause))
    operation = fold(Operation(ME, kind, "s1", 1.0), records)
    assert (operation.finished_at is not None) is operation.settled
    one_by_one = Operation(ME, kind, "s1", 1.0)
    for record in records:
        one_by_one = fold(one_by_one, [record])
    if not any(isinstance(record.event, changed.Replaced) for record in records):
        assert one_by_one == operation
    return operation.status.value, operation.error


def mine(event):
    return event, ME


def other(event):
    return event, OTHER


PENDING, DONE = ("pending", None), ("succeeded", None)
CANCELLED = ("cancelled", f"cancelled on request ({OTHER})")
DELETED = ("cancelled", f"the container is being deleted ({OTHER})")
STOP = happened.StopRequested(1, Follow.REST)
STOP_FIRST = happened.StopRequested(1, Follow.START)
REBIND = changed.RebindRequested(2, ())


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([mine(happened.Created(1, None))], PENDING),
        ([mine(happened.Created(1, None)), happened.ImageEnsured(1)], PENDING),
        ([mine(happened.Created(1, None)), happened.Installed(1, "e")], DONE),
        (
            [mine(happened.Created(1, None)), happened.InstallationFailed(1, "failed", "why")],
            ("failed", "why"),
        ),
        (
            [mine(happened.Created(1, None)), other(happened.InstallationFailed(1, "cancelled", "off"))],
            ("cancelled", f"off ({OTHER})"),
        ),
        ([mine(happened.Created(1, None)), other(happened.DeletionRequested())], DELETED),
        ([mine(happened.Created(1, None)), happened.Installed(1, "e"), other(happened.Deleted())], DONE),
    ],
)
def test_an_installation(events, expected):
    assert outcome("install", *events) == expected


@pytest.mark.parametrize("kind", ["start", "restart"])
@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([mine(happened.StartRequested(1)), happened.Started(1, 5.0)], PENDING),
        ([mine(happened.StartRequested(1)), READY], DONE),
        ([mine(happened.StartRequested(1)), CRASH], ("failed", CRASH.reason)),
        ([mine(happened.StartRequested(1)), happened.StartFailed(1, "no")], ("failed", "no")),
        (
            [mine(happened.StartRequested(1)), other(happened.StartFailed(1, "off"))],
            ("cancelled", f"off ({OTHER})"),
        ),
        ([mine(happened.StartRequested(1)), other(STOP)], CANCELLED),
        ([mine(happened.StartRequested(1)), other(STOP_FIRST)], CANCELLED),
        ([mine(happened.StartRequested(1)), other(happened.KillRequested(1, Follow.REST)), EXIT], CANCELLED),
        ([mine(happened.StartRequested(1)), READY, other(STOP)], DONE),
        ([mine(happened.StartRequested(1)), other(happened.DeletionRequested())], DELETED),
        # after a stop
        ([mine(STOP_FIRST), EXIT, happened.StartRequested(2)], PENDING),
        ([mine(STOP_FIRST), EXIT, happened.StartRequested(2), happened.BecameReady(2)], DONE),
        ([mine(STOP_FIRST), other(STOP)], CANCELLED),
        ([mine(STOP_FIRST), other(happened.KillRequested(1, Follow.START))], PENDING),
        (
            [mine(STOP_FIRST), EXIT, happened.StartRequested(2), happened.StartFailed(2, "no")],
            ("failed", "no"),
        ),
        # after a change
        (
            [
                mine(changed.ResumptionDecided(2, True)),
                changed.Replaced(2),
                happened.StartRequested(1),
                READY,
            ],
            DONE,
        ),
        (
            [mine(changed.ResumptionDecided(2, True)), changed.ChangeAbandoned(2, "failed", "why")],
            ("failed", "why"),
        ),
        ([mine(changed.ResumptionDecided(2, True)), other(changed.ResumptionDecided(2, False))], CANCELLED),
    ],
)
def test_a_start(kind, events, expected):
    assert outcome(kind, *events) == expected


@pytest.mark.parametrize("kind", ["stop", "kill"])
@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([mine(STOP)], PENDING),
        ([mine(STOP), other(STOP_FIRST), EXIT], DONE),
        ([mine(STOP), EXIT, other(happened.DeletionRequested())], DONE),
        ([mine(happened.KillRequested(1, Follow.REST)), EXIT], DONE),
        ([mine(happened.InstallationFailed(1, "cancelled", "off"))], DONE),
        ([mine(happened.StartFailed(1, "cancelled on request"))], DONE),
        ([mine(happened.RestartCalledOff(1))], DONE),
        ([mine(changed.ChangeAbandoned(2, "cancelled", "off"))], DONE),
        ([mine(changed.ResumptionDecided(2, False))], DONE),
        ([mine(changed.ChangeFailed(2, "cancelled", "off"))], DONE),
        ([mine(changed.ChangeFailed(2, "cancelled", "off")), mine(STOP)], PENDING),
        ([mine(changed.ChangeFailed(2, "cancelled", "off")), mine(STOP), EXIT], DONE),
    ],
)
def test_a_stop(kind, events, expected):
    assert outcome(kind, *events) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([mine(happened.DeletionRequested())], PENDING),
        ([mine(happened.StopRequested(1, Follow.DELETE)), EXIT, happened.DeletionRequested()], PENDING),
        ([mine(happened.StartFailed(1, "off")), mine(happened.DeletionRequested())], PENDING),
        ([mine(happened.DeletionRequested()), happened.Deleted()], DONE),
    ],
)
def test_a_deletion(events, expected):
    assert outcome("delete", *events) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([mine(REBIND), changed.CandidateBuilt(2, "e")], PENDING),
        ([mine(REBIND), changed.Replaced(2)], DONE),
        ([mine(REBIND), changed.ChangeFailed(2, "failed", "why")], ("failed", "why")),
        ([mine(REBIND), changed.ChangeAbandoned(2, "timeout", "late")], ("failed", "late")),
        ([mine(REBIND), other(changed.ChangeFailed(2, "cancelled", "cancelled on request"))], CANCELLED),
        ([mine(REBIND), other(happened.DeletionRequested())], DELETED),
        # the process comes back
        ([mine(REBIND), changed.Replaced(2), happened.StartRequested(2)], PENDING),
        ([mine(REBIND), changed.Replaced(2), happened.StartRequested(2), happened.BecameReady(2)], DONE),
        (
            [mine(REBIND), changed.Replaced(2), happened.StartRequested(2), happened.StartFailed(2, "taken")],
            ("failed", "taken"),
        ),
    ],
)
def test_a_change(events, expected):
    assert outcome("rebind", *events) == expected


def test_an_installation_that_is_repeated_is_a_reinstallation():
    repeated = mine(changed.InstallationRepeated(2, "image", None))
    assert outcome("reinstall", repeated, happened.Installed(2, "e")) == DONE


EDIT = mine(changed.Edited("run", None, (), None, None, None))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([EDIT], PENDING),
        ([EDIT, READY], PENDING),
        ([EDIT, changed.LimitsApplied(None)], DONE),
        ([EDIT, changed.LimitsRefused(None, "too low")], ("failed", "too low")),
    ],
)
def test_new_limits(events, expected):
    assert outcome("limits", *events) == expected


def test_an_edit_is_done_at_once():
    assert outcome("edit", EDIT) == DONE


def test_an_id_says_what_it_is_of():
    assert to_kind("rebind-0123") == "rebind"


def test_an_operation_without_a_reason_still_says_something():
    assert outcome("start", mine(happened.StartRequested(1)), EXIT) == ("failed", "the process ended")
    assert Operation(ME, "start", "s1", 1.0).status is Status.PENDING
