"""The table of commands and phases on ``docs/lifecycle.md`` has an answer for every pair."""

from pathlib import Path
from typing import get_args

import pytest

from actors.container import messages
from actors.container.state import Phase

PAGE = (Path(__file__).parents[2] / "docs/lifecycle.md").read_text()


def read_table():
    """Every cell, by situation and command; equal rows are one row that names each situation."""
    found, commands = {}, None
    chapter = PAGE.partition("## What a command does")[2].partition("## Messages and effects")[0]
    for line in chapter.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| phase"):
            commands = [cell.strip("`") for cell in cells[1:]]
        elif line.startswith("| **"):
            for situation in cells[0].split("<br>"):
                for command, cell in zip(commands, cells[1:], strict=True):
                    found[situation.strip("*"), command] = cell
    return found


TABLE = read_table()


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_command_table_has_an_answer_to_every_command_in_each_phase(phase):
    answered = {command for (situation, command) in TABLE if situation.split(",")[0] == phase.value}
    assert answered == {command.__name__.lower() for command in get_args(messages.Command)}


def test_command_table_says_what_the_decider_does():
    assert TABLE["stopping", "kill"].startswith("The process is killed at once; afterwards it stays offline.")
    assert "`KillRequested`, now killing" in TABLE["stopping", "kill"]
    assert TABLE["running", "start"] == "already so"
    assert TABLE["deleting", "start"] == "rejected: *container s1 is being deleted* (`deleting`)"
