"""The input line of a console: what its keys mean and do, and how it is drawn below the output."""

import os
import pty
import struct
import termios
from contextlib import suppress
from fcntl import ioctl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightd.cli.commands import console, logs
from lightd.cli.commands.keys import KeyDecoder
from lightd.cli.commands.line_editor import MOST, LineEditor, Wish, to_pasted
from lightd.cli.commands.output import Output
from lightd.cli.commands.prompt import Prompt, to_cut, to_line
from tests.support.emulator import Emulator


def keys(*chunks):
    decoder = KeyDecoder()
    return [key for chunk in chunks for key in decoder.feed(chunk)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\x01\r\x7f", ["a", "<c-a>", "<c-m>", "<backspace>"]),
        ("é世".encode(), ["é", "世"]),
        (b"\x1b[A\x1bOB\x1b[C\x1b[D\x1b[H\x1bOF", ["<up>", "<down>", "<right>", "<left>", "<home>", "<end>"]),
        (b"\x1b[3~\x1b[1~\x1b[4~\x1b[1;5D\x1b[1;5C", ["<delete>", "<home>", "<end>", "<m-b>", "<m-f>"]),
        (b"\x1bb\x1b\x7f", ["<m-b>", "<m-\x7f>"]),
        (b"\x1b[15~\x1b[?1;2cx", ["x"]),
        (b"\x1b[200~two\rlines\x1b[A\x1b[201~x", ["<paste>two\rlines\x1b[A", "x"]),
        (b"\x1d\x04\x03", ["<c-]>", "<c-d>", "<c-c>"]),
        (b"\xff", ["\ufffd"]),
    ],
)
def test_key_is_decoded_however_its_bytes_are_split(data, expected):
    assert keys(data) == expected
    assert keys(*(bytes([byte]) for byte in data)) == expected


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_keys_of_any_bytes_are_decoded(chunks):
    editor = LineEditor()
    for key in keys(*chunks):
        if editor.press(key) is Wish.SUBMIT:
            editor.take()
        assert 0 <= editor.cursor <= len(editor.text)


def edited(*pressed, history=(), text=""):
    editor = LineEditor([*history])
    for key in (*text, *pressed):
        editor.press(key)
    return editor


@pytest.mark.parametrize(
    ("pressed", "shown"),
    [
        (("<c-a>", "x"), "xone two|1"),
        (("<left>", "<left>", "x"), "one txwo|6"),
        (("<home>", "<right>", "<delete>"), "oe two|1"),
        (("<backspace>",), "one tw|6"),
        (("<m-b>", "<c-k>"), "one |4"),
        (("<m-b>", "<c-u>"), "two|0"),
        (("<c-w>", "<c-y>", "<c-y>"), "one twotwo|10"),
        (("<home>", "<m-f>", "<m-d>"), "one|3"),
        (("<c-c>",), "|0"),
        (("<home>", "<left>", "<backspace>", "<end>", "<right>", "<delete>"), "one two|7"),
        (("<paste>a\r\nb\x1b\x07",), "one twoa\nb|10"),
        (("<f5>", "<c-g>"), "one two|7"),
    ],
)
def test_key_edits_the_line_as_readline_does(pressed, shown):
    editor = edited(*pressed, text="one two")
    assert f"{editor.text}|{editor.cursor}" == shown


@pytest.mark.parametrize(
    ("pressed", "wish"),
    [
        (("<c-m>",), Wish.SUBMIT),
        (("<c-d>",), Wish.DETACH),
        (("<c-]>",), Wish.DETACH),
        (("x", "<c-]>"), Wish.DETACH),
        (("<c-p>", "<c-q>"), Wish.DETACH),
        (("x", "<c-q>"), None),
        (("x", "<c-d>"), None),
        (("<c-c>",), Wish.INTERRUPT),
        (("x", "<c-c>"), None),
        (("<c-l>",), Wish.CLEAR),
        (("<c-z>",), Wish.SUSPEND),
    ],
)
def test_key_asks_for_what_is_beyond_the_line(pressed, wish):
    editor = LineEditor()
    assert [editor.press(key) for key in pressed][-1] is wish


