"""The container decider by example: given a past, when something is told, then this is what happens."""

import itertools
import typing

import attrs
import pytest

from actors.container import effects, events, messages, observations, replacement
from actors.container.decider import DECIDER, decide, to_effects
from actors.container.events import Follow
from actors.container.evolve import evolve
from actors.container.spec import Limits
from actors.container.state import PHASES, Change, Exit, Kind, Phase, Stage, State
from actors.kernel.decider import Rejection
from tests.support.builders import exited, lost, missed
from tests.support.given import (
    AGAIN,
    CALLED_OFF,
    CLEAN,
    CRASH,
    CREATED,
    CUT_OFF,
    DELETED,
    DELETING,
    ENSURED,
    EXITED,
    FAILED,
    ID,
    KILLING,
    LEAVING,
    LOADING,
    LOOPING,
    LOST,
    MORE_PASTS,
    NEVER_RAN,
    NEW,
    OFFLINE,
    OOM,
    PASTS,
    PLAIN,
    PORT,
    REPLACING,
    RESTARTING,
    RUNNING,
    SCRIPTED,
    SCRIPTING,
    SPEC,
    STARTING,
    STOPPING,
    T1,
    T2,
    UP_NOW,
    given,
    refused,
    then,
)

COMMANDS = (
    messages.Create(SPEC),
    messages.Start(),
    messages.Stop(),
    messages.Kill(),
    messages.Restart(),
    messages.Reinstall(),
    messages.Reinstall("newer", "install"),
    messages.Rebind((PORT,)),
    messages.Edit(environment=(("A", "1"),), start_pattern=""),
    messages.Edit(limits=Limits(memory=2**30)),
    messages.Delete(),
)
OBSERVATIONS = (
    messages.ImageReported(1),
    messages.ImageReported(1, "no"),
    messages.ScriptReported(1, 0),
    messages.ScriptReported(1, 3),
    messages.ScriptReported(1, error="no"),
    messages.InstallTimeElapsed(1),
    messages.CreationReported(1, ID),
    messages.CreationReported(1, error="no"),
    messages.CreationReported(1),
    messages.StartReported(1, UP_NOW),
    messages.StartReported(1, CRASH),
    messages.StartReported(1, NEVER_RAN),
    messages.StartReported(1, attrs.evolve(UP_NOW, engine_id="other")),
    messages.StartReported(1),
    messages.StartReported(1, error="no"),
    messages.ReadinessReported(1),
    messages.HintReported(1, "eula"),
    messages.ImageReported(2),
    messages.ImageReported(2, "no"),
    messages.ScriptReported(2, 0),
    messages.ScriptReported(2, 3),
    messages.InstallTimeElapsed(2),
    messages.CandidateReported(2, NEW),
    messages.CandidateReported(2, error="no"),
    messages.CandidateReported(2),
    messages.ReplacementReported(2),
    messages.ReplacementReported(2, "no"),
    messages.LimitsReported(Limits(memory=2**30)),
    messages.LimitsReported(Limits(memory=2**30), "no"),
    messages.BackoffElapsed(1),
    messages.RestoreDecided(1, allowed=True),
    messages.RestoreDecided(1, allowed=False),
    messages.GraceElapsed(1),
    messages.EndReported(1, CLEAN),
    messages.EndReported(1, UP_NOW),
    messages.EndReported(1, NEVER_RAN),
    messages.EndReported(1, None),
    messages.Inspected(UP_NOW),
    messages.Inspected(CRASH),
    messages.Inspected(CUT_OFF),
    messages.Inspected(NEVER_RAN),
    messages.Inspected(attrs.evolve(UP_NOW, started_at=T2)),
    messages.AbsenceReported(ID),
    messages.RemovalReported(1),
)


# The installation


def test_container_is_created_once():
    assert then((), messages.Create(SPEC)) == (events.Created(1, SPEC),)
    assert refused(OFFLINE, messages.Create(SPEC)) == "already_exists"


def test_name_can_be_used_again_after_its_deletion_and_the_attempts_count_on():
    assert then(DELETED, messages.Create(SPEC)) == (events.Created(2, SPEC),)


ADOPTED = events.Adopted(4, ID, None, SPEC)


