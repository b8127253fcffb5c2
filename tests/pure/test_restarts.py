"""What follows a crash."""

import attrs
import pytest

from actors.container import effects, events, messages, restarts
from actors.container.decider import DECIDER, decide, to_effects
from actors.container.engine import Snapshot
from actors.container.events import Follow
from actors.container.spec import RestartPolicy
from actors.container.state import Phase
from actors.kernel.decider import Rejection, replay
from tests.support.builders import a_spec

ID = "engine-1"
SPEC = a_spec()
TAIL = ("one", "two")


class Story:
    """A container that is told things, in the order of the test."""

    def __init__(self, policy):
        self.events = []
        self.now = 100.0
        spec = attrs.evolve(SPEC, restart_policy=policy)
        self.tell(messages.Create(spec))
        self.tell(messages.ImageReported(1))
        self.tell(messages.CreationReported(1, ID))

    @property
    def state(self):
        return replay(DECIDER, DECIDER.initial, self.events)

    def tell(self, message):
        emitted = decide(self.state, message)
        self.events.extend(emitted)
        self.state  # noqa: B018 - what was decided can be folded in
        return emitted

    def run(self):
        """Have the engine start it."""
        self.now += 1
        self.began = self.now
        self.tell(messages.StartReported(self.state.run, Snapshot(ID, True, self.now)))
        assert self.state.phase is Phase.RUNNING

    def end(self, code=1, after=1.0, **changes):
        self.now += after
        ended = Snapshot(ID, False, self.began, self.now, code)
        return self.tell(messages.Inspected(attrs.evolve(ended, **changes), TAIL))

    def crash(self, **end):
        self.run()
        return self.end(**end)

    def elapse(self):
        """Have it started again."""
        assert self.tell(messages.BackoffElapsed(self.state.run)) == (events.StartRequested(self.state.run),)


def a_story(mode="on-crash", most=3, within=60.0):
    story = Story(RestartPolicy(mode, most, within))
    story.tell(messages.Start())
    return story


def test_crash_says_how_it_ended_and_what_it_printed_last():
    (exited,) = a_story("never").crash(code=7)
    assert (exited.code, exited.reason, exited.tail, exited.expected) == (
        7,
        "the process ended with exit code 7",
        TAIL,
        False,
    )


@pytest.mark.parametrize(
    ("code", "oom", "reason"),
    [
        (137, True, "the process was killed because it exceeded its memory limit"),
        (139, False, "the process was ended by signal 11"),
        (0, False, "the process ended with exit code 0"),
        (None, False, "the process ended"),
    ],
)
def test_crash_has_a_reason(code, oom, reason):
    (exited,) = a_story("never").crash(code=code, oom_killed=oom)
    assert exited.reason == reason


@pytest.mark.parametrize(
    ("code", "reason"), [(0, "exit code 0"), (1, "exit code 1"), (143, "signal 15"), (None, "ended")]
)
def test_crash_after_a_child_was_killed_for_its_memory_has_the_main_process_as_its_reason(code, reason):
    (exited,) = a_story("never").crash(code=code, oom_killed=True)
    assert (exited.code, exited.oom_killed, exited.child_oom_killed) == (code, False, True)
    assert exited.reason.endswith(f"{reason}; another process in the container was killed for its memory")


def test_kill_by_lightd_after_a_child_was_killed_for_its_memory_is_not_for_memory():
    story = a_story("always")
    story.run()
    story.tell(messages.Kill())
    (exited,) = story.end(code=137, oom_killed=True)
    assert (exited.oom_killed, exited.child_oom_killed, exited.expected) == (False, True, True)


def test_stopped_process_that_the_kernel_kills_for_its_memory_is_told_as_such():
    story = a_story("always")
    story.run()
    story.tell(messages.Stop())
    (exited,) = story.end(code=137, oom_killed=True)
    assert (exited.oom_killed, exited.child_oom_killed) == (True, False)


def test_end_that_was_asked_for_has_neither_a_reason_nor_last_words():
    story = a_story("always")
    story.run()
    story.tell(messages.Stop())
    (exited,) = story.end(code=137)
    assert (exited.expected, exited.reason, exited.tail) == (True, "", ())
    assert story.state.phase is Phase.OFFLINE


