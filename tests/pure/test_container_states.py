"""Starts, stops, exits and crashes are lines in the log, and a crash loop does not fill it."""

import logging

import pytest

from actors.container import events
from actors.kernel.journal import Recorded
from lightd.logs import container_states
from lightd.logs.container_states import BURST, PAUSE, REMEMBERED, Limits, to_line

STOPPED = events.Exited(1, 143, oom_killed=False, expected=True, started_at=1.0, at=2.0)
CRASHED = events.Exited(1, 137, oom_killed=True, expected=False, started_at=1.0, at=2.0, reason="too big")
UNKNOWN = events.Exited(1, None, oom_killed=False, expected=False, started_at=None, at=None, reason="gone")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def recorded(event, internal_id="s1", cause=None):
    return Recorded(7, f"container-{internal_id}", 3, 1.0, event, cause)


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (events.StartRequested(1), "INFO", "container s1 is being started"),
        (events.BecameReady(1), "INFO", "container s1 is running"),
        (events.FoundRunning(1, 1.0), "INFO", "container s1 was found running"),
        (events.StartFailed(1, "no image"), "WARNING", "container s1 could not be started: no image"),
        (events.StopRequested(1, events.Follow.REST), "INFO", "container s1 is being stopped"),
        (events.StopTimedOut(1), "WARNING", "container s1 did not stop in time and is killed"),
        (events.KillRequested(1, events.Follow.REST), "INFO", "container s1 is being killed"),
        (STOPPED, "INFO", "container s1 exited (exit code 143)"),
        (CRASHED, "WARNING", "container s1 crashed (exit code 137): too big"),
        (UNKNOWN, "WARNING", "container s1 crashed (exit code unknown): gone"),
        (events.RestartScheduled(1, 2.0, 1.0), "INFO", "container s1 is restarted in 2 seconds"),
        (events.RestartsGivenUp(1, "loop"), "WARNING", "container s1 is not restarted: loop"),
        (events.Installed(1, "e"), "INFO", "container s1 is installed"),
        (
            events.InstallationFailed(1, "failed", "no"),
            "WARNING",
            "the installation of container s1 failed: no",
        ),
        (events.ChangeFailed(1, "failed", "no"), "WARNING", "the change of container s1 failed: no"),
        (events.Deleted(), "INFO", "container s1 was deleted"),
    ],
)
def test_change_of_state_is_a_line_with_its_container(caplog, event, level, text):
    with caplog.at_level(logging.INFO):
        record = recorded(event, cause="start-1")
        Limits(Clock()).log(record, *to_line(record))
    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == (level, text)
    assert (line.seq, line.operation_id) == (7, "start-1")


def test_event_that_changes_no_state_has_no_line():
    assert to_line(recorded(events.PatternSeen(1))) is None


def test_crash_loop_has_a_burst_of_lines_then_one_in_a_while_with_the_number_of_others(caplog):
    clock = Clock()
    limits = Limits(clock)
    record = recorded(CRASHED)
    with caplog.at_level(logging.INFO):
        for _ in range(1000):
            limits.log(record, *to_line(record))
        assert len(caplog.records) == BURST
        limits.log(other := recorded(STOPPED, "s2"), *to_line(other))
        assert len(caplog.records) == BURST + 1
        clock.now += PAUSE
        limits.log(record, *to_line(record))
        limits.log(record, *to_line(record))
    assert len(caplog.records) == BURST + 2
    assert caplog.records[-1].left_out == 1000 - BURST


def test_number_of_counted_containers_is_bounded(monkeypatch, caplog):
    monkeypatch.setattr(container_states, "REMEMBERED", 3)
    limits = Limits(Clock())
    for n in range(10):
        record = recorded(STOPPED, f"s{n}")
        limits.log(record, *to_line(record))
    assert len(limits._paid) == 3
    assert REMEMBERED > 1000