def test_running_container_of_a_lost_journal_is_adopted_and_found_running():
    adopted = then((), messages.Adopt(PLAIN, 3, UP_NOW))
    found = (events.FoundRunning(1, T1), events.BecameReady(1))
    assert adopted == (events.Adopted(3, ID, None, PLAIN), *found)
    assert given(adopted).phase is Phase.RUNNING
    assert to_effects(given((ADOPTED,))) == frozenset()


def test_container_that_ran_before_its_adoption_is_offline_and_its_last_life_no_run():
    (adopted,) = then(DELETED, messages.Adopt(SPEC, 1, attrs.evolve(UP_NOW, running=False)))
    assert adopted == events.Adopted(2, ID, T1, SPEC)
    assert then((*DELETED, adopted), messages.Inspected(UP_NOW)) == ()  # an old report
    state = given((*DELETED, adopted))
    assert (state.phase, state.engine_id, state.attempts, state.previous) == (Phase.OFFLINE, ID, 2, T1)


def test_container_is_adopted_once():
    assert refused(OFFLINE, messages.Adopt(SPEC, 1, UP_NOW)) == "already_exists"


def test_adopted_container_that_was_removed_is_created_again_at_its_next_start():
    assert then((ADOPTED,), messages.AbsenceReported(ID)) == (events.Vanished(ID),)


def test_new_life_of_a_name_knows_nothing_of_the_old_one_but_its_numbers():
    past = (*EXITED, events.DeletionRequested(), events.Deleted(), events.Created(2, PLAIN))
    assert given(past) == State(Phase.PULLING, PLAIN, attempt=2, attempts=2, run=1, previous=T1)


def test_installation_without_a_script_only_waits_for_the_image():
    assert then(CREATED, messages.ImageReported(1)) == (events.ImageEnsured(1), events.ScriptFinished(1))


def test_install_script_runs_once_the_image_is_there():
    assert then((events.Created(1, SCRIPTED),), messages.ImageReported(1)) == (events.ImageEnsured(1),)
    assert to_effects(given(SCRIPTING)) == {
        effects.RunInstallScript(1, SCRIPTED),
        effects.WaitInstall(1, 60.0),
    }


def test_missing_image_fails_the_installation():
    assert then(CREATED, messages.ImageReported(1, "no such image")) == (
        events.InstallationFailed(1, "failed", "no such image"),
    )


def test_script_that_ends_with_zero_has_done_its_work():
    assert then(SCRIPTING, messages.ScriptReported(1, 0)) == (events.ScriptFinished(1),)


@pytest.mark.parametrize("code", [1, 127, None])
def test_script_that_ends_with_another_code_fails_the_installation(code):
    reason = f"the install script ended with exit code {code}"
    assert then(SCRIPTING, messages.ScriptReported(1, code)) == (
        events.InstallationFailed(1, "failed", reason),
    )


def test_script_that_can_not_be_run_fails_the_installation():
    assert then(SCRIPTING, messages.ScriptReported(1, error="no")) == (
        events.InstallationFailed(1, "failed", "no"),
    )


def test_script_that_takes_too_long_times_the_installation_out():
    reason = "the install script took longer than 60 seconds"
    assert then(SCRIPTING, messages.InstallTimeElapsed(1)) == (
        events.InstallationFailed(1, "timeout", reason),
    )


def test_container_that_was_made_is_ready_to_be_started():
    assert then(ENSURED, messages.CreationReported(1, ID)) == (events.Installed(1, ID),)


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (messages.CreationReported(1, error="the port is taken"), "the port is taken"),
        (messages.CreationReported(1), "the engine did not create the container"),
    ],
)
def test_container_that_can_not_be_made_fails_the_installation(report, reason):
    assert then(ENSURED, report) == (events.InstallationFailed(1, "failed", reason),)


@pytest.mark.parametrize("past", [CREATED, SCRIPTING, ENSURED])
@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()])
def test_stop_and_kill_cancel_an_installation(past, command):
    failure = events.InstallationFailed(1, "cancelled", "cancelled on request")
    assert then(past, command) == (failure,)


def test_failed_installation_is_cleared_away_and_says_why():
    state = given(FAILED)
    assert to_effects(state) == {effects.DiscardInstallation(1, "s1")}
    assert (state.error, state.install_state) == ("there is no such image", "failed")


