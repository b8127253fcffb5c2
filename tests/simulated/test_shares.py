"""Turns that volumes share: who has one, who waits for which, and what none can take from the others."""

import pytest
import trio

from lightd.files.errors import Busy
from lightd.files.shares import PRIVILEGED, Share


def a_share(**bounds):
    return Share("things", **{"total": 4, "each": 2, "waiting": 3, **bounds})


def given(turns):
    return [turn.given for turn in turns]


def test_one_volume_has_so_many_turns_and_so_many_that_wait():
    share = a_share()
    turns = [share.join("a") for _ in range(5)]
    assert given(turns) == [True, True, False, False, False]
    with pytest.raises(Busy, match="too many things: 2 at once, and 3 more wait"):
        share.join("a")
    assert not share.join("a", begun=True).given  # what has begun is never refused
    assert share.join("b").given
    assert share.held == 3


def test_released_share_goes_round_the_volumes():
    share = a_share(total=1, each=1)
    first = share.join("a")
    greedy = [share.join("a") for _ in range(3)]
    modest, other = share.join("b"), share.join("c")
    order = []
    for _ in range(5):
        first.leave()
        (first,) = [turn for turn in (*greedy, modest, other) if turn.given and turn not in order]
        order.append(first)
    assert order == [greedy[0], modest, other, greedy[1], greedy[2]]


def test_row_that_has_all_it_may_have_is_passed_over():
    share = a_share(total=3, each=1)
    turns = [share.join(volume) for volume in "aabbc"]
    assert given(turns) == [True, False, True, False, True]
    turns[4].leave()
    assert given(turns) == [True, False, True, False, True]
    turns[0].leave()
    assert given(turns) == [True, True, True, False, True]


def test_master_has_turns_of_its_own_and_leaves_some_to_the_others():
    share = a_share(total=3, each=3, reserved=1)
    rest = [share.join("a") for _ in range(3)]
    assert given(rest) == [True, True, False]
    master = [share.join("a", privileged=True) for _ in range(3)]
    assert given(master) == [True, False, False]
    rest[0].leave()
    assert sum(given(rest[1:])) + sum(given(master)) == 3
    for turn in (*rest, *master):
        turn.leave()
    assert share.held == 0
    master = [share.join(volume, privileged=True) for volume in "abcd"]
    late = share.join("a")
    master[0].leave()
    master[1].leave()
    assert late.given


def test_request_says_whether_it_is_privileged():
    share = a_share(each=1)
    share.join("a")
    assert not share.join("a").given
    PRIVILEGED.set(True)
    try:
        assert share.join("a").given
    finally:
        PRIVILEGED.set(False)


def test_waiter_that_left_is_forgotten():
    share = a_share(total=1, each=1)
    has, waits, behind = share.join("a"), share.join("b"), share.join("b")
    waits.leave()
    waits.leave()
    has.leave()
    has.leave()
    assert behind.given
    behind.leave()
    assert share.held == 0
    assert share._queues == {}
    assert share._held == {}


async def test_long_work_passes_its_turn_on_and_gets_it_again(autojump_clock):
    share, record = a_share(total=1, each=1), []

    async def work(volume, turn):
        await turn.wait()
        for step in range(3):
            record.append((volume, step))
            await trio.sleep(1)
            if share.is_wanted(turn):
                await turn.pass_on()
        turn.leave()

    async with trio.open_nursery() as nursery:
        for volume in "ab":
            nursery.start_soon(work, volume, share.join(volume))
    assert record == [(volume, step) for step in range(3) for volume in "ab"]
    assert share.held == 0


async def test_turn_that_nobody_wants_is_kept():
    share = a_share(total=2, each=1)
    turn, other = share.join("a"), share.join("b")
    share.join("b")
    assert not share.is_wanted(turn)  # b has all it may have
    share.join("c")
    assert share.is_wanted(turn)
    assert share.is_wanted(other)


async def test_long_works_of_one_volume_take_turns_unless_they_are_whole():
    for whole in (False, True):
        share = a_share(total=1, each=1, whole=whole)
        turn, behind = share.join("a"), share.join("a")
        assert share.is_wanted(turn) is not whole
        share.join("b")
        with trio.move_on_after(0):
            await turn.pass_on()
        assert not turn.given
        assert [row.volume_id for row in share._held] == ["b"]
        turn.leave()
        assert not behind.given
