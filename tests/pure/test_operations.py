"""What became of an operation, read off its container's records."""

import pytest

from actors.container import events
from actors.container.events import Follow
from actors.container.operations import Operation, Status, fold, to_kind
from actors.kernel.journal import Recorded

ME, OTHER = "me", "stop-other"
EXIT = events.Exited(1, 0, False, True, 1.0, 2.0)
CRASH = events.Exited(1, 3, False, False, 1.0, 2.0, "the process ended with exit code 3")
READY = events.BecameReady(1)


def outcome(kind, *emitted):
    """Fold events, each alone or with its cause; return the status and the error."""
    records = []
    for n, event in enumerate(emitted, start=1):
        event, cause = event if isinstance(event, tuple) else (event, None)  # noqa: PLW2901 - a shorthand
        records.append(Recorded(n, "container-s1", n, float(n), event, cause))
    operation = fold(Operation(ME, kind, "s1", 1.0), records)
    assert (operation.finished_at is not None) is operation.settled
    one_by_one = Operation(ME, kind, "s1", 1.0)
    for record in records:
        one_by_one = fold(one_by_one, [record])
    if not any(isinstance(record.event, events.Replaced) for record in records):
        assert one_by_one == operation
    return operation.status.value, operation.error


def mine(event):
    return event, ME


def other(event):
    return event, OTHER


PENDING, DONE = ("pending", None), ("succeeded", None)
CANCELLED = ("cancelled", f"cancelled on request ({OTHER})")
DELETED = ("cancelled", f"the container is being deleted ({OTHER})")
STOP = events.StopRequested(1, Follow.REST)
STOP_FIRST = events.StopRequested(1, Follow.START)
REBIND = events.RebindRequested(2, ())


@pytest.mark.parametrize(
    ("emitted", "expected"),
    [
        ([mine(events.Created(1, None))], PENDING),
        ([mine(events.Created(1, None)), events.ImageEnsured(1)], PENDING),
        ([mine(events.Created(1, None)), events.Installed(1, "e")], DONE),
        (
            [mine(events.Created(1, None)), events.InstallationFailed(1, "failed", "why")],
            ("failed", "why"),
        ),
        (
            [mine(events.Created(1, None)), other(events.InstallationFailed(1, "cancelled", "off"))],
            ("cancelled", f"off ({OTHER})"),
        ),
        ([mine(events.Created(1, None)), other(events.DeletionRequested())], DELETED),
        ([mine(events.Created(1, None)), events.Installed(1, "e"), other(events.Deleted())], DONE),
    ],
)
def test_installation_has_the_outcome_of_its_events(emitted, expected):
    assert outcome("install", *emitted) == expected


@pytest.mark.parametrize("kind", ["start", "restart"])
@pytest.mark.parametrize(
    ("emitted", "expected"),
    [
        ([mine(events.StartRequested(1)), events.Started(1, 5.0)], PENDING),
        ([mine(events.StartRequested(1)), READY], DONE),
        ([mine(events.StartRequested(1)), CRASH], ("failed", CRASH.reason)),
        ([mine(events.StartRequested(1)), events.StartFailed(1, "no")], ("failed", "no")),
        (
            [mine(events.StartRequested(1)), other(events.StartFailed(1, "off"))],
            ("cancelled", f"off ({OTHER})"),
        ),
        ([mine(events.StartRequested(1)), other(STOP)], CANCELLED),
        ([mine(events.StartRequested(1)), other(STOP_FIRST)], CANCELLED),
        ([mine(events.StartRequested(1)), other(events.KillRequested(1, Follow.REST)), EXIT], CANCELLED),
        ([mine(events.StartRequested(1)), READY, other(STOP)], DONE),
        ([mine(events.StartRequested(1)), other(events.DeletionRequested())], DELETED),
        # after a stop
        ([mine(STOP_FIRST), EXIT, events.StartRequested(2)], PENDING),
        ([mine(STOP_FIRST), EXIT, events.StartRequested(2), events.BecameReady(2)], DONE),
        ([mine(STOP_FIRST), other(STOP)], CANCELLED),
        ([mine(STOP_FIRST), other(events.KillRequested(1, Follow.START))], PENDING),
        (
            [mine(STOP_FIRST), EXIT, events.StartRequested(2), events.StartFailed(2, "no")],
            ("failed", "no"),
        ),
        # after a change
        (
            [
                mine(events.ResumptionDecided(2, True)),
                events.Replaced(2),
                events.StartRequested(1),
                READY,
            ],
            DONE,
        ),
        (
            [mine(events.ResumptionDecided(2, True)), events.ChangeAbandoned(2, "failed", "why")],
            ("failed", "why"),
        ),
        ([mine(events.ResumptionDecided(2, True)), other(events.ResumptionDecided(2, False))], CANCELLED),
    ],
)
def test_start_has_the_outcome_of_its_events(kind, emitted, expected):
    assert outcome(kind, *emitted) == expected