@pytest.mark.parametrize(
    "report",
    [
        messages.ImageReported(2),
        messages.ScriptReported(2, 0),
        messages.InstallTimeElapsed(2),
        messages.CreationReported(2, ID),
    ],
)
@pytest.mark.parametrize("past", [CREATED, SCRIPTING, ENSURED, LOST])
def test_report_of_another_attempt_is_stale(past, report):
    assert then(past, report) == ()


# Starting


def test_start_begins_a_run():
    assert then(OFFLINE, messages.Start()) == (events.StartRequested(1),)
    assert then(EXITED, messages.Start()) == (events.StartRequested(2),)
    assert then(OFFLINE, messages.Restart()) == (events.StartRequested(1),)


@pytest.mark.parametrize("past", [STARTING, LOADING, RUNNING])
def test_start_of_what_starts_or_runs_changes_nothing(past):
    assert then(past, messages.Start()) == ()


def test_restart_of_what_starts_changes_nothing():
    assert then(STARTING, messages.Restart()) == ()


@pytest.mark.parametrize(
    ("past", "code"),
    [
        ((), "not_found"),
        (CREATED, "installing"),
        (SCRIPTING, "installing"),
        (ENSURED, "installing"),
        (FAILED, "install_failed"),
        (LEAVING, "deleting"),
        (DELETING, "deleting"),
        (DELETED, "not_found"),
    ],
)
@pytest.mark.parametrize("command", [messages.Start(), messages.Restart()])
def test_start_that_is_not_possible_says_why(past, code, command):
    assert refused(past, command) == code


def test_confirmed_start_waits_for_the_pattern():
    assert then(STARTING, messages.StartReported(1, UP_NOW)) == (events.Started(1, T1),)
    assert then(LOADING, messages.ReadinessReported(1)) == (events.BecameReady(1),)


def test_start_without_a_pattern_is_ready_at_once():
    past = (events.Created(1, PLAIN), *STARTING[1:])
    assert then(past, messages.StartReported(1, UP_NOW)) == (events.Started(1, T1), events.BecameReady(1))


def test_pattern_that_is_seen_before_the_start_is_confirmed_counts():
    seen = (*STARTING, events.PatternSeen(1))
    assert then(STARTING, messages.ReadinessReported(1)) == (events.PatternSeen(1),)
    assert then(seen, messages.ReadinessReported(1)) == ()
    assert then(seen, messages.StartReported(1, UP_NOW)) == (events.Started(1, T1), events.BecameReady(1))


def test_pattern_of_an_earlier_run_does_not_count():
    past = (*STARTING, events.PatternSeen(1), *STOPPING[len(STARTING) :], *AGAIN[len(STOPPING) :])
    assert then(past, messages.ReadinessReported(1)) == ()
    assert then(past, messages.StartReported(2, attrs.evolve(UP_NOW, started_at=T2))) == (
        events.Started(2, T2),
    )


def test_start_that_is_refused_says_why():
    assert then(STARTING, messages.StartReported(1, error="port in use")) == (
        events.StartFailed(1, "port in use"),
    )
    state = given((*STARTING, events.StartFailed(1, "port in use")))
    assert (state.phase, state.error) == (Phase.OFFLINE, "port in use")


@pytest.mark.parametrize(
    ("past", "run", "snapshot"), [(STARTING, 1, NEVER_RAN), (AGAIN, 2, CLEAN), (AGAIN, 2, UP_NOW)]
)
def test_start_that_started_nothing_has_failed(past, run, snapshot):
    assert then(past, messages.StartReported(run, snapshot)) == (
        events.StartFailed(run, "the engine did not start the process"),
    )


def test_process_that_ended_before_its_start_was_confirmed_has_started_and_exited():
    assert then(STARTING, messages.StartReported(1, CRASH)) == (events.Started(1, T1), exited(code=1))


def test_start_of_a_container_that_is_gone_builds_it_anew():
    assert then(STARTING, messages.StartReported(1)) == (events.Vanished(ID),)
    assert to_effects(given(LOST)) == {effects.CreateInEngine(1, SPEC, ensure_image=True)}
    assert then(LOST, messages.CreationReported(1, "engine-2")) == (events.Rebuilt("engine-2"),)
    rebuilt = given((*LOST, events.Rebuilt("engine-2")))
    assert effects.StartInEngine(1, "engine-2", None, SPEC) in to_effects(rebuilt)


def test_container_that_can_not_be_built_anew_can_not_be_started():
    assert then(LOST, messages.CreationReported(1, error="no")) == (events.StartFailed(1, "no"),)


