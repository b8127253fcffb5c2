"""Editing a living container: what holds at once, what is applied, what waits for the next start."""

import attrs
import pytest

from actors.container import effects, events, messages
from actors.container.decider import to_effects
from actors.container.editing import needs_new_container
from actors.container.spec import EggUse, Installer, Limits, RestartPolicy, StopPolicy
from actors.container.state import Phase
from actors.kernel.decider import Rejection
from tests.support.given import CRASH, FAILED, ID, OFFLINE, RUNNING, SPEC, STOPPING, given, then

LIMITED = attrs.evolve(SPEC, limits=Limits(memory=2**30, cpu=1.0, pids=100))
INSTALL = Installer("installers:1", "bash", "echo one")
EGG = EggUse("minecraft", "0123456789ab", (("VERSION", "1.21"),))
BOUND = (events.Created(1, LIMITED), *RUNNING[1:])


def edited(past, command):
    return (*past, *then(past, command))


@pytest.mark.parametrize(
    "command",
    [
        messages.Edit(startup_command="other"),
        messages.Edit(start_pattern="Done"),
        messages.Edit(environment=(("A", "1"),)),
        messages.Edit(stop=StopPolicy(timeout=1.0)),
        messages.Edit(restart_policy=RestartPolicy("always")),
        messages.Edit(limits=Limits(pids=5)),
        messages.Edit(image="newer"),
        messages.Edit(pull="never"),
        messages.Edit(image="newer", pull="always"),
        messages.Edit(labels=(("a", "1"),)),
        messages.Edit(display_name="One"),
        messages.Edit(entrypoint="image"),
        messages.Edit(install=INSTALL),
        messages.Edit(start_texts=("Done",)),
        messages.Edit(file_denylist=("*.jar",)),
        messages.Edit(egg=EGG),
    ],
)
@pytest.mark.parametrize("past", [OFFLINE, RUNNING, STOPPING, FAILED])
def test_edit_changes_what_is_given_and_keeps_the_rest(past, command):
    state = given(edited(past, command))
    given_fields = {k: v for k, v in attrs.asdict(command, recurse=False).items() if v is not None}
    assert state.known_spec == attrs.evolve(SPEC, **given_fields)
    assert state.phase is given(past).phase


def test_installer_takes_the_place_of_a_script_and_can_be_removed():
    scripted = (events.Created(1, attrs.evolve(SPEC, install_script="echo two")), *RUNNING[1:])
    with_installer = edited(scripted, messages.Edit(install=INSTALL))
    assert given(with_installer).known_spec == attrs.evolve(SPEC, install=INSTALL)
    without = edited(with_installer, messages.Edit(install=Installer("", "", "")))
    assert given(without).known_spec == SPEC


@pytest.mark.parametrize(
    ("spec", "command", "outdated"),
    [
        (SPEC, messages.Edit(entrypoint="image"), True),
        (SPEC, messages.Edit(egg=EGG), True),
        (SPEC, messages.Edit(install=INSTALL, start_texts=("a",), file_denylist=("b",)), False),
        (SPEC, messages.Edit(limits=Limits(memory=2**30)), False),
        (attrs.evolve(SPEC, egg=EGG), messages.Edit(limits=Limits(memory=2**30)), True),
        (attrs.evolve(SPEC, egg=EGG), messages.Edit(limits=Limits(cpu=1.5)), False),
        (attrs.evolve(SPEC, entrypoint="image"), messages.Edit(limits=Limits(memory=2**30)), True),
    ],
)
def test_edit_of_what_is_in_the_environment_needs_a_new_container(spec, command, outdated):
    past = (events.Created(1, spec), *RUNNING[1:])
    assert given(edited(past, command)).outdated is outdated


def test_empty_pattern_takes_it_away():
    assert given(edited(RUNNING, messages.Edit(start_pattern=""))).known_spec.start_pattern is None


@pytest.mark.parametrize(
    "command",
    [
        messages.Edit(),
        messages.Edit(startup_command="run"),
        messages.Edit(limits=Limits()),
        messages.Edit(image="image", pull="missing"),
        messages.Edit(labels=(), display_name=""),
        messages.Edit(entrypoint="shell", start_texts=(), file_denylist=()),
        messages.Edit(install=Installer("", "", "")),
    ],
)
def test_edit_to_the_present_values_records_nothing(command):
    assert then(RUNNING, command) == ()


def test_pattern_holds_from_the_next_start_on():
    past = edited(RUNNING, messages.Edit(start_pattern="Done"))
    assert to_effects(given(past)) == {effects.WatchConsole(1, ID, "Ready", None, awaited=False)}
    past = (*past, *then(past, messages.AbsenceReported(ID)), events.StartRequested(2))
    assert given(past).pattern == "Done"


@pytest.mark.parametrize(
    "command",
    [
        messages.Edit(startup_command="other"),
        messages.Edit(environment=(("A", "1"),)),
        messages.Edit(image="newer"),
    ],
)
def test_edit_that_needs_a_new_container_is_built_by_the_next_start(command):
    state = given(edited(OFFLINE, command))
    assert (state.engine_id, state.outdated) == (ID, True)
    state = given((*edited(OFFLINE, command), events.StartRequested(1)))
    assert (state.engine_id, state.outdated) == (None, False)
    assert to_effects(state) == {effects.CreateInEngine(1, state.known_spec, ensure_image=True)}


def test_new_limits_are_applied_to_the_container_that_there_is():
    new = Limits(memory=2**31, cpu=2.0, pids=200)
    past = edited(BOUND, messages.Edit(limits=new))
    assert effects.ApplyLimits(ID, new) in to_effects(given(past))
    assert then(past, messages.LimitsReported(new)) == (events.LimitsApplied(new),)
    assert to_effects(given((*past, events.LimitsApplied(new)))) == to_effects(given(RUNNING))


