"""Start patterns: what matches, what is refused, and that nobody can make one run away."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightd.patterns import LONGEST, BadPattern, compile_pattern


def test_a_pattern_is_searched_anywhere_in_a_line():
    matches = compile_pattern(r"Done \(\d+\.\d+s\)!")
    assert matches("[12:00:01] [Server thread/INFO]: Done (3.141s)! For help, type help")
    assert not matches("Done (soon)!")


def test_a_pattern_knows_more_than_ascii():
    assert compile_pattern("prêt|готов|準備")("[サーバー] 準備完了")


def test_a_pattern_that_is_empty_matches_every_line():
    assert compile_pattern("")("")


@pytest.mark.parametrize("pattern", ["(", "[", "*a", "a{1001}", r"(a)\1", "(?=a)", "(?<!a)b", r"\q"])
def test_what_is_no_pattern_of_linear_time_is_refused_with_a_reason(pattern):
    with pytest.raises(BadPattern) as refused:
        compile_pattern(pattern)
    assert str(refused.value)


def test_a_pattern_that_is_too_long_is_refused():
    assert compile_pattern("a" * LONGEST)("a" * LONGEST)
    with pytest.raises(BadPattern, match="1000"):
        compile_pattern("a" * (LONGEST + 1))


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(BadPattern, match="surrogate"):
        compile_pattern("Ready\ud800")


def test_a_pattern_that_needs_too_much_memory_is_refused():
    with pytest.raises(BadPattern):
        compile_pattern("((a{100}){100}){100}")


def test_a_hostile_pattern_meets_a_hostile_line_in_linear_time():
    """A backtracking engine would not end before the sun does."""
    assert not compile_pattern("(a*)*b")("a" * 100_000)
    assert not compile_pattern("(x+x+)+y")("x" * 100_000)


@given(st.text(max_size=50))
def test_whatever_is_written_is_compiled_or_refused(pattern):
    with contextlib.suppress(BadPattern):
        compile_pattern(pattern)("any line")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_whatever_is_printed_can_be_searched(line):
    assert isinstance(compile_pattern("R(ea)?dy$")(line), bool)