@pytest.mark.parametrize(
    "report",
    [
        messages.StartReported(2, UP_NOW),
        messages.StartReported(1, attrs.evolve(UP_NOW, engine_id="other")),
    ],
)
def test_report_about_another_start_is_stale(report):
    assert then(STARTING, report) == ()


def test_start_report_is_stale_while_the_container_is_built_anew():
    assert then(LOST, messages.StartReported(1)) == ()


# Ending


@pytest.mark.parametrize("past", [STARTING, LOADING, RUNNING])
def test_stop_asks_the_process_to_end(past):
    assert then(past, messages.Stop()) == (events.StopRequested(1, Follow.REST),)


@pytest.mark.parametrize("past", [STARTING, LOADING, RUNNING, STOPPING, RESTARTING])
def test_kill_is_for_now(past):
    assert then(past, messages.Kill()) == (events.KillRequested(1, Follow.REST),)


@pytest.mark.parametrize("past", [FAILED, OFFLINE, EXITED])
@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()])
def test_stop_or_kill_without_a_process_is_already_so(past, command):
    assert then(past, command) == ()


@pytest.mark.parametrize(
    ("past", "command"), [(STOPPING, messages.Stop()), (KILLING, messages.Stop()), (KILLING, messages.Kill())]
)
def test_stop_or_kill_under_way_is_not_recorded_twice(past, command):
    assert then(past, command) == ()


@pytest.mark.parametrize(
    ("past", "code"),
    [((), "not_found"), (DELETED, "not_found"), (DELETING, "deleting"), (LEAVING, "deleting")],
)
def test_stop_while_deleting_or_deleted_is_rejected(past, code):
    assert refused(past, messages.Stop()) == code


def test_kill_hurries_a_deletion_and_does_not_call_it_back():
    assert then(LEAVING, messages.Kill()) == (events.KillRequested(1, Follow.DELETE),)
    assert refused(DELETING, messages.Kill()) == "deleting"


@pytest.mark.parametrize("past", [LOADING, RUNNING])
def test_restart_is_a_stop_and_then_a_start(past):
    assert then(past, messages.Restart()) == (events.StopRequested(1, Follow.START),)
    assert then(RESTARTING, messages.EndReported(1, CLEAN)) == (
        exited(expected=True),
        events.StartRequested(2),
    )


@pytest.mark.parametrize("command", [messages.Start(), messages.Restart()])
def test_start_during_a_stop_starts_again_afterwards(command):
    assert then(STOPPING, command) == (events.StopRequested(1, Follow.START),)
    assert then(KILLING, command) == (events.KillRequested(1, Follow.START),)
    assert then(RESTARTING, command) == ()


def test_stop_during_a_restart_ends_in_rest():
    assert then(RESTARTING, messages.Stop()) == (events.StopRequested(1, Follow.REST),)


def test_stop_during_a_kill_that_starts_again_ends_in_rest():
    past = (*KILLING, events.KillRequested(1, Follow.START))
    assert then(past, messages.Stop()) == (events.KillRequested(1, Follow.REST),)


def test_stop_that_takes_too_long_becomes_a_kill_with_the_same_end():
    assert then(RESTARTING, messages.GraceElapsed(1)) == (events.StopTimedOut(1),)
    state = given((*RESTARTING, events.StopTimedOut(1)))
    assert (state.phase, state.follow) == (Phase.KILLING, Follow.START)


@pytest.mark.parametrize("past", [RUNNING, KILLING, AGAIN, EXITED])
def test_timer_that_nobody_waits_for_is_stale(past):
    assert then(past, messages.GraceElapsed(1)) == ()


def test_timer_of_an_earlier_run_is_stale():
    past = (*AGAIN, events.Started(2, T2), events.StopRequested(2, Follow.REST))
    assert then(past, messages.GraceElapsed(1)) == ()


@pytest.mark.parametrize("past", [STOPPING, KILLING])
@pytest.mark.parametrize("code", [0, 1, 143, 137])
def test_exit_that_was_asked_for_is_expected_from_any_report(past, code):
    snapshot = attrs.evolve(CLEAN, exit_code=code)
    for report in (messages.EndReported(1, snapshot), messages.Inspected(snapshot)):
        assert then(past, report) == (exited(code=code, expected=True),)


