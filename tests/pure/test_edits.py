"""Editing a living container: what holds at once, what is applied, what waits for the next start."""

import attrs
import pytest

from actors.container import changed
from actors.container import effects as todo
from actors.container import events as happened
from actors.container import messages as told
from actors.container.decider import effects
from actors.container.editing import needs_new_container
from actors.container.spec import Limits, RestartPolicy, StopPolicy
from actors.container.state import Phase
from tests.pure.test_container_decider import FAILED, ID, OFFLINE, RUNNING, SPEC, STOPPING, given, then

LIMITED = attrs.evolve(SPEC, limits=Limits(memory=2**30, cpu=1.0, pids=100))
BOUND = (happened.Created(1, LIMITED), *RUNNING[1:])


def edited(past, command):
    return (*past, *then(past, command))


@pytest.mark.parametrize(
    "command",
    [
        told.Edit(startup_command="other"),
        told.Edit(start_pattern="Done"),
        told.Edit(environment=(("A", "1"),)),
        told.Edit(stop=StopPolicy(timeout=1.0)),
        told.Edit(restart_policy=RestartPolicy("always")),
        told.Edit(limits=Limits(pids=5)),
    ],
)
@pytest.mark.parametrize("past", [OFFLINE, RUNNING, STOPPING, FAILED])
def test_an_edit_changes_what_is_given_and_keeps_the_rest(past, command):
    state = given(edited(past, command))
    given_fields = {k: v for k, v in attrs.asdict(command, recurse=False).items() if v is not None}
    assert state.asked == attrs.evolve(SPEC, **given_fields)
    assert state.phase is given(past).phase


def test_an_empty_pattern_takes_it_away():
    assert given(edited(RUNNING, told.Edit(start_pattern=""))).asked.start_pattern is None


@pytest.mark.parametrize(
    "command", [told.Edit(), told.Edit(startup_command="run"), told.Edit(limits=Limits())]
)
def test_an_edit_to_the_present_values_records_nothing(command):
    assert then(RUNNING, command) == ()


def test_a_pattern_holds_from_the_next_start_on():
    past = edited(RUNNING, told.Edit(start_pattern="Done"))
    assert effects(given(past)) == {todo.WatchConsole(1, ID, "Ready")}
    past = (*past, *then(past, told.AbsenceReported(ID)), happened.StartRequested(2))
    assert given(past).pattern == "Done"


@pytest.mark.parametrize(
    "command", [told.Edit(startup_command="other"), told.Edit(environment=(("A", "1"),))]
)
def test_an_edit_that_needs_a_new_container_is_built_by_the_next_start(command):
    state = given(edited(OFFLINE, command))
    assert (state.engine_id, state.outdated) == (ID, True)
    state = given((*edited(OFFLINE, command), happened.StartRequested(1)))
    assert (state.engine_id, state.outdated) == (None, False)
    assert effects(state) == {todo.CreateInEngine(1, state.asked)}


def test_new_limits_are_applied_to_the_container_that_there_is():
    new = Limits(memory=2**31, cpu=2.0, pids=200)
    past = edited(BOUND, told.Edit(limits=new))
    assert todo.ApplyLimits(ID, new) in effects(given(past))
    assert then(past, told.LimitsReported(new)) == (changed.LimitsApplied(new),)
    assert effects(given((*past, changed.LimitsApplied(new)))) == effects(given(RUNNING))


def test_limits_that_the_engine_will_not_have_are_taken_back():
    new = Limits(memory=2**20, cpu=1.0, pids=100)
    past = edited(BOUND, told.Edit(limits=new))
    refused = changed.LimitsRefused(LIMITED.limits, "it uses more than that")
    assert then(past, told.LimitsReported(new, "it uses more than that")) == (refused,)
    state = given((*past, refused))
    assert (state.asked.limits, state.limits_before) == (LIMITED.limits, None)


def test_a_report_about_other_limits_is_stale():
    assert then(BOUND, told.LimitsReported(LIMITED.limits)) == ()
    past = edited(BOUND, told.Edit(limits=Limits(memory=2**31, cpu=1.0, pids=100)))
    assert then(past, told.LimitsReported(Limits(pids=1))) == ()


def test_a_limit_that_is_taken_away_waits_for_the_next_start():
    state = given(edited(BOUND, told.Edit(limits=Limits(memory=2**30))))
    assert (state.outdated, state.limits_before) == (True, None)


@pytest.mark.parametrize(
    ("old", "new", "needed"),
    [
        (Limits(), Limits(1, 1.0, 1), False),
        (Limits(1, 1.0, 1), Limits(2, 2.0, 2), False),
        (Limits(memory=1), Limits(), True),
        (Limits(cpu=1.0), Limits(), True),
        (Limits(pids=1), Limits(), True),
    ],
)
def test_a_ceiling_can_be_moved_and_not_be_taken_off(old, new, needed):
    assert needs_new_container(old, new) is needed


def test_limits_without_a_container_are_not_applied():
    past = edited((*OFFLINE, happened.Vanished(ID)), told.Edit(limits=Limits(pids=5)))
    assert given(past).limits_before is None
    past = edited(OFFLINE, told.Edit(limits=Limits(pids=5)))
    assert given((*past, happened.Vanished(ID))).limits_before is None


def test_limits_that_change_while_the_container_is_built_anew_are_applied_once_it_is_there():
    """It may have been built already, with the old ones, and nobody knows yet."""
    past = edited(OFFLINE, told.Edit(environment=(("A", "1"),)))
    past = edited((*past, happened.StartRequested(1)), told.Edit(limits=Limits(pids=5)))
    assert todo.ApplyLimits("engine-2", Limits(pids=5)) not in effects(given(past))
    state = given((*past, happened.Rebuilt("engine-2")))
    assert todo.ApplyLimits("engine-2", Limits(pids=5)) in effects(state)
    assert given((*past, happened.StartFailed(1, "no"))).limits_before is None


def test_a_stop_that_is_under_way_goes_by_the_new_policy():
    policy = StopPolicy("signal", "SIGINT", 1.0)
    state = given(edited(STOPPING, told.Edit(stop=policy)))
    assert state.phase is Phase.STOPPING
    assert {todo.StopInEngine(1, ID, policy), todo.WaitGrace(1, 1.0)} < effects(state)


def test_a_restart_policy_holds_at_once():
    past = edited(RUNNING, told.Edit(restart_policy=RestartPolicy("always")))
    assert isinstance(then(past, told.AbsenceReported(ID))[-1], happened.RestartScheduled)
