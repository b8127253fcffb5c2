"""The real command, as a person has it: on a terminal, in a pipe, in three shells."""

import errno
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
from functools import partial
from pathlib import Path

import pytest
import trio

from lightd.cli.commands import run
from lightd.cli.commands.output import to_output
from lightd.cli.commands.sentences import to_end
from lightd.cli.stdio import Unwritten
from tests.api.front import PATIENCE, a_file, open_api, write_file
from tests.support.terminal import on_terminal

pytestmark = pytest.mark.one_python

LIGHTD = [sys.executable, "-m", "lightd"]


@pytest.fixture
def environ(tmp_path):
    """Has the served daemon be found, and ``lightd`` be a command."""
    command = tmp_path / "bin/lightd"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m lightd "$@"\n')
    command.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    return {
        **kept,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "LIGHTD_CONFIG": str(tmp_path / "people.json"),
        "TERM": "xterm",
        "HOME": str(tmp_path),
    }


@pytest.fixture
async def findable(tmp_path, environ):
    async with open_api(tmp_path) as api:
        server = {"host": "127.0.0.1", "port": int(api.url.rpartition(":")[2])}
        write_file(Path(environ["LIGHTD_CONFIG"]), a_file(tmp_path, server=server))
        yield api


async def piped(environ, script):
    done = await trio.run_process(
        ["bash", "-c", f"set -o pipefail; {script}"],
        env=environ,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


# ---- the console


@pytest.mark.parametrize("key", ["\x1d", "\x04"], ids=["ctrl-]", "ctrl-d"])
async def test_console_shows_takes_lines_and_is_left_running(findable, environ, key):
    await findable.running()
    async with on_terminal(environ, *LIGHTD, "console", "s1") as terminal:
        before = termios.tcgetattr(terminal.theirs)
        await terminal.until("press Ctrl-] or Ctrl-D to detach")
        await terminal.until("Ready")
        terminal.type("hello\n")
        await terminal.until("got: hello")
        assert termios.tcgetattr(terminal.theirs) != before
        terminal.type(key)
        assert await terminal.code() == 0
        await terminal.until("detached")
        assert termios.tcgetattr(terminal.theirs) == before
    assert (await findable.show())["state"] == "running"


async def test_line_that_was_entered_just_before_detaching_is_sent(findable, environ):
    await findable.running()
    async with on_terminal(environ, *LIGHTD, "console", "s1") as terminal:
        await terminal.until("Ready")
        terminal.type("one\rtwo\r\x1d")
        assert await terminal.code() == 0
    with trio.fail_after(PATIENCE):
        while "got: two" not in str(await findable.get("/containers/s1/logs")):
            await trio.sleep(0.01)
    logs = (await findable.get("/containers/s1/logs"))["lines"]
    assert [line["text"] for line in logs if line["text"].startswith("got")] == ["got: one", "got: two"]


async def test_lines_that_could_not_be_sent_before_detaching_are_counted(findable, environ):
    await findable.running()
    async with on_terminal(environ, *LIGHTD, "console", "s1") as terminal:
        await terminal.until("Ready")
        terminal.type("\x1b[200~" + "line\n" * 500 + "\x1b[201~\r\x1d")
        await terminal.until(" lines were not sent")
        assert await terminal.code() == 0


async def test_console_is_as_large_as_its_terminal(findable, environ):
    await findable.running()
    async with on_terminal(environ, *LIGHTD, "console", "s1", columns=91, rows=33) as terminal:
        await terminal.until("Ready")
        console = findable.system.fleet.get("s1").console
        with trio.fail_after(PATIENCE):
            while (console.columns, console.rows) != (91, 33):
                await trio.sleep(0.01)
        fcntl.ioctl(terminal.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 70, 0, 0))
        terminal.process.send_signal(signal.SIGWINCH)
        with trio.fail_after(PATIENCE):
            while (console.columns, console.rows) != (70, 20):
                await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
async def test_signal_ends_it_cleanly_and_leaves_the_terminal_as_it_was(findable, environ, number, code):
    await findable.running()
    async with on_terminal(environ, *LIGHTD, "console", "s1") as terminal:
        before = termios.tcgetattr(terminal.theirs)
        await terminal.until("Ready")
        terminal.process.send_signal(number)
        assert await terminal.code() == code
        assert termios.tcgetattr(terminal.theirs) == before
    assert "Traceback" not in terminal.text


async def test_console_tells_what_becomes_of_its_container(findable, environ):
    await findable.create(start_pattern="Ready")
    async with on_terminal(environ, *LIGHTD, "console", "s1") as terminal:
        await terminal.until("to detach")
        with trio.fail_after(PATIENCE):
            while not findable.system.sockets._held:
                await trio.sleep(0.01)
        await findable.power("start")
        await terminal.until(f"{chr(27)}[2m[lightd] Server started")
        await findable.call("DELETE", "/containers/s1", wait=20)
        await terminal.until("container s1 was deleted")
        assert await terminal.code() == 0


