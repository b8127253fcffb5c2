"""Signals that end a command."""

import os
import signal
import sys
from contextlib import suppress

import pytest

from lightd.cli.commands import interrupts


class Swallowing:
    """Python drops what is raised while this is destroyed."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


def test_signal_ends_a_command_with_its_code():
    with pytest.raises(SystemExit, match="130"), interrupts.ending():
        os.kill(os.getpid(), signal.SIGINT)


def test_signal_that_came_while_something_was_destroyed_ends_the_command_a_little_later(monkeypatch):
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: dropped.append(found.exc_type))
    with interrupts.ending():
        interrupts.check()
        Swallowing()
        assert dropped == [SystemExit]
        with pytest.raises(SystemExit, match="143"):
            interrupts.check()
    interrupts.check()


def interrupted(*numbers):
    """Send these signals within a deferring block; returns whether its end was reached."""
    done = []
    with suppress(SystemExit), interrupts.deferred():
        for number in numbers:
            os.kill(os.getpid(), number)
        done.append("made")
    return bool(done)


def test_signal_in_a_deferring_block_ends_the_command_after_it():
    with interrupts.ending():
        assert interrupted()
        interrupts.check()
        assert interrupted(signal.SIGINT)
        with pytest.raises(SystemExit, match="130"):
            interrupts.check()


def test_second_signal_in_a_deferring_block_ends_the_command_at_once():
    with interrupts.ending():
        assert not interrupted(signal.SIGINT, signal.SIGTERM)
