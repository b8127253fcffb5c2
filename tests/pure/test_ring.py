"""Ring against a model that keeps everything; Latest's values."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.kernel.ephemeral import Latest, Ring, Stretch
from tests.support import soak


class RingMachine(RuleBasedStateMachine):
    """The model keeps every item ever pushed; the ring must give its end, and own up to the rest."""

    @initialize(items=st.integers(1, 8), size=st.integers(1, 40))
    def open(self, items, size):
        self.ring = Ring(items, size, measure=len)
        self.pushed = []

    @rule(items=st.lists(st.text(alphabet="ab", max_size=12), max_size=12))
    def push(self, items):
        self.ring.push(items)
        self.pushed += items

    @rule(after=st.integers(0, 60), limit=st.integers(0, 12))
    def read(self, after, limit):
        stretch = self.ring.read(after, limit)
        asked = min(after, len(self.pushed)) + 1
        assert stretch.first == asked + stretch.missed == max(asked, self.ring.first)
        assert list(stretch.items) == self.pushed[stretch.first - 1 :][:limit]
        assert stretch.last == stretch.first + len(stretch.items) - 1

    @rule(limit=st.integers(0, 12))
    def tail(self, limit):
        stretch = self.ring.tail(limit)
        kept = self.pushed[self.ring.first - 1 :]
        assert list(stretch.items) == kept[max(len(kept) - limit, 0) :]
        assert stretch.missed == 0
        assert stretch.last == self.ring.last

    @rule()
    def follow_from_the_beginning(self):
        seen, missed = 0, 0
        while seen < self.ring.last:
            stretch = self.ring.read(seen, 3)
            missed += stretch.missed
            seen = stretch.last
        assert missed == self.ring.first - 1

    @invariant()
    def it_keeps_as_much_of_the_end_as_its_bounds_allow(self):
        assert self.ring.last == len(self.pushed)
        kept = self.pushed[self.ring.first - 1 :]
        assert kept == list(self.ring.read(0, len(self.pushed)).items)
        assert len(kept) == 1 or (len(kept) <= self.ring.items and sum(map(len, kept)) <= self.ring.size)
        assert bool(kept) == bool(self.pushed)


TestRing = pytest.mark.soak(RingMachine.TestCase)
TestRing.settings = settings(max_examples=soak.times(50), stateful_step_count=30, deadline=None)


def test_item_over_the_size_is_kept_while_it_is_the_newest():
    ring = Ring(items=3, size=4, measure=len)
    ring.push(["far too long"])
    assert ring.read(0, 9) == Stretch(1, ["far too long"])
    ring.push(["b"])
    assert ring.read(0, 9) == Stretch(2, ["b"], missed=1)


def test_value_equal_to_the_latest_is_no_news():
    latest = Latest(1)
    latest.set(1)
    assert (latest.value, latest.edition) == (1, 0)
    latest.set(2)
    assert (latest.value, latest.edition) == (2, 1)