@pytest.mark.parametrize("past", [LOADING, RUNNING])
def test_exit_that_nobody_asked_for_is_not_expected(past):
    assert then(past, messages.Inspected(CRASH)) == (exited(code=1),)
    assert then(past, messages.Inspected(OOM)) == (exited(code=137, oom=True),)


def test_start_that_was_called_off_in_time_ends_without_a_code():
    nothing = events.Exited(1, None, False, True, None, None)
    assert then(CALLED_OFF, messages.EndReported(1, NEVER_RAN)) == (nothing,)


def test_start_that_was_called_off_too_late_ends_with_the_code_of_its_process():
    assert then(CALLED_OFF, messages.EndReported(1, CLEAN)) == (exited(expected=True),)
    assert then(CALLED_OFF, messages.Inspected(CLEAN)) == (exited(expected=True),)


def test_start_that_was_called_off_does_not_take_the_code_of_the_run_before():
    past = (*AGAIN, events.StopRequested(2, Follow.REST))
    assert then(past, messages.Inspected(CLEAN)) == ()
    assert then(past, messages.EndReported(2, CLEAN)) == (events.Exited(2, None, False, True, None, None),)


@pytest.mark.parametrize(
    ("past", "report"),
    [
        (RUNNING, messages.EndReported(1, CLEAN)),
        (STOPPING, messages.EndReported(2, CLEAN)),
        (STOPPING, messages.EndReported(1, UP_NOW)),
        (EXITED, messages.EndReported(1, CLEAN)),
    ],
)
def test_report_of_an_end_that_is_not_this_one_is_stale(past, report):
    assert then(past, report) == ()


# What is asked while the container is built anew


@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()])
def test_start_without_a_container_is_called_off_at_once(command):
    assert then(LOST, command) == (events.StartFailed(1, "cancelled on request"),)


def test_start_without_a_container_is_deleted_at_once():
    failed = events.StartFailed(1, "cancelled on request")
    assert then(LOST, messages.Delete()) == (failed, events.DeletionRequested())


# Deleting


@pytest.mark.parametrize("past", [CREATED, SCRIPTING, ENSURED, FAILED, OFFLINE])
def test_delete_without_a_process_removes_at_once(past):
    assert then(past, messages.Delete()) == (events.DeletionRequested(),)
    assert to_effects(given((*past, events.DeletionRequested()))) == {effects.RemoveFromEngine(1, "s1")}


@pytest.mark.parametrize("past", [STARTING, LOADING, RUNNING, STOPPING, RESTARTING])
def test_delete_with_a_process_stops_it_first(past):
    assert then(past, messages.Delete()) == (events.StopRequested(1, Follow.DELETE),)
    end = messages.EndReported(1, CLEAN)
    assert then(LEAVING, end) == (exited(expected=True), events.DeletionRequested())


def test_delete_while_killing_removes_afterwards():
    assert then(KILLING, messages.Delete()) == (events.KillRequested(1, Follow.DELETE),)


@pytest.mark.parametrize("past", [LEAVING, DELETING])
def test_deletion_is_not_asked_for_twice(past):
    assert then(past, messages.Delete()) == ()


@pytest.mark.parametrize("past", [(), DELETED])
def test_delete_of_a_missing_container_is_rejected(past):
    assert refused(past, messages.Delete()) == "not_found"


def test_container_is_deleted_once_nothing_of_it_is_left():
    assert then(DELETING, messages.RemovalReported(1)) == (events.Deleted(),)
    assert then(DELETING, messages.RemovalReported(2)) == ()
    assert then(DELETED, messages.RemovalReported(1)) == ()
    assert then(OFFLINE, messages.RemovalReported(1)) == ()


# What the engine shows


@pytest.mark.parametrize("past", [OFFLINE, EXITED])
def test_process_that_runs_though_it_should_not_is_found(past):
    run = given(past).run + 1
    seen = messages.Inspected(attrs.evolve(UP_NOW, started_at=T2))
    assert then(past, seen) == (events.FoundRunning(run, T2),)


def test_process_that_is_found_is_ready_where_there_is_no_pattern():
    past = (events.Created(1, PLAIN), *OFFLINE[1:])
    assert then(past, messages.Inspected(UP_NOW)) == (events.FoundRunning(1, T1), events.BecameReady(1))