def test_history_is_walked_and_the_new_line_comes_back():
    editor = edited("n", "<up>", history=["one", "two"])
    assert editor.text == "two"
    editor.press("<up>")
    editor.press("<up>")
    assert editor.text == "one"
    for key in ("<down>", "<down>", "<down>"):
        editor.press(key)
    assert editor.text == "n"


def test_history_remembers_each_line_once_and_no_line_that_begins_with_a_space():
    editor = LineEditor([str(number) for number in range(MOST)])
    for text in ("say", "say", " secret", "  ", ""):
        for key in text:
            editor.press(key)
        assert list(editor.take()) == [text]
    assert len(editor.history) == MOST
    assert editor.history[-2:] == [str(MOST - 1), "say"]


def test_pasted_lines_are_several_commands():
    editor = edited("<paste>one\ntwo\n")
    assert list(editor.take()) == ["one", "two"]
    assert to_pasted("a\tb\x00\x1b[31m\x9b") == "a\tb[31m"


def test_search_finds_older_lines_and_can_be_given_up():
    history = ["stop now", "say hi", "stop later"]
    assert edited("<c-r>", *"stop", history=history).text == "stop later"
    assert edited("<c-r>", *"stop", "<c-r>", history=history).text == "stop now"
    assert edited("<c-r>", *"stop", "<c-r>", "<c-r>", history=history).text == "stop now"
    assert edited("<c-r>", *"sayx", "<backspace>", history=history).text == "say hi"
    assert edited("d", "<c-r>", *"say", "<c-g>", history=history).text == "d"
    editor = edited("<c-r>", *"say", history=history)
    assert editor.press("<c-m>") is Wish.SUBMIT
    assert list(editor.take()) == ["say hi"]


# ---- drawing


@pytest.mark.parametrize(
    ("text", "left", "columns", "shown"),
    [
        ("hello", 0, 20, ("> hello", 7)),
        ("hello", 2, 20, ("> hello", 5)),
        ("0123456789", 0, 10, ("> 3456789", 9)),
        ("0123456789", 10, 10, ("> 0123456", 2)),
        ("世界世界世界", 0, 10, ("> 界世界", 8)),
        ("a\nb\tc\u202e", 0, 20, ("> a↵b c\\u202e", 13)),
        ("x" * 50, 0, 3, ("> x", 3)),
    ],
)
def test_input_line_is_one_row_in_which_the_cursor_is_visible(text, left, columns, shown):
    editor = LineEditor(text=text, cursor=len(text) - left)
    line, at = to_line(editor, columns)
    if columns > 5:
        assert (line, at) == shown


def test_search_is_shown_in_front_of_what_it_found():
    assert to_line(LineEditor(text="stop", cursor=4, search="st"), 60) == ("(search `st`) stop", 18)


def test_unfinished_line_is_cut_with_its_colours():
    assert to_cut("\x1b[31mabcdef\x1b[0m", 3) == "\x1b[31mabc\x1b[0m"
    assert to_cut("ab\x1b[31mcd\x1b[0m", 3) == "ab\x1b[31mc\x1b[0m"
    assert to_cut("世界", 3) == "世"


