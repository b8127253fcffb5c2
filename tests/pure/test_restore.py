"""What follows when the engine or the host ends a process: it is restored, and that is no crash."""

import attrs
import pytest

from actors.container import events, messages
from actors.container.observations import INTERRUPTED
from actors.container.spec import RestartPolicy
from actors.container.state import Phase
from tests.support.given import (
    CRASH,
    CUT_OFF,
    ID,
    LOADING,
    OFFLINE,
    PORT,
    RESTARTING,
    RESTORING,
    RUNNING,
    STARTING,
    STOPPING,
    T1,
    T2,
    WAITING,
    given,
    then,
)

ENDED = events.Exited(1, 255, False, True, T1, T1 + 50, INTERRUPTED)
GO = messages.RestoreDecided(1, allowed=True)
STAY = messages.RestoreDecided(1, allowed=False)


@pytest.mark.parametrize("past", [RUNNING, LOADING])
@pytest.mark.parametrize("mode", ["never", "on-crash", "always"])
def test_interrupted_process_is_to_be_restored_whatever_its_restart_policy(past, mode):
    created = events.Created(1, attrs.evolve(past[0].spec, restart_policy=RestartPolicy(mode)))
    decided = then((created, *past[1:]), messages.Inspected(CUT_OFF))
    assert decided == (ENDED, events.RestoreScheduled(1))


def test_interrupted_process_whose_start_was_not_recorded_is_restored():
    decided = then(STARTING, messages.StartReported(1, CUT_OFF))
    assert decided == (events.Started(1, T1), ENDED, events.RestoreScheduled(1))


def test_interruption_is_no_crash_and_ends_a_row_of_crashes():
    row = (*WAITING, events.StartRequested(2), events.Started(2, T2), events.BecameReady(2))
    assert given(row).restarts
    cut_off = attrs.evolve(CUT_OFF, started_at=T2, finished_at=T2 + 1)
    after = given((*row, *then(row, messages.Inspected(cut_off))))
    assert after.phase is Phase.RESTORING
    assert not after.restarts
    assert not after.exit.crashed


def test_stop_in_progress_counts_as_stopped_and_a_restart_in_progress_as_started():
    stopped = events.Exited(1, 255, False, True, T1, T1 + 50)
    assert then(STOPPING, messages.Inspected(CUT_OFF)) == (stopped,)
    assert then(RESTARTING, messages.Inspected(CUT_OFF)) == (stopped, events.StartRequested(2))


@pytest.mark.parametrize("past", [OFFLINE, WAITING, RESTORING])
def test_process_that_was_down_is_not_restored(past):
    assert then(past, messages.Inspected(CUT_OFF)) == ()


def test_crash_is_none_of_the_engine_s():
    assert events.RestoreScheduled(1) not in then(RUNNING, messages.Inspected(CRASH))


def test_turn_starts_the_process_or_lets_it_stay_down():
    assert then(RESTORING, GO) == (events.StartRequested(2),)
    assert then(RESTORING, STAY) == (events.RestartCalledOff(1),)


@pytest.mark.parametrize(
    ("command", "decided"),
    [
        (messages.Stop(), events.RestartCalledOff(1)),
        (messages.Kill(), events.RestartCalledOff(1)),
        (messages.Start(), events.StartRequested(2)),
        (messages.Restart(), events.StartRequested(2)),
        (messages.Delete(), events.DeletionRequested()),
    ],
)
def test_command_before_the_turn_is_obeyed_and_the_turn_changes_nothing(command, decided):
    assert then(RESTORING, command) == (decided,)
    assert then((*RESTORING, decided), GO) == ()


def test_turn_of_an_earlier_run_changes_nothing():
    assert then(RESTORING, messages.RestoreDecided(0, allowed=True)) == ()


def test_change_of_ports_before_the_turn_is_made_first_and_the_process_is_started_after_it():
    asked = (*RESTORING, events.RebindRequested(2, (PORT,)))
    built = (*asked, *then(asked, messages.CandidateReported(2, "engine-2")))
    assert given(built).phase is Phase.REPLACING
    assert then(built, messages.ReplacementReported(2)) == (events.Replaced(2), events.StartRequested(2))


def test_container_that_vanished_before_the_turn_is_made_again():
    gone = (*RESTORING, *then(RESTORING, messages.AbsenceReported(ID)))
    assert given(gone).phase is Phase.RESTORING
    started = given((*gone, *then(gone, GO)))
    assert (started.phase, started.engine_id) == (Phase.STARTING, None)