@pytest.mark.parametrize("report", ["stop first", "exit first"])
def test_exit_that_was_asked_for_is_never_a_crash_whatever_the_order_of_reports(report):
    story = a_story("always")
    story.run()
    story.tell(messages.Stop())
    ended = Snapshot(ID, False, story.began, story.now, 1)
    reports = [messages.EndReported(1, ended), messages.Inspected(ended, TAIL)]
    for each in reports if report == "stop first" else reports[::-1]:
        story.tell(each)
    exits = [event for event in story.events if isinstance(event, events.Exited)]
    assert [event.expected for event in exits] == [True]
    assert story.state.phase is Phase.OFFLINE


@pytest.mark.parametrize(
    ("mode", "code", "oom", "again"),
    [
        ("never", 1, False, False),
        ("on-crash", 1, False, True),
        ("on-crash", 0, False, False),
        ("on-crash", 0, True, False),
        ("on-crash", 137, True, True),
        ("on-crash", None, False, True),
        ("always", 0, False, True),
    ],
)
def test_policy_says_what_is_started_again(mode, code, oom, again):
    story = a_story(mode)
    story.crash(code=code, oom_killed=oom)
    assert story.state.phase is (Phase.WAITING if again else Phase.OFFLINE)


def test_each_crash_in_a_row_waits_twice_as_long():
    story = a_story(most=100, within=10.0)
    waits = []
    for _ in range(8):
        _, scheduled = story.crash(after=20.0)
        waits.append(scheduled.delay)
        assert to_effects(story.state) == {effects.WaitBackoff(story.state.run, scheduled.delay)}
        story.elapse()
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_healthy_minute_ends_the_row():
    story = a_story()
    story.crash()
    story.elapse()
    _, scheduled = story.crash(after=60.0)
    assert scheduled.delay == 1.0
    assert len(story.state.restarts) == 1


def test_crash_loop_is_called_one_and_stops():
    story = a_story(most=2, within=60.0)
    for _ in range(2):
        story.crash()
        story.elapse()
    _, given_up = story.crash(code=7)
    reason = (
        "crash loop: the process ended with exit code 7, after it was restarted 2 times within 60 seconds"
    )
    assert given_up == events.RestartsGivenUp(3, reason)
    assert (story.state.phase, story.state.error) == (Phase.OFFLINE, reason)
    assert to_effects(story.state) == frozenset()


def test_one_restart_is_told_as_one():
    story = a_story(most=1)
    story.crash()
    story.elapse()
    _, given_up = story.crash()
    assert "after it was restarted once within 60 seconds" in given_up.reason


def test_crashes_that_are_far_enough_apart_are_no_loop():
    story = a_story(most=2, within=30.0)
    for _ in range(10):
        story.crash(after=20.0)
        assert story.state.phase is Phase.WAITING
        story.elapse()


def test_start_after_a_crash_loop_begins_a_new_row():
    story = a_story(most=1)
    story.crash()
    story.elapse()
    story.crash()
    story.tell(messages.Start())
    assert story.state.restarts == ()
    story.crash()
    assert story.state.phase is Phase.WAITING


def test_container_that_was_removed_is_a_crash_too():
    story = a_story()
    story.run()
    exited, vanished, scheduled = story.tell(messages.AbsenceReported(ID, TAIL))
    assert (exited.code, exited.reason, exited.tail) == (
        None,
        "the container was removed outside lightd",
        TAIL,
    )
    assert vanished == events.Vanished(ID)
    assert scheduled == events.RestartScheduled(1, 1.0, story.began)
    story.elapse()
    assert story.state.engine_id is None
    assert to_effects(story.state) == {effects.CreateInEngine(1, story.state.spec, ensure_image=True)}


def test_crash_at_an_unknown_time_is_dated_by_what_is_known():
    story = a_story()
    story.crash()
    story.elapse()
    moment = story.state.restarts[-1]
    story.run()
    story.tell(messages.Inspected(Snapshot(ID, False, story.began, None, 1)))
    assert story.state.restarts == (moment, story.began)


def test_restart_that_fails_is_tried_again_until_it_is_a_loop():
    story = a_story(most=2)
    story.crash()
    story.elapse()
    failed, scheduled = story.tell(messages.StartReported(2, error="the port is taken"))
    assert failed == events.StartFailed(2, "the port is taken")
    assert scheduled.delay == 2.0
    story.elapse()
    _, given_up = story.tell(messages.StartReported(3, error="the port is taken"))
    assert given_up.reason.startswith("crash loop: the port is taken")


