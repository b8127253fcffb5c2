"""Reinstalling a container and giving it other ports: the old one stays until the new one has its place."""

import attrs
import pytest

from actors.container import effects, events, messages
from actors.container.decider import to_effects
from actors.container.events import Follow
from actors.container.spec import Limits
from actors.container.state import Kind, Phase
from tests.support.builders import exited
from tests.support.given import (
    BUILDING,
    CLEAN,
    CREATED,
    DELETED,
    DELETING,
    EXITED,
    FAILED,
    ID,
    LEAVING,
    LOADING,
    NEW,
    NEW_SCRIPTED,
    OFFLINE,
    PORT,
    PREPARING,
    REBINDING,
    REINSTALLING,
    REPLACING,
    RUNNING,
    SPEC,
    STARTING,
    STOPPING,
    T1,
    TAKEN_DOWN,
    UP_NOW,
    WAITING,
    given,
    refused,
    then,
)

OTHER = attrs.evolve(PORT, port=8888)
BUILT = (*REBINDING, events.CandidateBuilt(2, NEW))
SWAPPING = (*TAKEN_DOWN, exited(expected=True), events.ReplacementBegan(2))
COMMANDS = (messages.Reinstall(), messages.Rebind((PORT,)), messages.Edit(environment=(("A", "1"),)))


def test_reinstallation_is_planned_and_the_process_runs_on():
    planned = then(RUNNING, messages.Reinstall("newer", "install"))
    assert planned == (NEW_SCRIPTED,)
    state = given((*RUNNING, *planned))
    assert (state.phase, state.install_state, state.known_spec) == (Phase.RUNNING, "ready", SPEC)
    assert effects.EnsureImage(2, "newer", "missing") in to_effects(state)


def test_reinstallation_keeps_what_is_not_given():
    assert then(OFFLINE, messages.Reinstall()) == (events.ReinstallRequested(2, "image", None),)
    assert then(OFFLINE, messages.Reinstall(image="newer")) == (events.ReinstallRequested(2, "newer", None),)
    script = then(OFFLINE, messages.Reinstall(install_script="s"))
    assert script == (events.ReinstallRequested(2, "image", "s"),)


def test_other_ports_are_built_beside_the_running_process():
    planned = then(RUNNING, messages.Rebind((PORT,)))
    assert planned == (events.RebindRequested(2, (PORT,)),)
    state = given((*RUNNING, *planned))
    new = attrs.evolve(SPEC, ports=(PORT,))
    assert effects.BuildCandidate(2, 1, new, (PORT,), "missing") in to_effects(state)
    assert state.claimed == (PORT,)
    assert state.known_spec.ports == ()


def test_only_ports_that_the_old_container_does_not_have_must_be_free():
    bound = attrs.evolve(SPEC, ports=(PORT,))
    past = (events.Created(1, bound), *OFFLINE[1:], events.RebindRequested(2, (PORT, OTHER)))
    (build,) = to_effects(given(past))
    assert build.fresh == (OTHER,)
    assert given(past).claimed == (PORT, PORT, OTHER)


def test_same_ports_are_no_change():
    assert then(RUNNING, messages.Rebind(())) == ()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("past", "code"),
    [
        ((), "not_found"),
        (DELETED, "not_found"),
        (CREATED, "installing"),
        (DELETING, "deleting"),
        (LEAVING, "deleting"),
        (PREPARING, "changing"),
        (REBINDING, "changing"),
        (TAKEN_DOWN, "changing"),
        (REINSTALLING, "changing"),
        (BUILDING, "changing"),
        (REPLACING, "changing"),
    ],
)
def test_change_of_an_unsettled_container_is_rejected(past, code, command):
    assert refused(past, command) == code


def test_limits_that_are_being_applied_come_first():
    past = (*RUNNING, *then(RUNNING, messages.Edit(limits=Limits(pids=5))))
    assert refused(past, messages.Reinstall()) == "changing"


# Getting ready


@pytest.mark.parametrize("past", [OFFLINE, STARTING, LOADING, RUNNING, STOPPING])
def test_missing_image_fails_a_reinstallation_and_touches_nothing(past):
    before = (*past, NEW_SCRIPTED)
    failed = events.ChangeFailed(2, "failed", "no such image")
    assert then(before, messages.ImageReported(2, "no such image")) == (failed,)
    after = given((*before, failed))
    assert (after.phase, after.engine_id, after.known_spec) == (given(past).phase, ID, SPEC)
    assert after.error == "no such image"
    assert effects.DiscardChange(2, "s1") in to_effects(after)


def test_container_that_can_not_be_built_leaves_the_old_one_running():
    report = messages.CandidateReported(2, error="Port 7777/tcp is in use on the host")
    (failed,) = then(REBINDING, report)
    assert failed == events.ChangeFailed(2, "failed", report.error)
    state = given((*REBINDING, failed))
    assert (state.phase, state.claimed) == (Phase.RUNNING, ())


