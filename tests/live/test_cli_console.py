"""``lightd console`` as a person has it: on a terminal, with a real daemon and a real container."""

import os
import sys
from contextlib import asynccontextmanager

import pytest
import trio

from tests.support.daemon import TOKEN
from tests.support.emulator import Emulator
from tests.support.terminal import PATIENCE, on_terminal

ID = "cli-console-001"
COLUMNS, ROWS = 60, 20
SERVER = r"""
echo Ready
while read -r line; do
    case $line in
        flood) n=0; while [ $n -lt 300 ]; do n=$((n+1)); echo "flood $n"; sleep 0.005; done ;;
        progress) printf '10%%\r20%%\r30%%\n' ;;
        red) printf '\033[31mred\033[0m\033]0;title\007\n' ;;
        ask) printf 'name: '; read -r name; echo "hi $name" ;;
        load) printf '10%%'; sleep 1; printf '\r20%%'; sleep 1; printf '\r100%%\n' ;;
        stop) exit 0 ;;
        *) echo "got: $line" ;;
    esac
done
"""


@pytest.fixture
async def attached(daemon, tmp_path):
    """Create and start a server; return what opens a console of it."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("LIGHTD_", "NO_COLOR"))}
    environ |= {"TERM": "xterm", "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    line = [sys.executable, "-m", "lightd", "console", ID, "--url", daemon.url, "--token-file", str(token)]

    @asynccontextmanager
    async def attach(*, tty=True):
        await daemon.create(ID, command=SERVER, start_pattern="Ready", tty=tty)
        await daemon.power("start", ID)
        async with on_terminal(environ, *line, columns=COLUMNS, rows=ROWS) as terminal:
            await terminal.until("press Ctrl-] or Ctrl-D to detach")
            await terminal.until("Ready")
            yield terminal

    return attach


def seen(terminal):
    emulator = Emulator(COLUMNS, ROWS)
    emulator.feed(terminal.text)
    return emulator


async def until_seen(terminal, line, times=1):
    with trio.fail_after(PATIENCE):
        while seen(terminal).everything.count(line) < times:
            await trio.sleep(0.05)


async def test_output_does_not_tear_the_half_typed_line_and_scrolls_back(attached):
    async with attached() as terminal:
        terminal.type("flood\r")
        await until_seen(terminal, "flood 10")
        for key in "half-typed":
            terminal.type(key)
            await trio.sleep(0.03)
        await until_seen(terminal, "flood 300")
        await until_seen(terminal, "> half-typed")
        terminal.type("\r")
        await until_seen(terminal, "got: half-typed")
        screen = seen(terminal)
        assert screen.lines[-1] == ">"
        assert [line for line in screen.everything if line.startswith("flood ")] == [
            f"flood {number}" for number in range(1, 301)
        ]
        assert sum("half" in line for line in screen.everything) == 2  # its echo, and the answer
        assert not any(line.startswith("> ") for line in screen.everything)
        terminal.type("\x04")
        assert await terminal.code() == 0


async def test_line_is_shown_once_also_if_the_process_has_no_terminal(attached):
    async with attached(tty=False) as terminal:
        terminal.type("hello\r")
        await until_seen(terminal, "got: hello")
        assert [line for line in seen(terminal).everything if "hello" in line] == ["> hello", "got: hello"]


async def test_carriage_returns_colours_and_titles_are_shown_as_a_terminal_would(attached):
    async with attached() as terminal:
        terminal.type("progress\rred\r")
        await until_seen(terminal, "30%")
        await until_seen(terminal, "red", times=2)
        assert "\x1b[31mred\x1b[0m" in terminal.text
        assert "\x1b]0;" not in terminal.text
        assert not any("10%" in line for line in seen(terminal).everything)


async def test_unfinished_line_stands_above_the_input_line(attached):
    async with attached() as terminal:
        terminal.type("ask\r")
        with trio.fail_after(PATIENCE):
            while seen(terminal).lines[-2:] != ["name:", ">"]:
                await trio.sleep(0.05)
        terminal.type("bob\rload\r")
        await until_seen(terminal, "hi bob")
        with trio.fail_after(PATIENCE):
            while seen(terminal).lines[-2:] != ["20%", ">"]:
                await trio.sleep(0.05)
        await until_seen(terminal, "100%")
        shown = seen(terminal).everything
        assert [line for line in shown if "name" in line or "%" in line] == ["name: bob", "100%"]


async def test_history_paste_and_wide_characters_reach_the_server(attached, tmp_path):
    async with attached() as terminal:
        assert "\x1b[?2004h" in terminal.text
        terminal.type("say 世界\r")
        await until_seen(terminal, "got: say 世界")
        terminal.type("\x1b[A\x7f\x7f!\r")
        await until_seen(terminal, "got: say !")
        terminal.type("\x1b[200~one\ntwo\x1b[201~")
        await until_seen(terminal, "> one\u21b5two")
        terminal.type("\r")
        await until_seen(terminal, "got: one")
        await until_seen(terminal, "got: two")
        terminal.type("\x12wor\x12\x03\x12世\r")
        await until_seen(terminal, "got: say 世界", times=2)
    history = (tmp_path / "lightd" / "console_history").read_text().splitlines()
    assert history == ["say 世界", "say !", "one\\ntwo", "say 世界"]


async def test_interrupt_first_clears_the_line_and_then_detaches(attached, daemon):
    async with attached() as terminal:
        terminal.type("never sent")
        await until_seen(terminal, "> never sent")
        terminal.type("\x03")
        await until_seen(terminal, ">")
        terminal.type("\x03")
        assert await terminal.code() == 130
        assert "got" not in terminal.text
        assert terminal.text.endswith("\x1b[?2004l")
    assert (await daemon.get(f"/containers/{ID}"))["state"] == "running"


async def test_keys_of_docker_detach(attached):
    async with attached() as terminal:
        terminal.type("\x10\x11")
        assert await terminal.code() == 0
        await terminal.until("lightd: detached")


async def test_suspension_without_a_shell_that_could_continue_it_changes_nothing(attached):
    async with attached() as terminal:
        terminal.type("ab\x1ac\r")
        await until_seen(terminal, "got: abc")


async def test_end_of_the_server_is_told_above_the_input(attached):
    async with attached() as terminal:
        terminal.type("stop\r")
        await until_seen(terminal, "[lightd] The server exited with exit code 0")
        terminal.type("x\r")
        await terminal.until("lightd: ")
        assert seen(terminal).lines[-1].startswith(">")
