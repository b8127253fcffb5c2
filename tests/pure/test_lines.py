"""Cutting bytes into lines against a naive model, and lines as a person reads them."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.container.console import lines as module
from actors.container.console.lines import (
    LONGEST,
    LineSplitter,
    to_block,
    to_input,
    to_pieces,
    to_slices,
    to_texts,
)
from actors.container.console.lines import to_plain as to_plain_bytes
from actors.container.console.screen import to_drawn
from actors.kernel import steps


def to_plain(text):
    """What a start pattern is searched in, for whole lines of output."""
    block = LineSplitter().feed(f"{text}\n".encode())
    return to_plain_bytes(block.data).decode()


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
        return self.unfinished


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


def naive_drawn(line, longest):
    """A line with carriage returns as a person sees it, character by character; and what was cut off."""
    cells, column, cut = [], 0, []
    for character in line.decode("utf-8", "replace").rstrip("\r"):
        if character == "\r":
            column = 0
        elif character == "\t":
            stop = column + 8 - column % 8
            if column == len(cells) and stop <= longest:
                cells += ["\t", *[""] * (stop - column - 1)]
            column = min(stop, max(len(cells), 255), longest)
        else:
            width = 2 if character == "😀" else 1
            if column + width > longest:
                taken = longest - column
                naive_put(cells, column, [character, ""][:taken])
                cut.append("".join(cells))
                cells, column = [], 0
                naive_put(cells, 0, [character, ""][taken:width])
                column = width - taken
                continue
            naive_put(cells, column, [character, ""][:width])
            column += width
    text = "".join(cells)
    return cut, "".join(cells[:column]) + "".join(cells[column:]).rstrip(" ") if column < len(cells) else text


def naive_put(cells, column, new):
    cells += [" "] * (column - len(cells))
    for end in (column, column + len(new)):
        if end < len(cells) and cells[end] == "":
            start = max((n for n in range(end) if cells[n] or n == 0), default=0)
            stop = next((n for n in range(end, len(cells)) if cells[n]), len(cells))
            cells[start:stop] = " " * (stop - start)
    cells[column : column + len(new)] = new


def naive_line(line, longest, *, ended):
    """The pieces of a line, and its last one."""
    texts = []
    while True:
        if re.search(rb"\r[^\r\n]", line[:longest]):
            cut, text = naive_drawn(line, longest)
            alone = not texts and not cut
            for each in [*cut, text] if ended else cut:
                texts += [piece.decode() for piece in naive_pieces(each.encode(), longest)]
            return (texts[:-1], texts[-1], alone) if ended else (texts, text, alone)
        if len(line) <= longest:
            return texts, line.decode("utf-8", "replace").rstrip("\r"), not texts
        piece = naive_pieces(line, longest)[0]
        line = line[len(piece) :]
        texts.append(piece.decode("utf-8", "replace").rstrip("\r"))


def naive(data, longest):
    *whole, rest = data.split(b"\n")
    lines = []
    for line in whole:
        texts, last, alone = naive_line(line, longest, ended=True)
        lines += [text for text in texts if text]
        lines += [last] * bool(last or alone)
    texts, last, _ = naive_line(rest, longest, ended=False)
    return lines + [text for text in texts if text], last


HALF = re.compile(rb"(?:\xc3|\xe2\x82?|\xf0(?:\x9f\x98?)?)\Z")
"""The beginning of a character at the end of the output, which is not shown yet."""

texts = st.text(alphabet=st.sampled_from("ab\r\n \té€😀"), max_size=40).map(str.encode)
noise = st.lists(st.sampled_from([b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"a\rb", b"\n"]), max_size=20).map(
    b"".join
)
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
@example(b"a\r\t\t", [1])
@example(b"ab\n\n" + b"x" * SHORT * 2 + b"\nc\nd\n" + b"y" * SHORT * 3 + b"\n", [100])
def test_lines_are_those_of_the_naive_model_however_the_stream_is_chunked(data, sizes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LONGEST", SHORT)
        lines, splitter = fed(chunked(data, sizes))
        whole, unfinished = naive(data, SHORT)
        if HALF.search(data):  # the model shows it at once, and may cut the line there
            assert lines == whole[: len(lines)]
        else:
            assert (lines, splitter.partial) == (whole, unfinished)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\b\r\n\x1b"), max_size=30)
)
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


@pytest.mark.parametrize(("tty", "end"), [(True, b"\r"), (False, b"\n")])
def test_input_ends_each_line_as_the_enter_key_does(tty, end):
    assert to_input("stop", tty=tty) == b"stop" + end
    assert to_input("stop\r\n", tty=tty) == b"stop" + end
    assert to_input("save\r\nstop\n\n", tty=tty) == b"save" + end + b"stop" + end
    assert to_input("", tty=tty) == end


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
    assert to_plain("10%\r20%\x07\x00\tdone\x7f\r") == "20%\tdone"


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
    """A line as a person sees it, character by character."""
    cells, column, backed = [], 0, False
    for character in re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-Z^_`-~]?", "", line.rstrip("\r")):
        backed = character == "\b"
        if backed:
            column = max(0, column - 1)
        elif character == "\r":
            column = 0
        else:
            cells[column : column + 1] = character
            column += 1
    return "".join(cells[:column] if backed else cells)


@given(st.lists(st.text(alphabet="\b\b\bxz€\r\x1b[m", max_size=20), min_size=1, max_size=4))
@example(["a\b\b", "abcdef\b\b\b\b\b\b\b", "abcdefgh\b\b\b\b\b\b"])
def test_joined_lines_read_as_each_of_them_does(lines):
    assert to_plain("\n".join(lines)).split("\n") == [naive_plain(line) for line in lines]


controls = st.lists(
    st.sampled_from(
        [
            b"a",
            b"bc ",
            b"\r",
            b"\b",
            b"\n",
            b"\t",
            b"\x1b[",
            b"\x1b]0;t",
            b"\x07",
            b"\x1b\\",
            b"\x1b",
            b"\x1bP",
            b"\xff",
        ]
        + [
            b"\x1b[%s%c" % (number, final)
            for number in (b"", b"1", b"2", b"31", b"0")
            for final in b"KJCDGPX@mHsuA"
        ]
        + [
            b"\x1b7",
            b"\x1b8",
            b"\x1b(B",
            b"\x1b[?25l",
            b"\x1b[>4u",
            "é".encode(),
            "漢".encode(),
            "e\u0301".encode(),
        ]
        + [b"\x1b[" + b"0" * 70 + b"K", b"\x1b[1" + b" " * 70, b"\x1b[" + b"1" * 63]
    ),
    max_size=40,
).map(b"".join)


@given(controls, sizes)
def test_lines_are_the_same_however_the_stream_is_chunked(data, sizes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LONGEST", SHORT)
        whole, one = fed([data])
        patch.setattr(module, "LOOKS", 0)
        patch.setattr(module, "SLICE", 10)
        lines, splitter = fed(chunked(data, sizes))
        assert (lines, splitter.partial) == (whole, one.partial)
        assert splitter.flush() == one.flush()


def test_lines_that_are_drawn_over_are_processed_in_short_steps():
    count, size = 0, 10_000
    for _ in LineSplitter().steps(b"> \rx\n" * size):
        count += 1
    assert count >= size * 10 / 500


@given(controls)
def test_line_of_the_log_is_that_of_the_stream_and_stays_as_it_is(data):
    lines, _ = fed([data + b"\n"])
    assert [text for line in (data + b"\n").split(b"\n")[:-1] for text in steps.run(to_pieces(line))] == lines
    assert fed([f"{line}\n".encode() for line in lines])[0] == lines
    assert [to_drawn(line, LONGEST) for line in lines] == lines


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