def test_start_that_was_asked_for_and_failed_is_not_repeated():
    story = a_story("always")
    assert story.tell(messages.StartReported(1, error="no")) == (events.StartFailed(1, "no"),)


def test_process_that_ends_before_its_start_is_confirmed_has_crashed():
    story = a_story()
    started, ready, *rest = story.tell(messages.StartReported(1, Snapshot(ID, False, 5.0, 6.0, 3), tail=TAIL))
    assert isinstance(started, events.Started)
    assert isinstance(ready, events.Exited)
    assert ready.tail == TAIL
    assert [type(event) for event in rest] == [events.RestartScheduled]


@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()])
def test_stop_calls_the_restart_off(command):
    story = a_story()
    story.crash()
    assert story.tell(command) == (events.RestartCalledOff(1),)
    assert (story.state.phase, story.state.restarts) == (Phase.OFFLINE, ())
    assert story.tell(messages.BackoffElapsed(1)) == ()


def test_policy_that_wants_no_restart_any_longer_calls_off_the_one_that_is_due():
    story = a_story()
    story.crash()
    edited, off = story.tell(messages.Edit(restart_policy=RestartPolicy("never")))
    assert edited.restart_policy.mode == "never"
    assert off == events.RestartCalledOff(1)
    assert (story.state.phase, story.state.restarts) == (Phase.OFFLINE, ())
    assert story.tell(messages.BackoffElapsed(1)) == ()


def test_another_policy_that_wants_a_restart_leaves_the_one_that_is_due():
    story = a_story()
    story.crash()
    (edited,) = story.tell(messages.Edit(restart_policy=RestartPolicy("always", 9)))
    assert edited.restart_policy.max == 9
    story.elapse()


@pytest.mark.parametrize("command", [messages.Start(), messages.Restart()])
def test_start_does_not_wait_and_the_row_goes_on(command):
    story = a_story()
    story.crash()
    assert story.tell(command) == (events.StartRequested(2),)
    assert len(story.state.restarts) == 1


def test_waiting_container_can_be_deleted():
    story = a_story()
    story.crash()
    assert story.tell(messages.Delete()) == (events.DeletionRequested(),)


def test_waiting_container_that_is_started_by_hand_is_found():
    story = a_story()
    story.crash()
    assert story.tell(messages.Inspected(Snapshot(ID, True, 500.0))) == (
        events.FoundRunning(2, 500.0),
        events.BecameReady(2),
    )


def test_waiting_container_that_is_removed_is_built_anew():
    story = a_story()
    story.crash()
    assert story.tell(messages.AbsenceReported(ID)) == (events.Vanished(ID),)
    assert story.state.phase is Phase.WAITING


def test_waits_of_earlier_runs_are_stale():
    story = a_story()
    story.crash()
    assert story.tell(messages.BackoffElapsed(0)) == ()
    story.elapse()
    assert story.tell(messages.BackoffElapsed(1)) == ()


def test_stop_during_a_restarted_run_is_an_end_of_the_row():
    story = a_story()
    story.crash()
    story.elapse()
    story.run()
    story.tell(messages.Stop())
    story.end(code=0)
    assert story.state.restarts == ()


def test_restart_by_a_person_is_no_crash():
    story = a_story("always")
    story.run()
    story.tell(messages.Restart())
    exited, start = story.end(code=143)
    assert exited.expected
    assert start == events.StartRequested(2)


def test_container_that_is_being_deleted_is_not_started_again():
    story = a_story("always")
    story.run()
    story.tell(messages.Delete())
    _, deletion = story.end(code=1)
    assert deletion == events.DeletionRequested()
    with_stop = [e for e in story.events if isinstance(e, events.StopRequested)]
    assert [event.follow for event in with_stop] == [Follow.DELETE]


def test_delay_never_grows_beyond_a_minute():
    assert restarts.BACKOFF.delay(10_000) == 60


def test_waiting_container_can_not_be_created_again():
    story = a_story()
    story.crash()
    with pytest.raises(Rejection, match="exists already"):
        story.tell(messages.Create(SPEC))
