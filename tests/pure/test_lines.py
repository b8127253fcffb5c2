"""Cutting bytes into lines against a naive model, and lines as a person reads them."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.container.console import lines as module
from actors.container.console.lines import LONGEST, LineSplitter, to_block, to_slices, to_texts
from actors.container.console.lines import to_plain as to_plain_bytes


def to_plain(text):
    return to_plain_bytes(text.encode()).decode()


class Splitter(LineSplitter):
    """One whose lines are texts."""

    def feed(self, chunk):
        block = super().feed(chunk)
        assert block.count == (block.data.count(b"\n") + 1 if block.count else 0)
        return to_texts(block)

    def flush(self):
        return to_texts(super().flush())

    @property
    def partial(self):
        return self.rest.decode("utf-8", "replace")


def fed(chunks):
    splitter = Splitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines, splitter


def chunked(data, sizes):
    """Cut ``data`` into chunks of ``sizes``, over and over."""
    chunks, start = [], 0
    for size in sizes * (len(data) // sum(sizes) + 1):
        chunks.append(data[start : start + size])
        start += size
    return chunks


def naive_pieces(line, longest):
    """A line's bytes, cut by counting, no cut before a continuation byte of the last four."""
    pieces = []
    while len(line) > longest:
        starts = [n for n in range(longest, longest - 4, -1) if line[n] & 0xC0 != 0x80]
        cut = starts[0] if starts else longest
        pieces, line = [*pieces, line[:cut]], line[cut:]
    return [*pieces, line]


def naive(data, longest):
    *whole, rest = data.split(b"\n")
    lines = []
    for line in whole:
        texts = [piece.decode("utf-8", "replace").rstrip("\r") for piece in naive_pieces(line, longest)]
        lines += [text for text in texts if text or len(texts) == 1]
    *cut, rest = naive_pieces(rest, longest)
    lines += [text for piece in cut if (text := piece.decode("utf-8", "replace").rstrip("\r"))]
    return lines, rest.decode("utf-8", "replace")


texts = st.text(alphabet=st.sampled_from("ab\r\n \té€😀"), max_size=40).map(str.encode)
noise = st.binary(max_size=40)
SHORT = 16
"""In place of ``LONGEST``, so that examples stay small."""

stretches = st.builds(
    lambda unit, n: unit * n,
    st.sampled_from([b"x", b"\r", "é".encode(), "😀".encode(), b"\xff", b"\x80"]),
    st.integers(1, 3 * SHORT),
)
streams = st.lists(texts | noise | stretches, max_size=6).map(b"".join)
sizes = st.lists(st.integers(1, 9) | st.integers(10, 100), min_size=1, max_size=4)


@given(streams, sizes)
@example(b"x" * SHORT + b"\r\n" + b"y\n", [1, 100])
@example(b"x" * SHORT * 2 + b"\n\n", [SHORT + 1])
@example(b"ab\n\n" + b"x" * SHORT * 2 + b"\nc\nd\n" + b"y" * SHORT * 3 + b"\n", [100])
def test_lines_are_those_of_the_naive_model_however_the_stream_is_chunked(data, sizes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LONGEST", SHORT)
        lines, splitter = fed(chunked(data, sizes))
        assert (lines, splitter.partial) == naive(data, SHORT)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=30))
def test_character_cut_at_any_chunk_border_stays_whole(text):
    lines, _ = fed([bytes([byte]) for byte in f"{text}\n".encode()])
    assert lines == [text]


def test_unfinished_line_is_partial_until_it_ends():
    splitter = Splitter()
    assert splitter.feed(b"one\ntw") == ["one"]
    assert splitter.partial == "tw"
    assert splitter.feed(b"o\n") == ["two"]
    assert splitter.partial == ""


def test_flushing_gives_the_unfinished_line_once():
    splitter = Splitter()
    splitter.feed(b"prompt> \r")
    assert splitter.flush() == ["prompt> "]
    assert splitter.flush() == []
    assert splitter.feed(b"next\n") == ["next"]


def test_both_kinds_of_line_ends_are_taken_off():
    assert fed([b"unix\ndos\r\ntty\r\r\n\n"])[0] == ["unix", "dos", "tty", ""]


def test_no_character_of_an_overlong_line_is_halved_or_lost():
    text = "a" + "€" * LONGEST
    lines, _ = fed([f"{text}\n".encode()])
    assert "".join(lines) == text
    assert all(len(line.encode()) <= LONGEST for line in lines)


def test_line_that_never_ends_takes_bounded_memory():
    splitter = Splitter()
    for _ in range(100):
        splitter.feed(b"\r" * 5000)
        assert len(splitter.partial) <= LONGEST


