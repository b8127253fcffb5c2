"""Start patterns: what matches, what is refused, and that nobody can make one run away."""

import contextlib
import random
import time

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from lightd.engines import patterns
from lightd.engines.patterns import INSTRUCTIONS, LONGEST, BadPattern, check_pattern


def compile_pattern(pattern):
    matches = patterns.compile_pattern(pattern)
    return lambda *lines: matches("\n".join(lines).encode())


def test_pattern_is_searched_anywhere_in_a_line():
    matches = compile_pattern(r"Done \(\d+\.\d+s\)!")
    assert matches("[12:00:01] [Server thread/INFO]: Done (3.141s)! For help, type help")
    assert not matches("Done (soon)!")


def test_pattern_knows_more_than_ascii():
    assert compile_pattern("prêt|готов|準備")("[サーバー] 準備完了")


def test_pattern_that_is_empty_matches_every_line():
    assert compile_pattern("")("")


@pytest.mark.parametrize("pattern", ["(", "[", "*a", "a{1001}", r"(a)\1", "(?=a)", "(?<!a)b", r"\q"])
def test_pattern_without_linear_time_is_rejected_with_a_reason(pattern):
    with pytest.raises(BadPattern) as refused:
        compile_pattern(pattern)
    assert str(refused.value)


def test_pattern_that_is_too_long_is_refused():
    assert compile_pattern("a" * LONGEST)("a" * LONGEST)
    with pytest.raises(BadPattern, match="1000"):
        compile_pattern("a" * (LONGEST + 1))


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(BadPattern, match="surrogate"):
        compile_pattern("Ready\ud800")


def test_pattern_that_needs_too_much_memory_is_refused():
    with pytest.raises(BadPattern):
        compile_pattern("((a{100}){100}){100}")


def test_hostile_pattern_meets_a_hostile_line_in_linear_time():
    """A backtracking engine would not end before the sun does."""
    assert not compile_pattern("(a*)*b")("a" * 100_000)
    assert not compile_pattern("(x+x+)+y")("x" * 100_000)


@given(st.text(max_size=50))
def test_any_pattern_is_compiled_or_rejected(pattern):
    with contextlib.suppress(BadPattern):
        compile_pattern(pattern)("any line")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_output_can_be_searched(line):
    assert isinstance(compile_pattern("R(ea)?dy$")(line), bool)


TOKENS = (
    *(
        r"\A",
        r"\z",
        "^",
        "$",
        ".",
        "a",
        "b",
        r"\b",
        r"\B",
        "[^a]",
        r"[a\n]",
        r"\n",
        r"\s",
        r"\S",
        r"\W",
        "[",
        "]",
    ),
    *("(?-m)", "(?s)", "(?i-m:a)", "(?s-m:", "(?U)", "(?:", "(", ")", "|", "*", "+", "?", "{2}", "(?P<n>a)"),
    *("[[:^alpha:]]", r"\Qa.\E", r"\Q(?-m)\E", "[(?-m)]", "[]a]", "é", "\n", "\\"),
)


@given(
    st.lists(st.sampled_from(TOKENS), max_size=6).map("".join),
    st.lists(st.text(alphabet="ab é.A\t", max_size=4), min_size=1, max_size=4),
)
def test_search_in_joined_lines_finds_what_a_search_in_each_of_them_does(pattern, lines):
    options = re2.Options()
    options.log_errors = False
    with contextlib.suppress(re2.error):
        line_by_line = re2.compile(pattern, options)
        expected = any(line_by_line.search(line) is not None for line in lines)
        assert compile_pattern(pattern)(*lines) is expected


@pytest.mark.parametrize(
    ("pattern", "lines", "found"),
    [
        ("^Done$", ["[12:00] Done", "Done", "Done now"], True),
        ("^Done$", ["[12:00] Done", "Done now"], False),
        (r"\ADone\z", ["not", "Done", "yet"], True),
        (r"(?-m)^Done", ["not", "Done"], True),
        (r"(?s)a.*b", ["a", "b"], False),
        (r"a[^x]b", ["a", "b"], False),
        ("a\nb", ["a", "b"], False),
        (r"a\Cb", ["a", "b"], False),
        (r"a\Cb", ["axb"], True),
        (r"a\s*b", ["a", "b"], False),
        ("^$", ["a", "", "b"], True),
        ("^$", ["a", "b"], False),
    ],
)
def test_match_begins_and_ends_within_a_line(pattern, lines, found):
    assert compile_pattern(pattern)(*lines) is found


