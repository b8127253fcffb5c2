"""Where two accounts of one output meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.container.console import merge
from actors.container.console.merge import LATE, STEP, LogLine
from actors.container.engine import Backlog, Logged


def done(steps):
    """What ``steps`` find."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def find_end(kept, log, read_at):
    return done(merge.find_end(kept, log, read_at))


def find_begin(log, stream):
    return done(merge.find_begin(log, stream))


def told(text, begin=100.0):
    """A log whose lines are the letters of ``text``, a second each."""
    return [LogLine(begin + index, letter) for index, letter in enumerate(text)]


@pytest.mark.parametrize(
    ("kept", "log", "read_at", "goes_on"),
    [
        ("", "abc", 0.0, 0),
        ("abc", "abcde", 102.5, 3),
        ("xyzabc", "abcde", 102.5, 3),
        ("abc", "wxyzabc", 106.5, 7),
        ("abc", "bc", 101.5, 2),
        ("abc", "cde", 100.5, 1),
        ("aaa", "aaaaa", 102.5, 3),  # all the same: by the time
        ("aaa", "aaaaa", 103.5, 4),
        ("abab", "ababab", 103.5, 4),
        ("abab", "ababab", 105.5, 6),
        ("axb", "abcd", 101.5, 2),  # something of ours is not in the log
        ("abc", "xyz", 102.5, None),
        ("abc", "", 102.5, None),
        ("abc", "xcy", 99.0 - LATE, None),  # looks like ours, but was printed long after we read
    ],
)
def test_log_goes_on_where_it_repeats_the_end_of_what_is_kept(kept, log, read_at, goes_on):
    assert find_end(list(kept), told(log), read_at) == goes_on


@given(
    st.lists(st.integers(0, 10_000), unique=True, min_size=1, max_size=60).map(lambda ns: list(map(str, ns))),
    st.data(),
)
def test_lines_that_differ_are_neither_lost_nor_repeated(lines, data):
    end = data.draw(st.integers(1, len(lines)))
    start = data.draw(st.integers(0, end - 1))
    begin = data.draw(st.integers(0, end - 1))
    log = [LogLine(float(index), line) for index, line in enumerate(lines)][start:]
    assert lines[:end] + [each.text for each in log[find_end(lines[begin:end], log, end) :]] == lines


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 40))
def test_lines_that_are_all_the_same_are_counted_by_the_time(before, after, kept):
    log = [LogLine(float(index), "tick") for index in range(before + after)]
    assert find_end(["tick"] * kept, log, before - 0.5) == before


def test_repeated_lines_are_compared_in_one_pass():
    assert find_end(["a"] * 500, told("a" * 10_000), 100 + 4999.5) == 5000


@pytest.mark.parametrize(
    ("log", "stream", "repeated"),
    [
        ([], ["a"], 0),
        (["a", "b"], ["c"], 0),
        (["a", "b"], ["b", "c"], 1),
        (["a", "b"], ["a", "b", "c"], 2),
        (["a", "b"], ["a"], 2),  # b is to come
        (["x", "say hi"], ["hi", "c"], 1),  # the stream began within the line
        (["say hi"], ["hi"], 1),
        (["a"], ["", "b"], 0),  # an empty line is no end of another
        (["a", ""], ["", "b"], 1),
        (["a", "a"], ["a", "b"], 1),
    ],
)
def test_stream_may_repeat_the_end_of_the_log(log, stream, repeated):
    start = find_begin(log, stream)
    assert (0 if start is None else len(log) - start) == repeated


@pytest.mark.parametrize(
    ("log", "stream", "begins"),
    [
        ([], ["a"], None),
        (["a"], ["a", "b"], 0),
        (["late", "> say hi", "x"], ["say hi"], 1),
        (["late"], ["say hi"], None),
    ],
)
def test_first_line_of_the_stream_is_found_in_the_log(log, stream, begins):
    assert find_begin(log, stream) == begins


def test_line_of_the_log_becomes_what_the_console_makes_of_it():
    long = b"x" * 40_000
    found = done(
        merge.to_log_lines(
            Backlog([Logged(1.0, b"a\r"), Logged(2.0, b""), Logged(3.0, b"\xff"), Logged(4.0, long)])
        )
    )
    assert [(each.at, len(each.text)) for each in found] == [
        (1.0, 1),
        (2.0, 0),
        (3.0, 1),
        (4.0, 16384),
        (4.0, 16384),
        (4.0, 7232),
    ]


def naive_begin(log, stream):
    """As ``find_begin``, by trying each place."""
    for start, whole in enumerate(log):
        first = whole == stream[0] or (stream[0] and whole.endswith(stream[0]))
        others = zip(log[start + 1 :], stream[1:], strict=False)
        if first and all(one == other for one, other in others):
            return start
    return None


@given(
    st.lists(st.sampled_from(["a", "b", "ba", ""]), max_size=12),
    st.lists(st.sampled_from(["a", "b", "ba", ""]), min_size=1, max_size=8),
)
def test_stream_begins_where_each_place_tried_would_say(log, stream):
    assert find_begin(log, stream) == naive_begin(log, stream)


@pytest.mark.parametrize(
    "steps",
    [
        merge.find_begin(["a"] * 10_000, ["a"] * 9_999 + ["b"]),
        merge.find_begin(["a"] * 10_000, ["a"] * 20_000),
        merge.find_begin(["a", "b"] * 5_000, ["c"]),
        merge.find_end(["a"] * 500, [LogLine(0.0, "a")] * 10_000, 1.0),
        merge.find_end(["a", "b"] * 250, [LogLine(0.0, "b"), LogLine(0.0, "a")] * 5_000, 1.0),
        merge.to_log_lines(Backlog([Logged(0.0, b"y")] * 10_000)),
    ],
)
def test_long_log_is_gone_through_in_steps_each_line_a_few_times(steps):
    """Trying each place would compare lines fifty million times."""
    count = sum(1 for _ in steps)
    assert 10_000 // STEP - 1 <= count <= 200
