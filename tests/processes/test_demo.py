"""``lightd demo`` where there is no Docker."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import trio

from lightd import demo, demo_screen
from tests.rig import engine

DEMO = [sys.executable, "-m", "lightd", "demo"]


def environment(folder):
    return {**os.environ, "TMPDIR": str(folder), "DOCKER_HOST": "unix:///no/such.sock"}


def left_behind(folder):
    mine = [path for path in Path("/sys/fs/cgroup").glob("*/lightd/demo-*") if list(path.glob("*-*"))]
    return [*folder.glob("lightd-demo-*"), *mine]


def test_the_demo_shows_the_whole_life_of_a_server_without_docker(host):
    shown = subprocess.run(
        DEMO, env=environment(host.folder), capture_output=True, text=True, timeout=120, check=False
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    told = [
        "nothing isolates it",
        "$ url=http://127.0.0.1:",
        '$ curl -sS -X POST -H "$auth" -H "$accept" "$url/volumes"',
        "console | installing into ",
        "event | ready",
        "console | Welcome to the demo",
        "event | running",
        "console | you said: hello",
        "the process ended with exit code 0",
        "DELETE /containers/demo",
    ]
    running = "event | running"  # its pattern may be seen before the end of its line is
    places = [shown.stdout.find(line) for line in told if line != running]
    assert -1 not in places, shown.stdout
    assert places == sorted(places), shown.stdout
    assert running in shown.stdout
    assert left_behind(host.folder) == []


def test_its_lines_can_be_pasted_while_the_daemon_stays(host):
    engine.require("curl")
    lines = []
    with subprocess.Popen(
        [*DEMO, "--keep"], stdout=subprocess.PIPE, text=True, env=environment(host.folder)
    ) as process:
        for line in process.stdout:
            lines.append(line)
            if "The daemon stays" in line:
                break
        words = [line.removeprefix("  $ ") for line in lines if line.startswith("  $ ")]
        names, calls = words[:2], words[2:]
        pasted = [*names, *(call for call in calls if "/network/ports" in call or '"$url/volumes"' in call)]
        done = subprocess.run(["sh"], input="".join(pasted), capture_output=True, text=True, check=False)
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert '{"volume_id":' in done.stdout
    assert "Port already exists in pool" in done.stdout
    assert process.returncode == 0
    assert left_behind(host.folder) == []


def test_an_engine_that_is_there_but_no_engine_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "DOCKER", str(tmp_path / "none.sock"))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert demo._choose() == "process"


async def test_a_terminal_shows_that_something_takes_long(autojump_clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    screen = demo_screen.Screen()
    async with screen.waiting():
        await trio.sleep(3)
        screen.tell("a line")
    told = capsys.readouterr().out
    assert "###---" in told
    assert "] 2 s" in told
    assert told.endswith("\r\x1b[Ka line\n")


async def test_a_file_shows_no_bar(autojump_clock, capsys):
    async with demo_screen.Screen().waiting():
        await trio.sleep(3)
    assert capsys.readouterr().out == ""