def test_engine_that_made_nothing_says_so():
    (failed,) = then(REBINDING, messages.CandidateReported(2))
    assert failed.reason == "the engine did not create the container"


def test_running_process_is_taken_down_once_everything_is_ready():
    ready = events.NewImageEnsured(2)
    stop = events.StopRequested(1, Follow.CHANGE)
    assert then(PREPARING, messages.ImageReported(2)) == (ready, stop)
    assert then(REBINDING, messages.CandidateReported(2, NEW)) == (events.CandidateBuilt(2, NEW), stop)


def test_process_that_is_down_is_left_so():
    assert then((*OFFLINE, NEW_SCRIPTED), messages.ImageReported(2)) == (
        events.NewImageEnsured(2),
        events.ReinstallBegan(2),
    )
    past = (*OFFLINE, events.RebindRequested(2, (PORT,)))
    assert then(past, messages.CandidateReported(2, NEW)) == (
        events.CandidateBuilt(2, NEW),
        events.ReplacementBegan(2),
    )


def test_reinstallation_without_a_script_builds_at_once():
    past = (*OFFLINE, events.ReinstallRequested(2, "newer", None))
    assert then(past, messages.ImageReported(2)) == (
        events.NewImageEnsured(2),
        events.ReinstallBegan(2),
        events.NewScriptFinished(2),
    )


SCRIPTLESS = events.ReinstallRequested(2, "image", "install", run_script=False)


def test_reinstallation_that_is_not_to_run_its_script_builds_at_once_and_keeps_the_script():
    command = messages.Reinstall(install_script="install", run_script=False)
    assert then(OFFLINE, command) == (SCRIPTLESS,)
    past = (*OFFLINE, SCRIPTLESS)
    past = (*past, *then(past, messages.ImageReported(2)))
    assert past[-2:] == (events.ReinstallBegan(2), events.NewScriptFinished(2))
    past = (*past, events.CandidateBuilt(2, NEW), events.Replaced(2))
    assert given(past).known_spec.install_script == "install"
    assert then(past, messages.Reinstall()) == (events.ReinstallRequested(3, "image", "install"),)


def test_failed_installation_can_be_repeated_without_its_script():
    command = messages.Reinstall(install_script="install", run_script=False)
    repeated = events.InstallationRepeated(2, "image", "install", run_script=False)
    assert then(FAILED, command) == (repeated,)
    past = (*FAILED, repeated)
    past = (*past, *then(past, messages.ImageReported(2)))
    assert past[-2:] == (events.ImageEnsured(2), events.ScriptFinished(2))
    past = (*past, events.InstallationFailed(2, "failed", "no"), events.InstallationRepeated(3, "image", "i"))
    assert then(past, messages.ImageReported(3)) == (events.ImageEnsured(3),)


@pytest.mark.parametrize(
    ("asked", "built"), [("missing", "missing"), ("always", "missing"), ("never", "never")]
)
def test_image_of_a_reinstallation_is_pulled_once_as_its_policy_says(asked, built):
    past = (*OFFLINE, *then(OFFLINE, messages.Reinstall(pull=asked)))
    assert effects.EnsureImage(2, "image", asked) in to_effects(given(past))
    past = (*past, *then(past, messages.ImageReported(2)))
    (build,) = to_effects(given(past))
    assert (build.pull, build.spec.pull) == (built, asked)


@pytest.mark.parametrize("past", [STARTING, STOPPING])
def test_process_on_its_way_arrives_first(past):
    ready = (events.RebindRequested(2, (PORT,)), events.CandidateBuilt(2, NEW))
    assert then((*past, ready[0]), messages.CandidateReported(2, NEW)) == (ready[1],)
    arrived = messages.StartReported(1, UP_NOW) if past is STARTING else messages.EndReported(1, CLEAN)
    *_, last = then((*past, *ready), arrived)
    assert last in (events.StopRequested(1, Follow.CHANGE), events.ReplacementBegan(2))


def test_crash_meanwhile_goes_on_with_the_change_and_is_started_again_as_the_policy_says():
    past = (*WAITING, events.RebindRequested(2, (PORT,)))
    assert then(past, messages.CandidateReported(2, NEW)) == (
        events.CandidateBuilt(2, NEW),
        events.ReplacementBegan(2),
    )
    state = given((*past, events.CandidateBuilt(2, NEW), events.ReplacementBegan(2)))
    assert state.known_change.resume


# The install script