def test_line_after_a_cut_one_is_not_taken_for_its_rest():
    splitter = Splitter()
    splitter.feed(b"x" * (LONGEST + 1))
    assert splitter.feed(b"\n\nnext\n") == ["x", "", "next"]


def test_cutting_looks_at_each_byte_a_bounded_number_of_times(monkeypatch):
    looked_at = []
    boundary = module._boundary
    monkeypatch.setattr(module, "_boundary", lambda data, cut: looked_at.append(cut) or boundary(data, cut))
    Splitter().feed(b"\x80" * LONGEST * 100)
    assert len(looked_at) == 99


# As a person reads it


def test_colours_and_cursor_moves_are_taken_out():
    assert to_plain("\x1b[1;32mReady\x1b[0m>\x1b[K") == "Ready>"
    assert to_plain("\x1b[?25l\x1b[2J\x1b[10;4HReady") == "Ready"


def test_prompt_that_redraws_itself_reads_as_one():
    assert to_plain("\x1b[1G\x1b[0J> ") == "> "
    assert to_plain("\x1b[1G\x1b[0J> \x1b[3G") == "> "


def test_text_erased_by_backspaces_is_not_read():
    assert to_plain("Done]\b \b") == "Done"
    assert to_plain("\b\bab\bc") == "ac"


def test_carriage_returns_and_other_controls_are_taken_out_and_tabs_stay():
    assert to_plain("10%\r20%\x07\x00\tdone\x7f") == "10%20%\tdone"


def test_titles_and_other_control_strings_are_taken_out():
    assert to_plain("\x1b]0;My server\x07Ready") == "Ready"
    assert to_plain("\x1b]8;;https://example.org\x1b\\Ready\x1b]8;;\x1b\\") == "Ready"
    assert to_plain("\x1bPq#0\x1b\\Ready\x1b^private\x1b\\\x1b_app\x1b\\") == "Ready"


def test_two_character_escapes_are_taken_out():
    assert to_plain("\x1b7\x1b(B\x1b=Ready\x1b8") == "Ready"


def test_sequence_that_is_cut_off_is_taken_out():
    assert to_plain("Ready\x1b[3") == "Ready"
    assert to_plain("Ready\x1b]0;ti") == "Ready"
    assert to_plain("Ready\x1b") == "Ready"


@given(st.text(alphabet="\x1b[]P^_\\0;3mK \b\r\x07aé", max_size=60))
def test_text_made_plain_has_nothing_unreadable_left(line):
    assert re.search(r"[\x00-\x08\x0a-\x1f\x7f]", to_plain(line)) is None


@given(st.text(alphabet=st.characters(exclude_categories=["C"])))
def test_plain_text_is_left_alone(line):
    assert to_plain(line) == line


HOSTILE = [
    "\x1b",
    "\x1b[",
    "\x1b[0",
    "\x1b]",
    "\x1b]0;",
    "\x1bP",
    "\x1b ",
    "\b",
    "a\b",
    "\x1b[" + ";" * 50,
    "\x1b]\x1b",
]


def test_hostile_lines_take_time_in_proportion_to_their_length():
    """A backtracking pattern would take hours for these; linear ones take no time that one would notice."""
    for unit in HOSTILE:
        to_plain(unit * 100_000)


def naive_plain(line):
    """A line as a person reads it, character by character."""
    kept = []
    for character in re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-Z^_`-~]?", "", line):
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return re.sub(r"[\x00-\x07\x0b-\x1f\x7f]", "", "".join(kept))


@given(st.lists(st.text(alphabet="\b\b\bab€\r\x1b[mK\x07\t", max_size=20), min_size=1, max_size=4))
@example(["a\b\b", "abcdef\b\b\b\b\b\b\b", "abcdefgh\b\b\b\b\b\b"])
def test_joined_lines_read_as_each_of_them_does(lines):
    assert to_plain("\n".join(lines)).split("\n") == [naive_plain(line) for line in lines]


@given(st.binary(max_size=60))
def test_any_output_reads_as_valid_text_of_as_many_lines(data):
    plain = to_plain_bytes(data)
    assert plain.decode().count("\n") == data.count(b"\n")


def test_escapes_end_with_their_line():
    assert to_plain("\x1b]0;never ended\nReady\x1b[3\n5m") == "\nReady\n5m"


@given(streams, st.integers(1, 40))
def test_slices_are_all_the_lines(data, size):
    slices = list(to_slices(data, size))
    assert b"\n".join(slices) == data
    assert all(len(piece) >= size for piece in slices[:-1])


@given(st.lists(st.text(alphabet="ab", max_size=3), max_size=8), st.integers(0, 9))
def test_block_is_split_between_lines(lines, count):
    first, rest = to_block(lines).split(count)
    assert first == lines[:count]
    assert to_texts(rest) == lines[count:]
    assert rest.count == len(lines[count:])