def test_pattern_that_an_earlier_run_printed_says_nothing_of_a_process_that_is_found():
    past = (*STARTING, events.PatternSeen(1), *RUNNING[len(STARTING) :])
    seen = messages.Inspected(attrs.evolve(UP_NOW, started_at=T2))
    assert then(past, seen) == (
        missed(),
        events.FoundRunning(2, T2),
    )


@pytest.mark.parametrize(
    "past",
    [EXITED, (*AGAIN, events.StartFailed(2, "no")), (*AGAIN, events.StopRequested(2, Follow.REST))],
)
def test_old_look_at_an_earlier_life_finds_nothing_running(past):
    assert then(past, messages.Inspected(UP_NOW)) == ()


def test_process_that_lives_again_has_exited_in_between():
    seen = messages.Inspected(attrs.evolve(UP_NOW, started_at=T2))
    assert then(RUNNING, seen) == (missed(), events.FoundRunning(2, T2))


@pytest.mark.parametrize("past", [LOADING, RUNNING, STOPPING])
def test_look_at_a_running_process_changes_nothing(past):
    assert then(past, messages.Inspected(UP_NOW)) == ()


def test_old_look_from_before_this_run_is_stale():
    past = (*AGAIN, events.Started(2, T2))
    assert then(past, messages.Inspected(CLEAN)) == ()
    assert then((*past, events.StopRequested(2, Follow.REST)), messages.Inspected(CLEAN)) == ()


@pytest.mark.parametrize("past", [OFFLINE, RUNNING, STOPPING])
@pytest.mark.parametrize("snapshot", [attrs.evolve(CRASH, engine_id="other"), NEVER_RAN])
def test_look_at_another_container_or_at_one_that_never_ran_is_no_news(past, snapshot):
    assert then(past, messages.Inspected(snapshot)) == ()


def test_look_while_a_start_is_under_way_is_left_to_the_start():
    assert then(STARTING, messages.Inspected(UP_NOW)) == ()
    assert then(STARTING, messages.Inspected(CRASH)) == ()
    assert then(STARTING, messages.AbsenceReported(ID)) == ()


def test_container_that_is_gone_is_noted():
    assert then(OFFLINE, messages.AbsenceReported(ID)) == (events.Vanished(ID),)
    assert given((*OFFLINE, events.Vanished(ID))).engine_id is None


@pytest.mark.parametrize(
    ("past", "expected"), [(LOADING, False), (RUNNING, False), (STOPPING, True), (KILLING, True)]
)
def test_running_container_that_is_gone_has_exited_without_a_code(past, expected):
    gone = (lost(expected=expected), events.Vanished(ID))
    assert then(past, messages.AbsenceReported(ID)) == gone


def test_restart_or_deletion_follows_an_end_where_the_container_is_gone_too():
    gone = (events.Exited(1, None, False, True, None, None), events.Vanished(ID))
    assert then(RESTARTING, messages.EndReported(1, None)) == (*gone, events.StartRequested(2))
    assert then(LEAVING, messages.EndReported(1, None)) == (*gone, events.DeletionRequested())


@pytest.mark.parametrize("past", [OFFLINE, RUNNING])
def test_absence_of_another_container_is_no_news(past):
    assert then(past, messages.AbsenceReported("other")) == ()


# What a state remembers


def test_state_remembers_how_the_last_run_ended():
    assert given(EXITED).exit == Exit(0, oom_killed=False, at=T1 + 50)


def test_new_run_forgets_the_exit_and_the_error_of_the_last():
    state = given(AGAIN)
    assert (state.exit, state.error, state.started_at, state.previous) == (None, None, None, T1)


def test_time_of_the_last_start_is_kept_through_starts_that_failed():
    past = (*AGAIN, events.StartFailed(2, "no"), events.StartRequested(3))
    assert given(past).previous == T1


# What the outside calls it


