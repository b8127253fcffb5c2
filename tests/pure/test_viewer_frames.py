"""What a viewer is sent: values to frames, events to words."""

import json

import pytest

from actors.container import events
from actors.container.events import Follow
from actors.container.spec import Limits, RestartPolicy, StopPolicy
from actors.container.state import PHASES, Exit, Phase, Stage, State
from actors.kernel.actor import View
from actors.kernel.journal import Recorded
from lightd.api.events import to_state_frame
from lightd.http.live import frames
from tests.support.builders import a_spec

SPEC = a_spec()
SHOWN = {
    events.Created(1, SPEC): {"data": "installing"},
    events.Installed(1, "e"): {"data": "ready"},
    events.InstallationFailed(1, "failed", "why"): {"data": "failed"},
    events.StartRequested(1): {"data": "starting"},
    events.FoundRunning(1, 5.0): {"data": "starting"},
    events.BecameReady(1): {"data": "running"},
    events.StopRequested(1, Follow.REST): {"data": "stopping"},
    events.KillRequested(1, Follow.REST): {"data": "stopping"},
    events.Exited(1, 7, oom_killed=True, expected=False, started_at=1.0, at=2.0): {
        "data": "exit",
        "code": 7,
        "oom_killed": True,
        "crashed": True,
    },
    events.StartFailed(1, "why"): {"data": "exit", "code": None, "oom_killed": False, "crashed": True},
    events.Adopted(1, "e", None, SPEC): {"data": "ready"},
    events.InstallationRepeated(2, "image", None): {"data": "installing"},
    events.ReinstallBegan(2): {"data": "installing"},
    events.Replaced(2): {"data": "ready"},
    events.ChangeAbandoned(2, "failed", "why"): {"data": "ready"},
    events.Deleted(): {"data": "deleted"},
}
SILENT = [
    events.ImageEnsured(1),
    events.ScriptFinished(1),
    events.Rebuilt("e"),
    events.Started(1, 5.0),
    events.PatternSeen(1),
    events.HintGiven(1, "eula", "accept it"),
    events.StopTimedOut(1),
    events.Vanished("e"),
    events.DeletionRequested(),
    events.RestartScheduled(1, 2.0, 9.0),
    events.RestartsGivenUp(1, "why"),
    events.RestoreScheduled(1),
    events.RestartCalledOff(1),
    events.ReinstallRequested(2, "image", None),
    events.RebindRequested(2, ()),
    events.NewImageEnsured(2),
    events.NewScriptFinished(2),
    events.CandidateBuilt(2, "e"),
    events.ReplacementBegan(2),
    events.ResumptionDecided(2, resume=True),
    events.ChangeFailed(2, "failed", "why"),
    events.Edited("run", None, (), StopPolicy(), RestartPolicy(), Limits()),
    events.LimitsApplied(Limits()),
    events.LimitsRefused(Limits(), "why"),
]


@pytest.mark.parametrize("size", [0, 1, 100, 124, 125, 126, 200, 65_000, 65_533, 65_534, 65_535, 100_000])
def test_frame_is_one_unmasked_text_of_its_length(size):
    frame = frames.to_frame("x" * size)
    assert frame[0] == 0x81
    length, start = frame[1], 2
    if length in (126, 127):
        start = 4 if length == 126 else 10
        length = int.from_bytes(frame[2:start])
        assert length >= (126 if start == 4 else 65_536)  # RFC 6455 section 5.2: the minimal form
    assert len(frame) == start + length
    assert json.loads(frame[start:]) == "x" * size


def test_frame_is_utf_8_whatever_was_printed():
    assert frames.to_frame("h\u00e4\U0001f600")[2:].decode() == '"h\u00e4\U0001f600"'
    assert frames.to_frame("\ud800")[2:].decode() == '"?"'


@pytest.mark.parametrize(("event", "shown"), SHOWN.items(), ids=lambda value: type(value).__name__)
def test_event_that_changes_the_state_is_shown(event, shown):
    record = Recorded(9, "container-s1", 1, 0.0, event)
    assert to_state_frame(record) == {"event": "event", "seq": 9, **shown}


@pytest.mark.parametrize("event", SILENT, ids=lambda value: type(value).__name__)
def test_event_that_only_lightd_cares_about_is_not(event):
    assert to_state_frame(Recorded(9, "container-s1", 1, 0.0, event)) is None


def test_every_event_is_shown_or_is_known_to_be_silent():
    known = {type(event) for event in (*SHOWN, *SILENT)}
    assert known == set(events.Event.__args__)


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_is_a_state_that_stands(phase):
    shown = frames.to_state(View(State(phase, SPEC), position=4))
    assert shown.keys() == {"event", "seq", "data"}
    assert shown["seq"] == 4
    ended = frames.to_state(View(State(phase, SPEC, exit=Exit(1, oom_killed=True, at=None)), position=4))
    assert (ended["data"] == "exit") is (PHASES[phase].stage is Stage.DOWN)


RESTART = events.StopRequested(1, Follow.START)
START = events.Started(2, 5.0)
FAIL = events.StartFailed(2, "why")
EXIT = events.Exited(1, 0, oom_killed=False, expected=True, started_at=1.0, at=2.0)


@pytest.mark.parametrize(
    ("follow", "emitted", "said"),
    [
        (Follow.REST, [START, events.BecameReady(2), EXIT], ["started", "Server started", "stopped"]),
        (Follow.REST, [RESTART, EXIT, START], ["stopped", "restarted"]),
        (Follow.REST, [RESTART, EXIT, START, START], ["stopped", "restarted", "started"]),
        (Follow.START, [EXIT, START], ["stopped", "restarted"]),
        (Follow.REST, [RESTART, EXIT, FAIL, START], ["stopped", "Error: why", "started"]),
        (Follow.REST, [RESTART, events.KillRequested(1, Follow.REST), START], ["started"]),
        (Follow.REST, [events.InstallationFailed(1, "failed", "no image")], ["Error: no image"]),
        (Follow.REST, SILENT[:3], []),
    ],
)
def test_run_is_put_into_words(follow, emitted, said):
    commentary = frames.Commentary(follow)
    texts = [text for event in emitted if (text := commentary.to_text(event)) is not None]
    assert texts == [text if text[0].isupper() else f"Container {text}" for text in said]


def test_lines_are_joined_with_the_number_of_the_first():
    assert frames.to_console(["a", "", "b"], 7) == {"event": "console", "data": "a\n\nb\n", "line": 7}
    assert frames.to_logs([], 1) == {"event": "logs", "data": "", "line": 1}
    assert frames.to_gap(3, 8) == {"event": "gap", "missed": 3, "next_line": 8}