def test_limits_that_the_engine_will_not_have_are_taken_back():
    new = Limits(memory=2**20, cpu=1.0, pids=100)
    past = edited(BOUND, messages.Edit(limits=new))
    refused = events.LimitsRefused(LIMITED.limits, "it uses more than that")
    assert then(past, messages.LimitsReported(new, "it uses more than that")) == (refused,)
    state = given((*past, refused))
    assert (state.known_spec.limits, state.limits_before) == (LIMITED.limits, None)


def test_report_about_other_limits_is_stale():
    assert then(BOUND, messages.LimitsReported(LIMITED.limits)) == ()
    past = edited(BOUND, messages.Edit(limits=Limits(memory=2**31, cpu=1.0, pids=100)))
    assert then(past, messages.LimitsReported(Limits(pids=1))) == ()


def test_limit_that_is_taken_away_waits_for_the_next_start():
    state = given(edited(BOUND, messages.Edit(limits=Limits(memory=2**30))))
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
def test_ceiling_can_be_moved_and_not_be_taken_off(old, new, needed):
    assert needs_new_container(old, new) is needed


def test_limits_without_a_container_are_not_applied():
    past = edited((*OFFLINE, events.Vanished(ID)), messages.Edit(limits=Limits(pids=5)))
    assert given(past).limits_before is None
    past = edited(OFFLINE, messages.Edit(limits=Limits(pids=5)))
    assert given((*past, events.Vanished(ID))).limits_before is None


def test_limits_that_change_while_the_container_is_built_anew_are_applied_once_it_is_there():
    """It may have been built already, with the old ones, and nobody knows yet."""
    past = edited(OFFLINE, messages.Edit(environment=(("A", "1"),)))
    past = edited((*past, events.StartRequested(1)), messages.Edit(limits=Limits(pids=5)))
    assert effects.ApplyLimits("engine-2", Limits(pids=5)) not in to_effects(given(past))
    state = given((*past, events.Rebuilt("engine-2")))
    assert effects.ApplyLimits("engine-2", Limits(pids=5)) in to_effects(state)
    assert given((*past, events.StartFailed(1, "no"))).limits_before is None


def test_stop_that_is_under_way_goes_by_the_new_policy():
    policy = StopPolicy("signal", "SIGINT", 1.0)
    state = given(edited(STOPPING, messages.Edit(stop=policy)))
    assert state.phase is Phase.STOPPING
    assert {effects.StopInEngine(1, ID, policy, None), effects.WaitGrace(1, 1.0)} < to_effects(state)


def test_restart_policy_holds_at_once():
    past = edited(RUNNING, messages.Edit(restart_policy=RestartPolicy("always")))
    assert isinstance(then(past, messages.AbsenceReported(ID))[-1], events.RestartScheduled)


# The image


def test_image_is_used_from_the_next_start_on_and_the_running_process_is_left_alone():
    past = edited(RUNNING, messages.Edit(image="newer"))
    assert past[-1].image == "newer"
    assert to_effects(given(past)) == to_effects(given(RUNNING))
    past = (*past, *then(past, messages.Inspected(CRASH)), events.StartRequested(2))
    assert given(past).known_spec.image == "newer"
    assert to_effects(given(past)) == {effects.CreateInEngine(1, given(past).known_spec, ensure_image=True)}


def test_name_that_is_edited_to_itself_is_pulled_again_only_if_the_policy_is_always():
    always = edited(OFFLINE, messages.Edit(pull="always"))
    assert not given(always).outdated
    assert then(always, messages.Edit(environment=())) == ()
    assert then(OFFLINE, messages.Edit(image="image")) == ()
    state = given(edited(always, messages.Edit(image="image")))
    assert (state.outdated, state.known_spec.image, state.known_spec.pull) == (True, "image", "always")
    assert given(edited(OFFLINE, messages.Edit(image="image", pull="always"))) == state
    assert then(edited(always, messages.Edit(image="image")), messages.Edit(image="image")) == ()


def test_image_that_can_not_be_pulled_fails_the_start_and_the_former_one_can_be_started():
    past = (*edited(OFFLINE, messages.Edit(image="newer")), events.StartRequested(1))
    failed = events.StartFailed(1, "no such image")
    assert then(past, messages.CreationReported(1, error="no such image")) == (failed,)
    past = edited((*past, failed), messages.Edit(image="image"))
    state = given((*past, events.StartRequested(2)))
    assert to_effects(state) == {effects.CreateInEngine(1, SPEC, ensure_image=True)}


def test_container_that_vanishes_while_it_is_created_from_the_new_image_is_created_again():
    past = (*edited(OFFLINE, messages.Edit(image="newer")), events.StartRequested(1))
    wanted = to_effects(given(past))
    past = (*past, *then(past, messages.CreationReported(1, "engine-2")))
    past = (*past, *then(past, messages.StartReported(1)))
    assert past[-1] == events.Vanished("engine-2")
    assert to_effects(given(past)) == wanted


def test_image_of_a_failed_installation_is_used_when_it_is_repeated():
    past = edited(FAILED, messages.Edit(image="newer", pull="never"))
    assert then(past, messages.Reinstall()) == (events.InstallationRepeated(2, "newer", None, pull="never"),)


def test_edit_of_an_egg_is_rejected_if_it_was_made_from_another_one():
    other = attrs.evolve(EGG, variables=(("A", "other"),))
    past = edited(RUNNING, messages.Edit(egg=EGG))
    with pytest.raises(Rejection, match="was changed at the same time") as refused:
        then(past, messages.Edit(egg=other))
    assert refused.value.code == "changing"
    assert given(edited(past, messages.Edit(egg=other, egg_before=EGG))).known_spec.egg == other