def test_pattern_of_all_the_memory_there_is_has_room_for_lines():
    assert not compile_pattern("[^a]" * (LONGEST // 4))("b")


def test_new_pattern_may_not_need_more_than_so_many_instructions():
    check_pattern(
        r"(?i)\[\d+:\d+:\d+\] \[Server thread/INFO\]: Done \(\d+\.\d+s\)! For help, type|prêt|準備完了"
    )
    check_pattern(r"\pL+ \p{Greek}*")
    heavy = r"(?:(?:.?){31}){31}x"
    assert patterns.compile_pattern(heavy)(b"x")  # what is recorded goes on
    with pytest.raises(BadPattern, match=f"more than {INSTRUCTIONS} instructions"):
        check_pattern(heavy)


@pytest.mark.parametrize(
    "pattern",
    [
        "x{0,1000}" * 100,
        "(?:a|b|c){0,300}" * 50,
        "[a-z0-9]{0,99}" * 70,
        "(x{0,30}){0,30}" * 60,
        r"(?i)" + r"\pL" * 330,
        r"\p{L}" * 51 + r"\PL",
    ],
)
def test_pattern_that_takes_long_to_compile_is_refused_before_it_has(pattern):
    """RE2 took 40 seconds for the first one, and a quarter of a second for the fifth."""
    began = time.thread_time()
    with pytest.raises(BadPattern, match="too complex"):
        check_pattern(pattern)
    assert time.thread_time() - began < 2


def test_pattern_of_the_most_instructions_is_accepted_whatever_they_are():
    for pattern in (
        "x{1000}x{1000}x{1000}x{900}",
        "(?:foo|bar|baz|qu*x){480}",
        "(()|()|x){700}",
        "(.*foo.*){220}",
    ):
        assert INSTRUCTIONS * 0.7 < patterns.compile_pattern(pattern).instructions <= INSTRUCTIONS
        check_pattern(pattern)


def test_usual_pattern_is_quick_with_whatever_is_printed():
    pattern = patterns.compile_pattern(r"Done \(\d+\.\d+s\)! For help, type")
    for text in (b"Done (1" * 5000, b"y\n" * 20_000, "é".encode() * 20_000):
        assert not pattern(text)
    assert pattern.is_quick(32 * 1024)


def test_pattern_that_was_slow_once_is_not_taken_for_quick_again():
    pattern = patterns.compile_pattern("(a|b)*a(a|b){40}c")
    assert pattern.is_quick(32 * 1024)
    dice = random.Random(1)
    for _ in range(40):
        pattern(bytes(dice.choices(b"ab", k=1000)))
    assert not pattern.is_quick(32 * 1024)
    assert pattern.is_quick(10)
    assert pattern.seconds > 0


def test_pattern_of_many_instructions_is_quick_with_a_short_line_alone():
    pattern = patterns.compile_pattern("(?:[a-z]?){300}A")
    assert pattern.is_quick(100)
    assert not pattern.is_quick(32 * 1024)


async def test_search_in_a_thread_finds_the_same():
    pattern = patterns.compile_pattern("^Done$")
    assert await pattern.search(b"not\nDone")
    assert not await pattern.search(b"not\nDone yet")


# Start texts


def find(lines, *texts, pattern=None):
    return patterns.compile_pattern(pattern, texts)("\n".join(lines).encode())


def test_text_is_literal_and_is_found_anywhere_in_a_line():
    assert find(["[INFO]: Done (3.1s)! For help, type help"], ")! For help, type ")
    assert not find(["Done"], "D.ne")
    assert find(["über 準備 [完了] \\Qa\\E"], "準備 [完了] \\Qa\\E")
    assert not find(["Server", "ready"], "Server\\nready")


def test_any_of_several_texts_or_the_pattern_is_found():
    for line in ("the map is loaded", "Server started.", "port 25565 open"):
        assert find(["x", line, "y"], "is loaded", "Server started", pattern=r"^port \d+")
    assert not find(["a port 25565"], "is loaded", "Server started", pattern=r"^port \d+")


@pytest.mark.parametrize("pattern", ["(?i)done|READY", r"\Qdone|ready", "done|ready", "^done$|^ready$"])
def test_pattern_beside_texts_means_what_it_means_alone(pattern):
    lines = ["done|ready", "done", "ready", "READY", "x(text|", "(TEXT|", "other"]
    for line in lines:
        alone = patterns.compile_pattern(pattern)(line.encode())
        assert find([line], "(text|", pattern=pattern) is (alone or "(text|" in line)


def test_text_with_control_sequences_is_what_a_console_shows():
    assert find(["now accepting"], "\x1b[32mnow\x1b[?25l\x1b[1Caccepting\x1b[0m")
    with pytest.raises(BadPattern, match="without visible characters"):
        patterns.check_texts(["Ready", "\x1b[2K\r"])


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs", "Cc"]), min_size=1)))
def test_every_text_is_found_in_itself(texts):
    for text in texts:
        assert find(["a", f"b {text} c"], *texts)


def test_texts_are_limited_by_their_compiled_size():
    with pytest.raises(BadPattern, match="must not need more than 5000 instructions"):
        patterns.check_texts([chr(0x4E00 + n) * 512 for n in range(16)])
