"""``lightd demo`` where there is no Docker."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from lightd.cli import demo, demo_screen
from tests.rig import engine

pytestmark = pytest.mark.one_python

DEMO = [sys.executable, "-m", "lightd", "demo"]


def environment(folder):
    return {**os.environ, "TMPDIR": str(folder), "DOCKER_HOST": "unix:///no/such.sock"}


def left_behind(folder):
    mine = [path for path in Path("/sys/fs/cgroup").glob("*/lightd/demo-*") if list(path.glob("*-*"))]
    return [*folder.glob("lightd-demo-*"), *mine]


def test_demo_shows_the_whole_life_of_a_server_without_docker(host):
    shown = subprocess.run(
        DEMO, env=environment(host.folder), capture_output=True, text=True, timeout=120, check=False
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    told = [
        "without isolation",
        "  url=http://127.0.0.1:",
        '  curl -sS -X POST -H "$auth" -H "$accept" "$url/volumes"',
        "console | installing into ",
        "event | ready",
        "console | Welcome to the demo",
        "event | running",
        "console | you said: hello",
        "the process ended with exit code 0",
        "DELETE /containers/demo-",
    ]
    running = "event | running"  # its pattern may be seen before the end of its line is
    places = [shown.stdout.find(line) for line in told if line != running]
    assert -1 not in places, shown.stdout
    assert places == sorted(places), shown.stdout
    assert running in shown.stdout
    assert left_behind(host.folder) == []


def begun(host, *options, **settings):
    return subprocess.Popen(
        [*DEMO, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(host.folder),
        **settings,
    )


def servers_of(folder):
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(folder) in line]


def test_demo_lines_can_be_pasted_while_the_daemon_stays_and_go_with_it(host):
    engine.require("curl")
    engine.require("ps")
    lines = []
    with begun(host, "--keep") as process:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("  lightd ps"):
                break
        at = next(number for number, line in enumerate(lines) if "The daemon keeps running" in line)
        calls = [line for line in lines if line.startswith("  curl ")]
        started = next(number for number, line in enumerate(calls) if "/start" in line)
        names = [line for line in lines if line.startswith(("  url=", "  auth="))]
        lightd = f'lightd() {{ {sys.executable} -m lightd "$@"; }}\n'
        waiting = "sleep 1\n"  # it is made when the answer has come
        script = [lightd, *names, *calls[:started], waiting, calls[started], *lines[at + 1 :]]
        done = subprocess.run(
            ["bash"], input="".join(script), capture_output=True, text=True, check=False, env=os.environ
        )
        kept = servers_of(host.folder)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert '{"volume_id":' in done.stdout
    assert "Port already exists in pool" in done.stdout
    assert "Container start initiated" in done.stdout
    assert "host" in done.stdout.splitlines()[-1], done.stderr
    assert kept
    assert process.returncode == 0
    assert (servers_of(host.folder), left_behind(host.folder)) == ([], [])


@pytest.mark.parametrize(
    ("seen", "number"),
    [
        ("lightd listens on", signal.SIGINT),
        ("POST /containers\n", signal.SIGTERM),
        ("| installing into", signal.SIGINT),
        ("| running", signal.SIGHUP),
    ],
)
def test_demo_that_a_signal_ends_leaves_nothing_and_says_so_by_its_code(host, seen, number):
    engine.require("ps")
    with begun(host) as process:
        assert any(seen in line for line in process.stdout)
        process.send_signal(number)
        _, trouble = process.communicate()
    assert process.returncode == 128 + number
    assert trouble == ""
    assert (servers_of(host.folder), left_behind(host.folder)) == ([], [])


@pytest.mark.parametrize("lines", [1, 17, 26])
def test_demo_that_nobody_reads_any_more_ends_without_a_word_and_leaves_nothing(host, lines):
    engine.require("ps")
    with begun(host) as process:
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        trouble = process.stderr.read()
    assert (process.returncode, trouble) == (141, "")
    assert (servers_of(host.folder), left_behind(host.folder)) == ([], [])


def test_demo_without_an_output_is_one_all_the_same(host):
    command = f"exec {shlex.join(DEMO)} >&-"
    done = subprocess.run(["sh", "-c", command], env=environment(host.folder), timeout=120, check=False)
    assert done.returncode == 0
    assert left_behind(host.folder) == []


def test_engine_that_is_there_but_no_engine_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "DOCKER", str(tmp_path / "none.sock"))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert demo._choose() == "process"


async def test_terminal_shows_that_something_takes_long(autojump_clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    screen = demo_screen.Screen()
    async with screen.waiting():
        await trio.sleep(3)
        screen.tell("a line")
    told = capsys.readouterr().out
    assert "###---" in told
    assert "] 2 s" in told
    assert told.endswith("\r\x1b[Ka line\n")


async def test_file_shows_no_bar(autojump_clock, capsys):
    async with demo_screen.Screen().waiting():
        await trio.sleep(3)
    assert capsys.readouterr().out == ""


async def test_dumb_terminal_shows_no_bar(autojump_clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    async with demo_screen.Screen().waiting():
        await trio.sleep(3)
    assert capsys.readouterr().out == ""