async def test_console_says_how_a_process_ended(findable, environ):
    await findable.running()
    async with on_terminal({**environ, "NO_COLOR": "1"}, *LIGHTD, "console", "s1") as terminal:
        await terminal.until("press Ctrl-] or Ctrl-D to detach")
        await terminal.until("Ready")
        terminal.type("exit 4\n")
        await terminal.until("[lightd] The server crashed with exit code 4\r\n")
        terminal.type("\x1d")
        assert await terminal.code() == 0


def test_end_that_nobody_saw_and_one_for_want_of_memory_are_told_as_that():
    assert to_end({"event": "event", "data": "exit", "code": None}) == "the server exited"
    told = to_end({"event": "event", "data": "exit", "code": 137, "oom_killed": True, "crashed": False})
    assert told == "the server exited with exit code 137 (out of memory)"


async def test_piped_input_is_sent_to_its_end(findable, environ):
    await findable.running()
    code, out, err = await piped(environ, r"printf 'one\ntwo\r\nthree' | lightd console s1 -n 0")
    assert (code, err) == (0, "lightd: detached\n")
    logs = (await findable.get("/containers/s1/logs"))["lines"]
    got = [line["text"] for line in logs if line["text"].startswith("got")]
    assert got == ["got: one", "got: two", "got: three"]
    assert "got: two" in out
    (Path(environ["HOME"]) / "lines").write_text("four\n")
    assert (await piped(environ, "lightd console s1 <~/lines"))[0] == 0
    assert (await piped(environ, "lightd console s1 </dev/null"))[0] == 0


async def test_console_speaks_json_to_a_script(findable, environ):
    await findable.create(start_pattern="Ready")
    async with on_terminal(environ, *LIGHTD, "console", "s1", "--json") as terminal:
        await terminal.until("to detach")
        with trio.fail_after(PATIENCE):
            while not findable.system.sockets._held:
                await trio.sleep(0.01)
        await findable.power("start")
        await terminal.until('{"message": "Server started"}')
        await terminal.until('"text": "Ready", "at": ')


async def test_line_that_is_refused_is_code_1(findable, environ):
    await findable.create()
    code, _, err = await piped(environ, "echo hello | lightd console s1")
    assert code == 1
    assert err.startswith("lightd: ")


# ---- colours and widths


async def test_colours_are_used_on_a_terminal_and_not_with_no_color(findable, environ):
    await findable.running()
    async with on_terminal(environ, *LIGHTD, "ps") as terminal:
        assert await terminal.code() == 0
        await terminal.until("running")
    assert "\x1b[32mrunning" in terminal.text
    for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        async with on_terminal({**environ, **more}, *LIGHTD, "ps") as terminal:
            assert await terminal.code() == 0
            await terminal.until("running")
        assert "\x1b" not in terminal.text
    shown = (await piped(environ, "lightd ps"))[1].splitlines()[1].split()
    assert shown[:2] == ["s1", "lightd-rig:latest"]
    assert "running" in shown


async def test_narrow_terminal_loses_nothing(findable, environ):
    await findable.create("a-container-with-a-rather-long-name")
    async with on_terminal(environ, *LIGHTD, "ps", columns=40) as terminal:
        assert await terminal.code() == 0
        await terminal.until("ID")
    assert "a-container-with-a-rather-long-name" in terminal.text


# ---- pipes


async def test_reader_that_leaves_ends_it_quietly(findable, environ):
    await findable.create(command="line-printer 3000 0", start_pattern="line 3000")
    await findable.power("start")
    code, out, err = await piped(environ, "lightd logs s1 -n 10000 | head -n 1")
    assert (out.startswith("line "), err) == (True, "")
    assert code in (0, 141)
    code, _, err = await piped(environ, "lightd logs s1 -n 10000 | sleep 0.01; echo ${PIPESTATUS[0]} >&2")
    assert err in ("141\n", "0\n")


@pytest.mark.parametrize(
    "command",
    ["ps", "ps --json", "logs s1 -f", "events", "completion bash", "doctor", "--token what", "--help"],
)
async def test_output_that_is_full_is_told_once_and_is_code_1(findable, environ, command):
    await findable.running()
    environ.pop("PYTHONUNBUFFERED", None)  # the usual way: what is left is flushed at the end
    code, _, err = await piped(environ, f"lightd {command} >/dev/full")
    assert (code, err) == (1, "lightd: cannot write the output: No space left on device\n")


async def test_token_that_nobody_reads_is_no_traceback(findable, environ):
    script = "lightd --token what | :; exit ${PIPESTATUS[0]}"
    assert await piped(environ, f"sleep 0.1; {script}") == (141, "", "")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ps >&-", 0),
        ("logs no-such 2>&-", 5),
        ("console s1 <&-", 0),
        ("--token set <&-", 2),
        ("--version >&-", 0),
    ],
)
async def test_streams_that_are_closed_are_as_good_as_empty_ones(findable, environ, command, expected):
    await findable.running()
    code, _, err = await piped(environ, f"lightd {command}")
    assert (code, "Traceback" in err) == (expected, False), err


