"""A line that its program draws over: what a person sees, and at what cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.container.console import screen
from actors.container.console.screen import COLOURS, COLUMNS, MARKS, Row, to_drawn
from actors.kernel import steps

MOST = 2000


def drawn(data, most=MOST):
    row = Row(most)
    steps.run(row.feed(data.encode()))
    return row.finish()


def drawn_in_pieces(data):
    row = Row(MOST)
    for byte in data.encode():
        steps.run(row.feed(bytes([byte])))
    return row.finish()


@pytest.mark.parametrize(
    ("printed", "seen"),
    [
        # carriage returns and backspaces
        ("10%\r20%", "20%"),
        ("100%\r20%", "20%%"),
        ("> \r\x1b[K[INFO]: Done", "[INFO]: Done"),
        ("Loading |\b/\b-\b\\", "Loading \\"),
        ("Done]\b \b", "Done"),
        ("\b\bab\b\b\bc", "cb"),
        ("Donee\b", "Done"),
        ("Donee\b\x1b[?25h", "Done"),
        ("wait\b\b\b\b\r", ""),
        ("wait\b\b\b\b\x1b[2C", "wait"),
        ("wait\r", "wait"),
        ("wait\r\r", "wait"),
        # erasing
        ("abcdef\x1b[3D\x1b[K", "abc"),
        ("abcdef\r\x1b[2C\x1b[1Kx", "  xdef"),
        ("\x1b[1Kx", "x"),
        ("abc\x1b[2Kd", "   d"),
        ("abc\r\x1b[2Kd", "d"),
        ("abc\x1b[9Kd", "   d"),
        ("abc\x1b[2Jd", "d"),
        ("abc\x1b[2J\x1b[1;1Hd", "d"),
        ("abc\x1b[2K\x1b[Hd", "d"),
        ("abc\b\x1b[Jd", "abd"),
        ("abcd\r\x1b[2Xz", "z cd"),
        ("abc\x1b[5X\x1b[K", "abc"),
        # moves within the line
        ("abc\x1b[2Dx", "axc"),
        ("abc\x1b[9Dx", "xbc"),
        ("abc\r\x1b[Cx", "axc"),
        ("abc\r\x1b[ax", "axc"),
        ("a\x1b[5Gb", "a   b"),
        ("abc\x1b[Gx", "xbc"),
        ("abc\x1b[2`x", "axc"),
        ("ab\x1b7cd\x1b8x", "abxd"),
        ("ab\x1b[scd\x1b[ux", "abxd"),
        # inserting and deleting
        ("abc\r\x1b[@x", "xabc"),
        ("abc\x1b[@x", "abcx"),
        ("abcd\r\x1b[2P", "cd"),
        ("abc\x1b[2P", "abc"),
        # moves to other rows, and what is no part of a line
        ("abc\x1b[A\x1b[2B\x1b[5dd", "abcd"),
        ("abc\x1b[5;1Hd", "abcd"),
        ("\x1b]0;title\x07a\x1b]0;\x1b\\b\x1bPx\x1b\\c\x1b(Bd\x1b=\x07\x00e\x7f", "abcde"),
        ("\x1b[?25la\x1b[>4;2mb\x1b[?uc\x1b[2 @d", "abcd"),
        ("a\x1b[" + "1" * 70 + "Db", "ab"),
        ("a\x1b[3", "a"),
        ("a\x1b]0;b", "a"),
        # tabs and wide characters
        ("a\tb", "a\tb"),
        ("a\tb\rx\ty", "x\ty"),
        ("a\tb\x1b[4Gx", "a  x    b"),
        ("abcdefghij\r\tx", "abcdefghxj"),
        ("a\r\t\t", "a"),
        ("a\r\t\tx", "a               x"),
        ("漢字\b\bx", "漢x"),
        ("漢字\bx", "漢 x"),
        ("漢字\rx", "x 字"),
        ("漢字\r\x1b[P", " 字"),
        ("e\u0301x\bz", "e\u0301z"),
        ("ex\b\u0301z", "e\u0301z"),
        ("漢\b\bab", "ab"),
        ("漢\x1b[2D\x1b[@x", "x漢"),
        ("漢\b\x1b[K", " "),
        ("\u0301a", "a"),
        ("\rex\r\u0301", "ex"),
        ("a\r漢\u0301", "漢\u0301"),
        ("漢\r\x1b[2C\u0301", "漢\u0301"),
        ("a" + "\u0301" * 30, "a" + "\u0301" * (MARKS - 1)),
    ],
)
def test_line_is_what_a_person_sees(printed, seen):
    assert drawn(printed) == [seen]
    assert drawn_in_pieces(printed) == [seen]


@pytest.mark.parametrize(
    ("printed", "seen"),
    [
        ("\r\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\r\x1b[31mred\x1b[m plain", "\x1b[31mred\x1b[0m plain"),
        ("abc\r\x1b[31mX\x1b[0m", "\x1b[31mX\x1b[0mbc"),
        ("\rred\x1b[31m", "red\x1b[31m"),
        ("\r\x1b[0mnone", "\x1b[0mnone"),
        ("\r\x1b[0;1mbold", "\x1b[0m\x1b[1mbold"),
        ("\x1b[31mred\rgreen\x1b[32m", "\x1b[31mgreen\x1b[0;32m"),
        ("\r\x1b[1;31mb\x1b[22mr\x1b[39mn", "\x1b[1;31mb\x1b[0;31mr\x1b[0mn"),
        (
            "\r\x1b[38;5;9ma\x1b[48;2;1;2;3mb\x1b[97mc\x1b[49md",
            "\x1b[38;5;9ma\x1b[0;38;5;9;48;2;1;2;3mb\x1b[0;97;48;2;1;2;3mc\x1b[0;97md",
        ),
        ("\r\x1b[38:5:9ma\x1b[4:3mb\x1b[24;38mc", "\x1b[38:5:9ma\x1b[0;4:3;38:5:9mb\x1b[0;38mc"),
        ("\r\x1b[6;21;99;26ma", "\x1b[21;6ma"),
        ("a \x1b[41m \x1b[0m \r", "a \x1b[41m \x1b[0m "),
        ("\x1b[7mab\b\x1b[K\x1b[0m", "\x1b[7ma\x1b[0m"),
        ("\x1b7\x1b[31mx\x1b8y", "y"),
    ],
)
def test_colours_stay_on_what_they_were_printed_with(printed, seen):
    assert drawn(printed) == [seen]
    assert drawn_in_pieces(printed) == [seen]


def test_line_with_more_colours_than_a_person_wants_has_none():
    assert drawn("\r" + "\x1b[31mr\x1b[32mg" * COLOURS) == ["rg" * COLOURS]


def test_blanks_to_the_right_of_the_cursor_are_left_out():
    assert drawn("prompt\r\x1b[K> ") == ["> "]
    assert drawn("> long answer\r>            \r\x1b[2C") == ["> "]


def test_cursor_does_not_leave_the_text_far_behind():
    assert drawn("\x1b[99999Cx") == [" " * COLUMNS + "x"]
    assert drawn("a" * 300 + "\r\x1b[99999Cx") == ["a" * 300 + "x"]


def test_line_is_cut_where_it_is_too_long():
    assert drawn("\rabcdefg", most=3) == ["abc", "def", "g"]
    assert drawn("\rab\x1b[31m" + "漢" * 2, most=3) == ["ab\x1b[31m漢", "\x1b[31m漢"]
    assert drawn("abc\r\x1b[@x", most=3) == ["xab"]
    assert drawn("ab\tc", most=3) == ["ab ", "c"]


def test_half_a_character_at_the_end_is_shown_as_one_that_is_not_known():
    row = Row(MOST)
    steps.run(row.feed(b"abc\r" + b"\xe2\x82"))
    assert row.text == "abc"
    assert row.finish() == ["\ufffdbc"]


def test_line_that_was_not_drawn_over_stays_as_it_is():
    line = "\x1b]0;t\x07\x1b[31mred\x1b[m \x1b[?25l"
    assert to_drawn(line, MOST) is line
    assert to_drawn("> \r\x1b[KDone", MOST) == "Done"


ERASING = ("\r", "\x1b[K", "\x1b[2K", "\x1b[0J", "\x1b[2J", "\x1b[1G", "\x1b[G")
PIECES = (
    *(*ERASING, "\r", "\r", "\x1b[5G", "\b", "\t", "10%", "x", "a longer text", "漢", "e\u0301"),
    *("\x1b[31m", "\x1b[0m", "\x1b[m", "\x1b[1;44m", "\x1b[38;5;1m", "\x1b[" + "1;" * 40 + "m", "\x1b[?1m"),
    *("\x1b7", "\x1b8", "\x1b[s", "\x1b[u", "\x1b]0;t", "\x07", "\x1b\\", "\x1b", "\x1b[", "\x1b[?25l"),
    *("\x1b[3X", "\x1b[P", "\x1b[@", "\x1b[C", "\x1b[ m"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=40), st.lists(st.sampled_from(ERASING), max_size=20))
def test_redraws_that_come_at_once_look_as_if_they_came_one_by_one(pieces, ending):
    """What a part of the output covers or erases itself is not drawn."""
    data = "".join([*pieces, *ending, "end"])
    assert drawn(data) == drawn_in_pieces(data)


@given(st.lists(st.sampled_from(["\r", "\r", "a", "bc", "def", "0123456789"]), max_size=60))
def test_plain_texts_that_cover_one_another_look_as_if_they_came_one_by_one(pieces):
    data = "".join(pieces)
    assert drawn(data) == drawn_in_pieces(data)


@pytest.mark.parametrize(
    ("redraw", "seen"),
    [
        ("\r\x1b[K\x1b[32m{}%\x1b[0m", "\x1b[32m9999%\x1b[0m"),
        ("\r{}%", "9999%"),
        ("\x1b[2K\r{} of 9", "9999 of 9"),
        ("\x1b[1G\x1b[0K{}", "9999"),
    ],
)
def test_redraws_without_a_pause_are_little_work(redraw, seen):
    data = "".join(redraw.format(number) for number in range(10_000)).encode()
    row = Row(16 * 1024)
    steps.run(row.feed(data))
    assert row.finish() == [seen]
    assert row.work < len(data) / 50


HOSTILE = {
    "a return for each character": b"a\r",
    "backspaces and returns": b"\b\r",
    "deleted and inserted": b"\x1b[P\x1b[@",
    "erased to the left": b"x\x1b[1K",
    "a colour for each character": b"\x1b[31mr\x1b[32mg",
    "a combining mark for each move": "\b\u0301".encode(),
    "sequences without an end": b"\x1b[",
    "strings without an end": b"\x1b]\x1b",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_work_is_in_proportion_to_the_output_and_in_short_steps(unit):
    row = Row(16 * 1024)
    steps.run(row.feed(b"\r" + b"x" * 15_000))
    before, count, size = row.work, 0, 100_000
    for begin in range(0, size, 10_000):
        work = row.work
        for _ in row.feed((unit * (size // len(unit)))[begin : begin + 10_000]):
            assert row.work - work <= screen.STEP + screen.WIDEST
            work = row.work
            count += 1
    assert row.work - before <= 100 * size
    assert count <= 200 * size / screen.STEP
