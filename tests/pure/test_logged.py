"""Docker's log with its times."""

from actors.container.engine import Logged
from lightd.engines.docker import logged

STAMP = b"2026-11-22T01:15:41.380526095Z "
AT = 1795310141.380526095


def to_logged(data):
    steps = logged.to_logged(data)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_each_line_has_its_time():
    later = b"2026-11-22T01:15:42.500000000Z "
    assert to_logged(STAMP + b"one\r\n" + STAMP + b"\n" + later + b"tw o\n") == [
        Logged(AT, b"one\r"),
        Logged(AT, b""),
        Logged(1795310142.5, b"tw o"),
    ]


def test_pieces_of_a_long_line_are_put_together():
    pieces = b"".join(STAMP + b"x" * size for size in (16384, 16384, 100))
    assert to_logged(pieces + b"\n" + STAMP + b"end\n") == [Logged(AT, b"x" * 32868), Logged(AT, b"end")]


def test_time_within_a_logged_line_belongs_to_its_text():
    assert to_logged(STAMP + STAMP + b"x\n") == [Logged(AT, STAMP + b"x")]
    text = b"x" * 16384 + b"and so on"
    assert to_logged(STAMP + text + b"\n") == [Logged(AT, text)]


def test_unfinished_line_is_there_unless_it_goes_on():
    assert to_logged(STAMP + b"> ") == [Logged(AT, b"> ")]
    assert to_logged(STAMP + b"x" * 16384) == []
    assert to_logged(b"") == []


def test_logged_line_without_a_time_is_left_out():
    assert to_logged(b"half a line\n" + STAMP + b"one\n") == [Logged(AT, b"one")]