@pytest.mark.parametrize(
    ("phase", "install_state", "power_state"),
    [
        (Phase.PULLING, "installing", "offline"),
        (Phase.SCRIPTING, "installing", "offline"),
        (Phase.CREATING, "installing", "offline"),
        (Phase.FAILED, "failed", "offline"),
        (Phase.OFFLINE, "ready", "offline"),
        (Phase.WAITING, "ready", "offline"),
        (Phase.RESTORING, "ready", "offline"),
        (Phase.STARTING, "ready", "starting"),
        (Phase.LOADING, "ready", "starting"),
        (Phase.RUNNING, "ready", "running"),
        (Phase.STOPPING, "ready", "stopping"),
        (Phase.KILLING, "ready", "stopping"),
        (Phase.REINSTALLING, "installing", "offline"),
        (Phase.BUILDING, "installing", "offline"),
        (Phase.REPLACING, "installing", "offline"),
        (Phase.DELETING, "ready", "offline"),
    ],
)
def test_every_phase_has_a_name_outside(phase, install_state, power_state):
    state = given(PASTS[phase])
    assert (state.phase, state.install_state, state.power_state) == (phase, install_state, power_state)


def test_installation_that_is_deleted_was_never_ready():
    assert given((*CREATED, events.DeletionRequested())).install_state == "failed"


def test_container_that_gets_other_ports_is_not_shown_as_installing():
    past = (*OFFLINE, events.RebindRequested(2, (PORT,)), events.CandidateBuilt(2, NEW))
    state = given((*past, events.ReplacementBegan(2)))
    assert (state.phase, state.install_state) == (Phase.REPLACING, "ready")
    assert given(REPLACING).install_state == "installing"


# The work


def test_work_of_each_state_is_what_it_waits_for():
    watch = effects.WatchConsole(1, ID, "Ready", None, awaited=False)
    assert to_effects(given(())) == frozenset()
    assert to_effects(given(CREATED)) == {effects.EnsureImage(1, "image", "missing")}
    assert to_effects(given(ENSURED)) == {effects.CreateInEngine(1, SPEC, ensure_image=False)}
    assert to_effects(given(OFFLINE)) == frozenset()
    assert to_effects(given(STARTING)) == {watch, effects.StartInEngine(1, ID, None, SPEC)}
    assert to_effects(given(LOADING)) == to_effects(given(RUNNING)) == {watch}
    assert to_effects(given(STOPPING)) == {
        watch,
        effects.StopInEngine(1, ID, SPEC.stop, None),
        effects.WaitGrace(1, 7.0),
    }
    assert to_effects(given(KILLING)) == {watch, effects.KillInEngine(1, ID, None)}
    assert to_effects(given(DELETED)) == frozenset()


@pytest.mark.parametrize(
    ("past", "awaited"), [(STARTING, True), (LOADING, True), (RUNNING, False), (STOPPING, False)]
)
def test_watch_awaits_readiness_until_it_is_recorded_and_stays_the_same_effect(past, awaited):
    (watch,) = (effect for effect in to_effects(given(past)) if isinstance(effect, effects.WatchConsole))
    assert watch.awaited is awaited
    assert watch == effects.WatchConsole(1, ID, "Ready", None, awaited=not awaited)


def test_wish_that_is_replaced_leaves_the_stop_and_its_timer_alone():
    assert to_effects(given(STOPPING)) == to_effects(given(RESTARTING)) == to_effects(given(LEAVING))


def test_every_state_has_work_that_can_be_compared():
    for past in (*PASTS.values(), *MORE_PASTS):
        assert isinstance(hash(to_effects(given(past))), int)


# The table


ALL_EVENTS = frozenset(typing.get_args(events.Event))


def test_past_of_every_phase_leads_to_it():
    assert {phase: given(past).phase for phase, past in PASTS.items()} == {phase: phase for phase in Phase}


def test_every_event_is_in_the_table():
    assert {event for traits in PHASES.values() for event in traits.leads} == ALL_EVENTS


@pytest.mark.parametrize("phase", list(Phase))
def test_stage_of_a_phase_agrees_with_the_events_that_it_can_record(phase):
    leads, traits = PHASES[phase].leads, PHASES[phase]
    assert (traits.stage is Stage.GONE) == (events.Created in leads)
    assert (traits.stage is Stage.INSTALLING) == (events.InstallationFailed in leads)
    assert (traits.stage is Stage.FAILED) == (events.InstallationRepeated in leads)
    assert (traits.stage is Stage.DOWN) == (events.FoundRunning in leads)
    assert (traits.stage is Stage.STARTING) == (events.Started in leads)
    assert traits.up == (events.Exited in leads)
    assert traits.in_run == (events.KillRequested in leads)
    assert (traits.stage is Stage.CHANGING) == (events.ChangeAbandoned in leads)
    assert (traits.stage is Stage.DELETING) == (events.Deleted in leads)