def test_reinstallation_runs_its_script_with_the_process_down():
    script = attrs.evolve(SPEC, image="newer", install_script="install")
    assert to_effects(given(REINSTALLING)) == {
        effects.RunInstallScript(2, script),
        effects.WaitInstall(2, 3600.0),
    }
    assert then(REINSTALLING, messages.ScriptReported(2, 0)) == (events.NewScriptFinished(2),)
    assert to_effects(given(BUILDING)) == {effects.BuildCandidate(2, 2, script, (), "missing")}
    assert then(BUILDING, messages.CandidateReported(2, NEW)) == (events.CandidateBuilt(2, NEW),)
    assert to_effects(given(REPLACING)) == {effects.ReplaceInEngine(2, "s1", NEW)}


@pytest.mark.parametrize(
    ("past", "report", "fault", "reason"),
    [
        (
            REINSTALLING,
            messages.ScriptReported(2, 3),
            "failed",
            "the install script ended with exit code 3",
        ),
        (REINSTALLING, messages.ScriptReported(2, error="no"), "failed", "no"),
        (
            REINSTALLING,
            messages.InstallTimeElapsed(2),
            "timeout",
            "the install script took longer than 3600 seconds",
        ),
        (BUILDING, messages.CandidateReported(2, error="no"), "failed", "no"),
        (REPLACING, messages.ReplacementReported(2, "no"), "failed", "no"),
    ],
)
def test_reinstallation_that_fails_leaves_the_old_container_at_rest(past, report, fault, reason):
    abandoned = events.ChangeAbandoned(2, fault, reason)
    assert then(past, report) == (abandoned,)
    state = given((*past, abandoned))
    assert (state.phase, state.engine_id, state.known_spec, state.error) == (Phase.OFFLINE, ID, SPEC, reason)
    assert then((*past, abandoned), messages.Start()) == (events.StartRequested(1),)


# The exchange


def test_process_that_was_taken_down_for_other_ports_comes_back_with_them():
    end = then(TAKEN_DOWN, messages.EndReported(1, CLEAN))
    assert end == (exited(expected=True), events.ReplacementBegan(2))
    done = then(SWAPPING, messages.ReplacementReported(2))
    assert done == (events.Replaced(2), events.StartRequested(2))
    state = given((*SWAPPING, *done))
    assert (state.engine_id, state.known_spec.ports, state.attempt, state.change) == (NEW, (PORT,), 1, None)
    assert effects.StartInEngine(2, NEW, T1, SPEC) in to_effects(state)


def test_reinstalled_container_stays_offline():
    down = then((*PREPARING, events.NewImageEnsured(2)), messages.Inspected(CLEAN))
    assert [type(event) for event in down] == [events.Exited, events.ReinstallBegan]
    assert then(REPLACING, messages.ReplacementReported(2)) == (events.Replaced(2),)
    state = given((*REPLACING, events.Replaced(2)))
    assert (state.phase, state.attempt, state.exit, state.error) == (Phase.OFFLINE, 2, None, None)
    assert (state.known_spec.image, state.known_spec.install_script) == ("newer", "install")


def test_offline_container_with_new_ports_stays_offline():
    past = (*EXITED, events.RebindRequested(2, (PORT,)), events.CandidateBuilt(2, NEW))
    past = (*past, events.ReplacementBegan(2))
    assert then(past, messages.ReplacementReported(2)) == (events.Replaced(2),)
    assert given((*past, events.Replaced(2))).exit is not None


def test_stop_that_takes_too_long_is_a_kill_and_the_change_goes_on():
    past = (*TAKEN_DOWN, *then(TAKEN_DOWN, messages.GraceElapsed(1)))
    assert then(past, messages.EndReported(1, CLEAN))[-1] == events.ReplacementBegan(2)


def test_container_that_vanished_while_it_was_taken_down_is_replaced_all_the_same():
    *_, last = then(TAKEN_DOWN, messages.EndReported(1, None))
    assert last == events.ReplacementBegan(2)


# Other wishes meanwhile


@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()])
@pytest.mark.parametrize("past", [(*OFFLINE, NEW_SCRIPTED), PREPARING, REBINDING, BUILT])
def test_stop_calls_a_change_off_that_has_not_begun(past, command):
    off, *rest = then(past, command)
    assert off == events.ChangeFailed(2, "cancelled", "cancelled on request")
    ends = [type(event) for event in rest]
    wanted = events.KillRequested if isinstance(command, messages.Kill) else events.StopRequested
    assert ends == ([] if given(past).phase is Phase.OFFLINE else [wanted])


@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()])
@pytest.mark.parametrize("past", [REINSTALLING, BUILDING])
def test_stop_calls_off_what_has_begun_and_leaves_the_old_container(past, command):
    off = events.ChangeAbandoned(2, "cancelled", "cancelled on request")
    assert then(past, command) == (off,)


