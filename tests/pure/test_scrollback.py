"""The scrollback against a model that keeps everything."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.container.console import scrollback as module
from actors.container.console.lines import LineSplitter
from actors.container.console.scrollback import Lines, Scrollback

texts = st.lists(st.text(alphabet="ab", max_size=12), max_size=12)


class ScrollbackMachine(RuleBasedStateMachine):
    """The model keeps every line ever put in; the scrollback must give its end, and own up to the rest."""

    @initialize(
        items=st.integers(1, 9), size=st.integers(20, 60), many=st.integers(1, 4), block=st.integers(1, 30)
    )
    def open(self, items, size, many, block):
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(module, "BLOCK_LINES", many)
        self.patch.setattr(module, "BLOCK_BYTES", block)
        self.lines = Scrollback(items, size)
        self.pushed = []

    def teardown(self):
        if hasattr(self, "patch"):
            self.patch.undo()

    @rule(lines=texts)
    def push(self, lines):
        self.lines.push(lines)
        self.pushed += lines

    @rule(lines=texts)
    def put(self, lines):
        block = LineSplitter().feed("".join(f"{line}\n" for line in lines).encode())
        self.lines.put(block)
        self.pushed += lines

    @rule(after=st.integers(0, 60), limit=st.integers(0, 12))
    def read(self, after, limit):
        stretch = self.lines.read(after, limit)
        asked = min(after, len(self.pushed)) + 1
        assert stretch.first == asked + stretch.missed == max(asked, self.lines.first)
        assert list(stretch.items) == self.pushed[stretch.first - 1 :][:limit]

    @rule(after=st.integers(0, 60), size=st.integers(0, 20))
    def read_a_little(self, after, size):
        stretch = self.lines.read(after, 60, size)
        assert list(stretch.items) == self.pushed[stretch.first - 1 : stretch.last]
        assert stretch.items or stretch.first == len(self.pushed) + 1

    @rule(limit=st.integers(0, 12))
    def tail(self, limit):
        stretch = self.lines.tail(limit)
        kept = self.pushed[self.lines.first - 1 :]
        assert list(stretch.items) == kept[max(len(kept) - limit, 0) :]
        assert stretch.missed == 0
        assert stretch.last == self.lines.last

    @rule(limit=st.integers(1, 12))
    def keep(self, limit):
        blocks = self.lines.keep(limit)
        kept = "\n".join(block.block.data.decode() for block in blocks).split("\n") if blocks else []
        assert kept == self.pushed[len(self.pushed) - len(kept) :]
        assert len(kept) >= min(limit, len(self.pushed) - self.lines.first + 1)
        assert not blocks or blocks[0].first == len(self.pushed) - len(kept) + 1

    @invariant()
    def it_keeps_the_end_within_its_bounds(self):
        assert self.lines.last == len(self.pushed)
        assert self.lines.volume == sum(len(line) + 1 for line in self.pushed)
        kept = self.pushed[self.lines.first - 1 :]
        assert kept == list(self.lines.read(0, len(self.pushed)).items)
        assert bool(kept) == bool(self.pushed)
        assert len(kept) <= self.lines.items
        held = sum(len(each.block.data) for each in self.lines._kept)
        assert self.lines._held == held
        assert held <= self.lines.size or len(self.lines._kept) == 1


TestScrollback = ScrollbackMachine.TestCase
TestScrollback.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_line_over_the_size_is_kept_while_it_is_the_newest():
    lines = Scrollback(items=3, size=4)
    lines.push(["far too long"])
    assert lines.read(0, 9) == Lines(1, ["far too long"], times=[None])
    lines.push(["b"])
    assert lines.read(0, 9) == Lines(2, ["b"], 1, [None])


@pytest.mark.parametrize("line", [b"y\n", b"\n", b"x" * 199 + b"\n", b"\r\n", b"x" * 40_000 + b"\n"])
def test_chunk_of_whatever_lines_leaves_the_newest_under_their_numbers(line):
    lines, splitter, count = Scrollback(10_000, 1024 * 1024), LineSplitter(), 0
    for _ in range(9):
        block = splitter.feed(line * (256 * 1024 // len(line)))
        count += block.count
        lines.put(block)
    assert lines.last == count
    kept = lines.read(0, 20_000)
    assert kept.missed == lines.first - 1 == max(0, count - len(kept.items))
    assert all(each.block.count <= module.BLOCK_LINES for each in lines._kept)
    assert sum(len(each.block.data) for each in lines._kept) <= lines.size
    assert len(kept.items) == 10_000 or sum(map(len, kept.items)) > 900_000


def test_lines_of_other_times_are_left_for_the_next_read():
    lines = Scrollback(100, 10_000)
    lines.push(["a", "b", "c", "d", "e"], [1.0, 1.0, 1.5, 2.0, None])
    assert lines.read(0, 9, within=1.0) == Lines(1, ["a", "b", "c"], times=[1.0, 1.0, 1.5])
    assert lines.read(3, 9, within=1.0) == Lines(4, ["d"], times=[2.0])
    assert lines.read(4, 9, within=1.0) == Lines(5, ["e"], times=[None])
    assert lines.read(0, 9).times == [1.0, 1.0, 1.5, 2.0, None]
