import typing

import pytest

from actors.container import events
from actors.container.fleet import stream_of
from actors.kernel.journal import Recorded
from actors.remotesync.updates import STATUSES, Failure, Fault, Run, Status, Update, to_update
from lightd.api.events import to_panel_body
from tests.support.builders import a_spec

SPEC = a_spec()


def recorded(event, stream="container-s1"):
    return Recorded(7, stream, 3, 1.0, event)


@pytest.mark.parametrize(
    ("event", "frames"),
    [
        (events.Created(1, SPEC), (Status("installing"),)),
        (events.ScriptFinished(1), (Status("installing"),)),
        (events.Installed(1, "e"), (Status("ready"),)),
        (
            events.InstallationFailed(1, "timeout", "it took too long"),
            (Status("failed"), Fault("timeout", "it took too long")),
        ),
    ],
)
def test_panel_is_told_what_becomes_of_an_installation(event, frames):
    assert to_update(recorded(event)) == Update("s1", frames)


def test_panel_is_told_of_nothing_else():
    told = {type(event) for event in typing.get_args(events.Event)} & STATUSES.keys()
    assert told == set()
    for event in (events.Started(1, 1.0), events.StartFailed(1, "no"), events.Deleted()):
        assert to_update(recorded(event)) is None


def test_server_goes_by_the_name_that_its_stream_has():
    assert to_update(recorded(events.Installed(1, "e"), stream_of("a.b-c"))).server == "a.b-c"


def test_every_event_that_the_panel_hears_of_as_a_failure_says_why():
    failed = {cls for cls, status in STATUSES.items() if status.status == "failed"}
    assert failed == {cls for cls in STATUSES if {"fault", "reason"} <= set(cls.__annotations__)}
    assert isinstance(events.InstallationFailed(1, "failed", "x"), Failure)


ENDED = events.Exited(1, 0, oom_killed=False, expected=True, started_at=1.0, at=2.0)
CRASHED = events.Exited(1, 137, oom_killed=True, expected=False, started_at=1.0, at=2.0, reason="too big")


@pytest.mark.parametrize(
    ("event", "body"),
    [
        (events.Started(1, 1.0), {"event": "start"}),
        (events.FoundRunning(1, 1.0), {"event": "start"}),
        (ENDED, {"event": "stop", "code": 0, "oom_killed": False, "data": ""}),
        (CRASHED, {"event": "crash", "code": 137, "oom_killed": True, "data": "too big"}),
        (events.StartFailed(1, "no"), {"event": "crash", "code": None, "oom_killed": False, "data": "no"}),
    ],
)
def test_panel_that_asks_for_it_is_told_of_starts_and_ends(event, body):
    assert to_update(recorded(event)) is None
    update = to_update(recorded(event), runs=True)
    assert update.server == "s1"
    assert [to_panel_body("s1", frame) for frame in update.frames] == [{**body, "server": "s1", "at": 1.0}]


def test_start_that_was_cancelled_is_no_crash():
    cancelled = Recorded(7, "container-s1", 3, 1.0, events.StartFailed(1, "cancelled on request"), "stop-1")
    assert to_update(cancelled, runs=True).frames == (Run("stop", 1.0, reason="cancelled on request"),)


def test_updates_of_installations_stay_with_those_of_runs():
    assert to_update(recorded(events.Installed(1, "e")), runs=True) == Update("s1", (Status("ready"),))
    assert to_update(recorded(events.PatternSeen(1)), runs=True) is None