@pytest.mark.parametrize("phase", list(Phase))
def test_phase_has_one_power_state_for_the_api_and_for_new_clients(phase):
    traits = PHASES[phase]
    assert traits.power == (traits.frame if traits.in_run else "offline")


@pytest.mark.parametrize("phase", list(Phase))
def test_event_that_is_not_in_the_table_can_not_be_recorded(phase):
    examples = {type(event): event for past in (*PASTS.values(), *MORE_PASTS) for event in past}
    for kind in examples.keys() - PHASES[phase].leads.keys():
        with pytest.raises(KeyError):
            evolve(given(PASTS[phase]), examples[kind])


def to_shape(state):
    """Return all of ``state`` that decides what can happen to it, and none of its numbers."""
    change, spec = state.change, state.spec
    return (
        state.phase,
        spec and (spec.start_pattern is None, spec.install_script is None, spec.restart_policy.mode),
        spec and bool(spec.ports),
        state.engine_id is None,
        state.started_at is None,
        state.pattern_seen,
        state.follow,
        bool(state.restarts),
        change and (change.kind, change.prepared, change.resume),
        state.limits_before is None,
    )


def to_small(state):
    """Return a state that behaves as ``state``, its numbers those that the reports have."""
    if state.change is not None:
        return attrs.evolve(state, run=min(state.run, 1))
    small = attrs.evolve(state, run=min(state.run, 1), attempt=min(state.attempt, 1))
    return attrs.evolve(small, attempts=min(state.attempts, 1), discarded=state.discarded and 2)


def reachable():
    """Return every (phase, event) that messages can lead to, and every state."""
    seen, edges = {to_shape(DECIDER.initial)}, set()
    frontier = [DECIDER.initial]
    commands = [
        *COMMANDS,
        messages.Adopt(PLAIN, 1, UP_NOW),
        messages.Create(SCRIPTED),
        messages.Create(PLAIN),
        messages.Create(LOOPING),
    ]
    while frontier:
        state = frontier.pop()
        for message in [*commands, *OBSERVATIONS]:
            try:
                emitted = decide(state, message)
            except Rejection:
                assert message in commands, f"{message} is an observation"
                continue
            after = state
            for event in emitted:
                edges.add((after.phase, type(event)))
                after = evolve(after, event)
            to_effects(after)
            after = to_small(after)
            if (shape := to_shape(after)) not in seen:
                seen.add(shape)
                frontier.append(after)
    return edges, {shape[0] for shape in seen}


@pytest.mark.one_python
def test_every_cell_of_the_table_is_reached_and_whatever_is_decided_is_in_it():
    edges, phases = reachable()
    assert edges == {(phase, event) for phase in Phase for event in PHASES[phase].leads}
    assert phases == set(Phase)


def test_no_message_breaks_any_state():
    for past, message in itertools.product((*PASTS.values(), *MORE_PASTS), (*COMMANDS, *OBSERVATIONS)):
        try:
            then(past, message)
        except Rejection:
            assert message in COMMANDS


@pytest.mark.parametrize("phase", [phase for phase in Phase if not PHASES[phase].in_run])
def test_observation_of_a_process_decides_nothing_in_a_phase_without_one(phase):
    state = attrs.evolve(given(PASTS[phase]), engine_id=ID, run=1)
    assert observations.readiness(state, messages.ReadinessReported(1)) == ()
    if PHASES[phase].stage is not Stage.DOWN:
        assert observations.inspected(state, messages.Inspected(UP_NOW)) == ()
        assert observations.absence(state, messages.AbsenceReported(ID)) == ()


@pytest.mark.parametrize("phase", list(Phase))
def test_prepared_change_goes_on_only_when_the_process_is_down_or_can_be_stopped(phase):
    change = Change(Kind.REBIND, 2, 1, SPEC, engine_id="engine-2")
    goes_on = replacement.proceed(attrs.evolve(given(PASTS[phase]), change=change))
    assert bool(goes_on) == (PHASES[phase].stage in (Stage.DOWN, Stage.UP))


def test_server_that_was_killed_for_what_it_wrote_says_so():
    killed = attrs.evolve(CRASH, killed_for="it wrote too much")
    [ended, *_] = then(RUNNING, messages.Inspected(killed))
    assert ended.reason == "it wrote too much"