def test_stop_while_it_is_taken_down_leaves_it_down():
    off = events.ChangeFailed(2, "cancelled", "cancelled on request")
    assert then(TAKEN_DOWN, messages.Stop()) == (off, events.StopRequested(1, Follow.REST))
    assert then(TAKEN_DOWN, messages.Kill()) == (off, events.KillRequested(1, Follow.REST))
    past = (*TAKEN_DOWN, events.StopTimedOut(1))
    assert then(past, messages.Stop()) == (off, events.KillRequested(1, Follow.REST))


def test_stop_calls_off_a_change_and_a_restart():
    past = (*WAITING, events.RebindRequested(2, (PORT,)))
    off = events.ChangeFailed(2, "cancelled", "cancelled on request")
    assert then(past, messages.Stop()) == (off, events.RestartCalledOff(1))


def test_stop_during_the_replacement_only_decides_what_comes_after_it():
    assert then(SWAPPING, messages.Stop()) == (events.ResumptionDecided(2, resume=False),)
    assert then(SWAPPING, messages.Start()) == ()
    assert then(REPLACING, messages.Stop()) == ()
    assert then(REPLACING, messages.Restart()) == (events.ResumptionDecided(2, resume=True),)
    past = (*REPLACING, events.ResumptionDecided(2, resume=True))
    assert then(past, messages.ReplacementReported(2))[-1] == events.StartRequested(1)


def test_start_during_a_reinstallation_is_refused_and_during_a_rebinding_is_under_way():
    assert refused(REINSTALLING, messages.Start()) == "changing"
    assert then(TAKEN_DOWN, messages.Start()) == ()
    past = (*PREPARING, events.NewImageEnsured(2), events.StopRequested(1, Follow.CHANGE))
    assert refused(past, messages.Start()) == "changing"


def test_start_while_a_change_is_prepared_is_a_start():
    assert then((*OFFLINE, NEW_SCRIPTED), messages.Start()) == (events.StartRequested(1),)


@pytest.mark.parametrize("past", [(*OFFLINE, NEW_SCRIPTED), REINSTALLING, BUILDING, REPLACING])
def test_deletion_ends_every_change(past):
    assert then(past, messages.Delete()) == (events.DeletionRequested(),)
    state = given((*past, events.DeletionRequested()))
    assert state.change is None
    assert to_effects(state) == {effects.RemoveFromEngine(1, "s1")}


def test_deletion_while_it_is_taken_down_comes_after():
    assert then(TAKEN_DOWN, messages.Delete()) == (events.StopRequested(1, Follow.DELETE),)


# An installation that failed


def test_failed_installation_can_be_repeated_with_another_image():
    repeated = events.InstallationRepeated(2, "newer", None)
    assert then(FAILED, messages.Reinstall("newer")) == (repeated,)
    state = given((*FAILED, repeated))
    assert (state.phase, state.attempt, state.known_spec.image) == (Phase.PULLING, 2, "newer")
    assert state.error is None
    assert refused(FAILED, messages.Rebind((PORT,))) == "install_failed"


def test_failed_installation_claims_no_ports_and_a_repeated_one_does():
    bound = attrs.evolve(SPEC, ports=(PORT,))
    past = (events.Created(1, bound), *FAILED[1:])
    assert given(past).claimed == ()
    assert given((*past, events.InstallationRepeated(2, "newer", None))).claimed == (PORT,)
    assert given(()).claimed == ()


# Stale reports


@pytest.mark.parametrize(
    "report",
    [
        messages.ImageReported(1),
        messages.ScriptReported(1, 0),
        messages.InstallTimeElapsed(1),
        messages.CandidateReported(1, NEW),
        messages.ReplacementReported(1),
    ],
)
@pytest.mark.parametrize("past", [OFFLINE, PREPARING, REBINDING, REINSTALLING, BUILDING, REPLACING])
def test_report_on_another_attempt_is_stale(past, report):
    assert then(past, report) == ()


def test_report_that_comes_twice_is_stale():
    assert then(REPLACING, messages.CandidateReported(2, "other")) == ()
    assert then(REINSTALLING, messages.ImageReported(2)) == ()
    assert then(REBINDING, messages.ImageReported(2)) == ()
    assert then(PREPARING, messages.CandidateReported(2, NEW)) == ()


def test_attempts_are_never_given_twice():
    failed = events.ChangeFailed(2, "failed", "no")
    (again,) = then((*PREPARING, failed), messages.Reinstall())
    assert again.attempt == 3
    past = (*OFFLINE, NEW_SCRIPTED, failed, events.DeletionRequested(), events.Deleted())
    assert then(past, messages.Create(SPEC)) == (events.Created(3, SPEC),)


def test_change_knows_what_it_is():
    assert given(REBINDING).known_change.kind is Kind.REBIND
    assert given(PREPARING).known_change.kind is Kind.REINSTALL
