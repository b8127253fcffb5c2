import typing

import pytest

from actors.container import events as happened
from actors.container.fleet import stream_of
from actors.container.spec import ContainerSpec
from actors.kernel.journal import Recorded
from actors.remotesync.updates import STATUSES, Failure, Fault, Status, Update, to_update

SPEC = ContainerSpec("s1", "image", "volume", "command")


def recorded(event, stream="container-s1"):
    return Recorded(7, stream, 3, 1.0, event)


@pytest.mark.parametrize(
    ("event", "frames"),
    [
        (happened.Created(1, SPEC), (Status("installing"),)),
        (happened.ScriptFinished(1), (Status("installing"),)),
        (happened.Installed(1, "e"), (Status("ready"),)),
        (
            happened.InstallationFailed(1, "timeout", "it took too long"),
            (Status("failed"), Fault("timeout", "it took too long")),
        ),
    ],
)
def test_the_panel_is_told_what_becomes_of_an_installation(event, frames):
    assert to_update(recorded(event)) == Update("s1", frames)


def test_the_panel_is_told_of_nothing_else():
    told = {type(event) for event in typing.get_args(happened.Event)} & STATUSES.keys()
    assert told == set()
    for event in (happened.Started(1, 1.0), happened.StartFailed(1, "no"), happened.Deleted()):
        assert to_update(recorded(event)) is None


def test_a_server_goes_by_the_name_that_its_stream_has():
    assert to_update(recorded(happened.Installed(1, "e"), stream_of("a.b-c"))).server == "a.b-c"


def test_every_event_that_the_panel_hears_of_as_a_failure_says_why():
    failed = {cls for cls, status in STATUSES.items() if status.status == "failed"}
    assert failed == {cls for cls in STATUSES if {"fault", "reason"} <= set(cls.__annotations__)}
    assert isinstance(happened.InstallationFailed(1, "failed", "x"), Failure)
