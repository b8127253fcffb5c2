"""What a container prints can't give orders to an operator's terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightd.cli.commands import screen

HOSTILE = {
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x1b\\",
    "hyperlink": "\x1b]8;;http://evil\x1b\\here",
    "report": "\x1b[6n\x1b[c",
    "echo-back": "\x1bP$q\x1b\\",
    "keyboard": "\x1b[>4;1m",
    "private": "\x1b[?1049h",
    "eight-bit": "\x9b2J",
    "eight-bit-title": "\x9d0;owned\x9c",
    "reset": "\x1bc",
    "charset": "\x1b(0",
    "unfinished": "\x1b]0;never ends",
    "split": "\x1b[3\x081m",
    "nested": "\x1b\x1b[2J[2J",
    "bell": "\x07\x0e\x00\x7f\x85",
    "backwards": "\u202etxt.exe",
    "lines": "\u2028\u2029\x0b\x0c",
}
ORDERS = re.compile(r"\x1b(?!\[[0-9;:]*m)|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("colours", [False, True])
def test_no_order_gets_through(name, colours):
    line = screen.to_line(f"before{HOSTILE[name]}after", colours=colours)
    assert not ORDERS.search(line)
    assert line.endswith("after") if name in {"clear", "nested"} else line.startswith("befor")
    assert colours or "\x1b" not in line


@pytest.mark.parametrize("name", HOSTILE)
def test_name_spells_out_what_it_hides(name):
    shown = screen.to_name(f"a{HOSTILE[name]}b")
    assert shown.isprintable()
    assert shown.startswith("a\\")


@given(st.text(alphabet=st.sampled_from("\x1b[]()0;:?>m2JPX^_\\\x07\x08\r\x9b\x9c\x9d\x90 ab\u202e\ud800")))
def test_any_output_keeps_nothing_but_colours(text):
    assert not ORDERS.search(screen.to_line(text, colours=True))
    assert "\x1b" not in screen.to_line(text, colours=False)
    assert screen.to_name(text).isprintable()


def test_colours_are_kept_and_end_with_the_line():
    assert screen.to_line("\x1b[1;31mred\x1b[38;5;8m!", colours=True) == "\x1b[1;31mred\x1b[38;5;8m!\x1b[0m"
    assert screen.to_line("\x1b[1;31mred", colours=False) == "red"


def test_plain_text_stays_as_it_is():
    for text in ('Done (3.2s)! For help, type "help"', "Grüße, 世界 🎮", "a\tb", ""):
        assert screen.to_line(text, colours=True) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\r\x1b[K> \b\b[12:00] joined", "[12:00] joined"),
        ("10%\r20%\r", "20%"),
        ("\x1b[31mab\b\b\b\bx", "xb"),
        ("before\x1b[2J\x1b[Hafter", "after"),
    ],
)
def test_line_that_its_program_drew_over_reads_as_a_person_sees_it(text, shown):
    assert screen.to_line(text, colours=False) == shown
    assert not ORDERS.search(screen.to_line(text, colours=True))


def test_lone_surrogate_can_be_written():
    screen.to_line("a\ud800", colours=False).encode()
    assert screen.to_name("a\ud800") == "a\\ud800"


@pytest.mark.parametrize(
    "name",
    ["title", "clipboard", "report", "keyboard", "private", "eight-bit", "eight-bit-title", "reset"],
)
def test_order_leaves_nothing_of_itself(name):
    assert screen.to_line(f"before{HOSTILE[name]}after", colours=False) == "beforeafter"
