"""``lightd demo`` on a fake engine: the show, and the sentence for each way in which it can't go on."""

import argparse
from contextlib import asynccontextmanager

import pytest

from lightd import daemon
from lightd.cli import demo, main
from tests.support.fake_engine import engine as fake


async def server(process, _words):
    await process.print("Ready for players")
    while (line := await process.read_line()) != "stop":
        await process.print(f"you said: {line}")
    await process.print("Stopping")
    return 0


async def silent(process, _words):
    while await process.read_line() != "stop":
        pass
    return 0


async def crash(process, _words):
    await process.print("Ready for players")
    await process.read_line()
    await process.print("you said: hello")
    await process.read_line()
    return 1


@pytest.fixture
def show(monkeypatch, capsys):
    """Run the demo on an engine with these settings; what it returns and what it says on standard error."""
    monkeypatch.setattr(demo, "FIRST_SIGHT", 0.05)
    open_system = daemon.open_system

    def run(*, down=False, program=server, image=fake.RIG_IMAGE):
        @asynccontextmanager
        async def open_engine(*_):
            programs = {demo.STARTUP: program, "#!/bin/sh\necho installing into $(pwd)\n": fake.programs.echo}
            async with fake.open_fake_engine(programs_too=programs) as engine:
                if down:
                    engine.go_down()
                yield engine

        monkeypatch.setattr(daemon, "open_system", lambda known: open_system(known, open_engine))
        code = demo.main(argparse.Namespace(image=image, engine="docker", keep=False))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_show_goes_from_the_volume_to_the_exit_code(show):
    code, told, trouble = show()
    assert (code, trouble) == (0, "")
    steps = ["POST /volumes", "POST /network/ports", "POST /containers", "WebSocket /ws/demo-"]
    steps += ["| Ready for players", "| running", "> hello", "| you said: hello", "| exit", "exit code 0"]
    steps += ["DELETE /containers/demo-", "Done: the server was created, used and removed."]
    at = 0
    for step in steps:
        at = told.index(step, at)


def test_engine_that_does_not_answer_is_told_in_a_sentence(show):
    code, _, trouble = show(down=True)
    assert code == 1
    assert trouble == "lightd demo: POST /containers failed: the container engine does not answer\n"


def test_image_that_does_not_exist_is_told_in_a_sentence(show):
    code, told, trouble = show(image="no/such:image")
    assert code == 1
    assert trouble == "lightd demo: the installation failed: There is no image no/such:image\n"
    assert "DELETE /containers/demo-" in told


def test_server_that_ends_badly_is_told_in_a_sentence(show):
    code, _, trouble = show(program=crash)
    assert code == 1
    assert trouble == "lightd demo: the server ended with exit code 1 instead of 0\n"


def test_server_that_never_comes_up_is_not_waited_for_for_ever(show, monkeypatch):
    monkeypatch.setattr(demo, "PATIENCE", 0.5)
    code, _, trouble = show(program=silent)
    assert code == 1
    assert trouble == "lightd demo: no event 'running' within 0.5 seconds\n"


def test_command_line_has_the_demo(monkeypatch):
    asked = []
    monkeypatch.setattr(demo, "main", lambda args: asked.append((args.image, args.keep)) or 0)
    assert main.main(["demo", "--image", "x", "--keep"]) == 0
    assert asked == [("x", True)]