@pytest.fixture
def drawn():
    """A prompt on a terminal of 20 by 6, and what a person sees there."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 6, 20, 0, 0))
    emulator = Emulator(20, 6)
    with open(theirs, "w", encoding="utf-8") as out:  # noqa: PTH123 - a descriptor
        prompt = Prompt(out, LineEditor())

        def see():
            os.set_blocking(ours, False)
            with suppress(BlockingIOError):
                while True:
                    emulator.feed(os.read(ours, 65536).decode())
            return emulator

        yield prompt, see
    os.close(ours)


def test_output_never_gets_between_what_is_typed(drawn):
    prompt, see = drawn
    prompt.draw()
    for number, key in enumerate("hello"):
        prompt.editor.press(key)
        prompt.draw()
        prompt.write(f"line {number}\n" + "x" * 20 * number + "\n")
        prompt.flush()
        assert see().lines[-1] == f"> {'hello'[: number + 1]}"
    assert (see().row, see().column) == (len(see().lines) - 1, 7)
    shown = [line for line in see().everything if line.startswith("line ")]
    assert shown == [f"line {number}" for number in range(5)]
    assert not any("hell" in line for line in see().everything[:-1])


def test_unfinished_line_stands_above_the_input_and_is_drawn_over(drawn):
    prompt, see = drawn
    for progress in ("10%", "20%", "x" * 30):
        prompt.unfinished = progress
        prompt.draw()
    assert see().lines == ["x" * 19, ">"]
    prompt.unfinished = ""
    prompt.write("done\n")
    prompt.flush()
    assert see().everything == ["done", ">"]
    prompt.unfinished = "login: "
    prompt.draw()
    prompt.leave()
    assert see().everything == ["done", "login:"]


def test_screen_that_is_cleared_keeps_the_input(drawn):
    prompt, see = drawn
    prompt.write("old\n")
    prompt.flush()
    prompt.editor.press("x")
    prompt.clear()
    assert see().lines == ["> x"]
    prompt.leave()
    assert see().lines == []


# ---- the history on disk


def test_history_file_is_private_and_survives(tmp_path):
    path = console.to_history({"HOME": str(tmp_path)})
    assert console.read_history(path) == []
    console.append_history(path, "one")
    console.append_history(path, "two\nlines")
    assert console.read_history(path) == ["one", "two\nlines"]
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("".join(f"{number}\n" for number in range(2 * MOST + 1)))
    assert console.read_history(path)[0] == str(MOST + 1)
    assert len(path.read_text().splitlines()) == MOST
    assert path.stat().st_mode & 0o777 == 0o600
    assert console.to_history({"XDG_STATE_HOME": "/s", "HOME": "/h"}).parts[:2] == ("/", "s")
    console.append_history(tmp_path / "one" / "is" / "x", "y")
    (tmp_path / "file").write_text("")
    console.append_history(tmp_path / "file" / "x", "y")


@pytest.mark.parametrize("line", ["copy C:\\new\\temp", "say \\\\n", "one\n\\ntwo\\", "a\u2028b"])
def test_line_of_the_history_is_read_as_it_was_entered(tmp_path, line):
    console.append_history(tmp_path / "history", line)
    assert console.read_history(tmp_path / "history") == [line]


# ---- frames


def test_unfinished_line_of_the_server_is_shown_until_it_is_finished_or_missed(drawn):
    prompt, see = drawn
    output = Output(prompt, prompt, colours=False, width=20)
    attended = console.Attended(output, logs.Printed(output, last=6), prompt=prompt)

    def partial(text, line=7):
        attended.take({"event": "console", "data": text, "line": line, "partial": True})

    partial("user: ")
    assert see().lines == ["user:", ">"]
    partial("old", line=6)
    partial("password: ")
    assert see().lines == ["password:", ">"]
    attended.take({"event": "stats"})
    assert see().lines == ["password:", ">"]
    attended.take({"event": "console", "data": "password: x\n", "line": 7})
    assert see().lines == ["password: x", ">"]
    partial("next", line=8)
    attended.take({"event": "gap", "missed": 3, "next_line": 11})
    assert see().lines == ["password: x", "lightd: 3 lines are", "missing here", ">"]
    partial("\x1b[2Jagain", line=12)
    assert see().lines[-2:] == ["again", ">"]
    piped = console.Attended(output, logs.Printed(output))
    piped.take({"event": "console", "data": "x", "line": 1, "partial": True})
    assert "x" not in see().lines[-1]