def test_file_that_is_opened_later_is_never_a_stream(tmp_path):
    script = (
        "from lightd.cli import stdio; stdio.have_streams()\n"
        f"opened = open({str(tmp_path / 'journal')!r}, 'w'); print('printed', flush=True)\n"
        "assert opened.fileno() > 2"
    )
    command = f'exec "$0" -c "$1" <&- >&- 2>{tmp_path / "trouble"}'
    done = subprocess.run(["sh", "-c", command, sys.executable, script], check=False)
    assert (done.returncode, (tmp_path / "trouble").read_text()) == (0, "")
    assert (tmp_path / "journal").read_text() == ""


def test_closed_output_pipe_is_exit_code_141(capfd):
    output = to_output({})
    saved = os.dup(1)
    try:
        assert run._tell([Unwritten(errno.EPIPE, "")], output) == 141
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def test_unexpected_exception_is_one_sentence(capsys):
    assert run._tell([LookupError("a\x1bb")], to_output({})) == 1
    assert capsys.readouterr().err == "lightd: internal error: LookupError: a\\x1bb\n"


# ---- shells


def test_daemon_does_not_load_modules_of_the_commands():
    script = (
        "import sys, lightd.cli.main, lightd.daemon\n"
        "print([name for name in ('rich', 'argcomplete', 'lightd.cli.doctor', 'lightd.cli.commands.run')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def shell(name):
    return pytest.mark.skipif(not shutil.which(name), reason=f"there is no {name} here")


BASH = """
source <(lightd completion bash)
complete_line() {
    COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
    _python_argcomplete lightd "${1##* }" ""
    printf '%s\\n' "${COMPREPLY[@]}"
}
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lightd re", ["restart"]),
        ("lightd logs s", ["s1", "s2"]),
        ("lightd stop s1 s", ["s1", "s2"]),
        ("lightd rm s", ["s1", "s2"]),
        ("lightd edit s", ["s1", "s2"]),
        ("lightd cp s", ["s1:", "s2:"]),
        ("lightd volumes cr", ["create"]),
        ("lightd create x --pull ne", ["never"]),
        ("lightd completion f", ["fish"]),
    ],
)
async def test_bash_completes(findable, environ, line, expected):
    await findable.create("s1")
    await findable.create("s2")
    code, out, err = await piped(environ, f"{BASH}\ncomplete_line '{line}'")
    assert (code, sorted(word.strip() for word in out.split())) == (0, expected), err


@shell("fish")
async def test_fish_completes(findable, environ):
    await findable.create("s1")
    code, out, err = await piped(
        environ, "fish -c 'lightd completion fish | source; complete -C \"lightd logs s\"'"
    )
    assert (code, out.split()) == (0, ["s1"]), err


@shell("zsh")
async def test_zsh_completes(findable, environ):
    await findable.create("s1")
    async with on_terminal({**environ, "PS1": "> "}, "zsh", "-f", "-i") as terminal:
        terminal.type("PS1='ok> '; autoload -U compinit; compinit -u -D; source <(lightd completion zsh)\n")
        await terminal.until("ok> ", times=2)
        terminal.type("lightd logs s\t")
        await terminal.until("lightd logs s1")


async def test_daemon_that_is_away_completes_nothing_and_says_nothing(environ, tmp_path):
    code, out, err = await piped(environ, f"{BASH}\ncomplete_line 'lightd logs s'")
    assert (code, out.strip(), err) == (0, "", "")


async def test_daemon_puts_nothing_but_ids_into_a_line(environ, tmp_path):
    async def answer(stream):
        await stream.receive_some(65536)
        ids = ["$(touch x)", "s1", "s;x", "other"]
        body = json.dumps({"containers": [{"internal_id": each} for each in ids]}).encode()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        server = {"host": "127.0.0.1", "port": listener.socket.getsockname()[1]}
        write_file(Path(environ["LIGHTD_CONFIG"]), a_file(tmp_path, server=server))
        code, out, _ = await piped(environ, f"{BASH}\ncomplete_line 'lightd logs '")
        nursery.cancel_scope.cancel()
    assert code == 0
    ids = [word for word in out.split() if not word.startswith("-")]
    assert ids == ["s1", "other"]


async def test_stats_are_drawn_again_and_leave_the_terminal_as_it_was(findable, environ):
    await findable.running()
    async with on_terminal(environ, *LIGHTD, "stats", "--interval", "0.1") as terminal:
        await terminal.until("\x1b[?1049h")
        await terminal.until("\x1b[32mrunning", times=2)
        terminal.process.send_signal(signal.SIGINT)
        assert await terminal.code() == 130
        await terminal.until("\x1b[?1049l")
    assert "Traceback" not in terminal.text