@pytest.mark.parametrize("kind", ["stop", "kill"])
@pytest.mark.parametrize(
    ("emitted", "expected"),
    [
        ([mine(STOP)], PENDING),
        ([mine(STOP), other(STOP_FIRST), EXIT], DONE),
        ([mine(STOP), EXIT, other(events.DeletionRequested())], DONE),
        ([mine(events.KillRequested(1, Follow.REST)), EXIT], DONE),
        ([mine(events.InstallationFailed(1, "cancelled", "off"))], DONE),
        ([mine(events.StartFailed(1, "cancelled on request"))], DONE),
        ([mine(events.RestartCalledOff(1))], DONE),
        ([mine(events.ChangeAbandoned(2, "cancelled", "off"))], DONE),
        ([mine(events.ResumptionDecided(2, False))], DONE),
        ([mine(events.ChangeFailed(2, "cancelled", "off"))], DONE),
        ([mine(events.ChangeFailed(2, "cancelled", "off")), mine(STOP)], PENDING),
        ([mine(events.ChangeFailed(2, "cancelled", "off")), mine(STOP), EXIT], DONE),
    ],
)
def test_stop_has_the_outcome_of_its_events(kind, emitted, expected):
    assert outcome(kind, *emitted) == expected


@pytest.mark.parametrize(
    ("emitted", "expected"),
    [
        ([mine(events.DeletionRequested())], PENDING),
        ([mine(events.StopRequested(1, Follow.DELETE)), EXIT, events.DeletionRequested()], PENDING),
        ([mine(events.StartFailed(1, "off")), mine(events.DeletionRequested())], PENDING),
        ([mine(events.DeletionRequested()), events.Deleted()], DONE),
    ],
)
def test_deletion_has_the_outcome_of_its_events(emitted, expected):
    assert outcome("delete", *emitted) == expected


@pytest.mark.parametrize(
    ("emitted", "expected"),
    [
        ([mine(REBIND), events.CandidateBuilt(2, "e")], PENDING),
        ([mine(REBIND), events.Replaced(2)], DONE),
        ([mine(REBIND), events.ChangeFailed(2, "failed", "why")], ("failed", "why")),
        ([mine(REBIND), events.ChangeAbandoned(2, "timeout", "late")], ("failed", "late")),
        ([mine(REBIND), other(events.ChangeFailed(2, "cancelled", "cancelled on request"))], CANCELLED),
        ([mine(REBIND), other(events.DeletionRequested())], DELETED),
        # the process comes back
        ([mine(REBIND), events.Replaced(2), events.StartRequested(2)], PENDING),
        ([mine(REBIND), events.Replaced(2), events.StartRequested(2), events.BecameReady(2)], DONE),
        (
            [mine(REBIND), events.Replaced(2), events.StartRequested(2), events.StartFailed(2, "taken")],
            ("failed", "taken"),
        ),
    ],
)
def test_change_has_the_outcome_of_its_events(emitted, expected):
    assert outcome("rebind", *emitted) == expected


def test_installation_that_is_repeated_is_a_reinstallation():
    repeated = mine(events.InstallationRepeated(2, "image", None))
    assert outcome("reinstall", repeated, events.Installed(2, "e")) == DONE


EDIT = mine(events.Edited("run", None, (), None, None, None))


@pytest.mark.parametrize(
    ("emitted", "expected"),
    [
        ([EDIT], PENDING),
        ([EDIT, READY], PENDING),
        ([EDIT, events.LimitsApplied(None)], DONE),
        ([EDIT, events.LimitsRefused(None, "too low")], ("failed", "too low")),
    ],
)
def test_new_limits_have_the_outcome_of_their_events(emitted, expected):
    assert outcome("limits", *emitted) == expected


def test_edit_is_done_at_once():
    assert outcome("edit", EDIT) == DONE


def test_id_says_what_it_is_of():
    assert to_kind("rebind-0123") == "rebind"


def test_operation_without_a_reason_still_says_something():
    assert outcome("start", mine(events.StartRequested(1)), EXIT) == ("failed", "the process ended")
    assert Operation(ME, "start", "s1", 1.0).status is Status.PENDING


@pytest.mark.parametrize("event", [events.ReinstallRequested, events.InstallationRepeated])
@pytest.mark.parametrize(
    ("script", "wanted", "runs"), [("s", True, True), ("s", False, False), (None, True, False)]
)
def test_reinstallation_says_whether_it_runs_a_script(event, script, wanted, runs):
    record = Recorded(1, "container-s1", 1, 1.0, event(2, "image", script, wanted), ME)
    assert fold(Operation(ME, "reinstall", "s1", 1.0), [record]).run_script is runs
    other = Recorded(1, "container-s1", 1, 1.0, REBIND, ME)
    assert fold(Operation(ME, "rebind", "s1", 1.0), [other]).run_script is None
