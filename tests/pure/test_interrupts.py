"""Signals that end a command."""

import argparse
import io
import os
import signal
import sys
import types
from contextlib import suppress

import pytest

from lightd.cli import main
from lightd.cli.commands import create, edit, interrupts
from lightd.cli.commands.create import Making
from lightd.cli.commands.output import Output
from lightd.cli.commands.trouble import FAILED, Trouble


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


class Installing:
    """A daemon whose installation ends; a signal comes while it is asked, and what it raises is dropped."""

    asked = 0

    def ask(self, method, path, **_):
        if method == "GET":
            self.asked += 1
            Swallowing()
        return {"operation_id": "o", "status": "pending" if self.asked < 3 else "succeeded"}


def test_signal_that_was_dropped_ends_the_wait_for_an_installation(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda found: None)
    monkeypatch.setattr(create, "PAUSE", 0.01)
    client, output = Installing(), Output(io.StringIO(), io.StringIO(), colours=False, width=None)
    args = argparse.Namespace(id="mc", image="x", egg=None, wait=60.0)
    with pytest.raises(SystemExit, match="143"), interrupts.ending():
        create._install(args, {}, Making(client, output))
    assert client.asked == 1


def test_signal_while_settings_are_edited_names_the_file_that_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("VISUAL", "sh -c 'kill -TERM $PPID; sleep 60' --")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client, err = types.SimpleNamespace(ask=lambda *_: {"image": "x"}), io.StringIO()
    args = main._to_parser().parse_args(["edit", "mc"])
    with pytest.raises(SystemExit, match="143"), interrupts.ending():
        edit.run(args, client, Output(io.StringIO(), err, colours=False, width=None))
    (draft,) = tmp_path.iterdir()
    assert err.getvalue() == f"lightd: interrupted; your text is in {draft}\n"


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


def test_signal_during_the_removal_of_what_was_made_ends_the_command_after_it():
    removed = []
    err = io.StringIO()
    making = Making(None, Output(io.StringIO(), err, colours=False, width=None))
    making.made("volume", lambda: removed.append("volume"))
    making.made("port", lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(SystemExit, match="130"), interrupts.ending(), making:
        raise Trouble(FAILED, "the installation failed")
    assert removed == ["volume"]
    assert err.getvalue() == "lightd: removed again: port, volume\n"
