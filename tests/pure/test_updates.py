import typing

import pytest

from actors.container import events
from actors.container.fleet import stream_of
from actors.kernel.journal import Recorded
from actors.remotesync.updates import STATUSES, Failure, Fault, Status, Update, to_update
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
