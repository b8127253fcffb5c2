"""Answers that wait until others were read: which one is next, and what the waiting costs."""

import pytest
import trio

from actors.tokens.grant import EVERYTHING, Grant
from lightd.access import request_shares
from lightd.access.identity import Identity
from lightd.access.request_shares import SMALL, UNREAD, Shares

GREEDY, OTHER = (Identity(name, Grant(frozenset({"s1"}), None), position=1) for name in ("greedy", "other"))


@pytest.fixture
def tries(monkeypatch):
    """The tokens whose answers tried to be counted, once for each time."""
    found, answer = [], Shares.answer

    def count(shares, identity, size):
        found.append(identity.token_id)
        return answer(shares, identity, size)

    monkeypatch.setattr(Shares, "answer", count)
    return found


async def take(shares, identity, size, done, name):
    async with shares.awaited_answer(identity, size):
        done.append(name)
        await trio.sleep(1)


async def test_answers_that_wait_do_nothing_until_one_has_ended(autojump_clock, tries):
    """Each of 300 viewers that looked for room by itself took time of the event loop from all others."""
    shares, done = Shares(), []
    async with trio.open_nursery() as nursery:
        with shares.answer(GREEDY, UNREAD):
            for number in range(300):
                nursery.start_soon(take, shares, GREEDY, UNREAD // 2, done, number)
                await trio.sleep(0.001)
            await trio.sleep(60)
            assert (done, tries) == ([], ["greedy"] * 2)
        await trio.sleep(0.5)
        assert done == [0, 1]
        assert len(tries) == 5
        await trio.sleep(5)
        assert done == list(range(12))
        nursery.cancel_scope.cancel()


async def test_refused_answers_of_two_tokens_do_not_wake_each_other(autojump_clock, monkeypatch, tries):
    monkeypatch.setattr(request_shares, "ALL_UNREAD", UNREAD)
    shares, done = Shares(), []
    async with trio.open_nursery() as nursery:
        with shares.answer(GREEDY, UNREAD):
            for identity in (GREEDY, OTHER):
                nursery.start_soon(take, shares, identity, UNREAD, done, identity.token_id)
            await trio.sleep(60)
            assert len(tries) == 3
        await trio.sleep(10)
    assert sorted(done) == ["greedy", "other"]


async def test_answer_that_has_room_does_not_wait_for_those_that_have_none(autojump_clock):
    shares, done = Shares(), []
    master = Identity("master", EVERYTHING)
    async with trio.open_nursery() as nursery:
        with shares.answer(GREEDY, UNREAD):
            nursery.start_soon(take, shares, GREEDY, UNREAD, done, "late")
            await trio.sleep(1)
            for identity, size in ((GREEDY, SMALL), (OTHER, UNREAD), (master, UNREAD)):
                with trio.fail_after(2):
                    await take(shares, identity, size, done, identity.token_id)
    assert done == ["greedy", "other", "master", "late"]


async def test_answer_that_is_given_up_lets_the_next_one_wait(autojump_clock):
    shares, done = Shares(), []
    async with trio.open_nursery() as nursery, trio.open_nursery() as impatient:
        with shares.answer(GREEDY, UNREAD):
            impatient.start_soon(take, shares, GREEDY, UNREAD, done, "first")
            await trio.sleep(1)
            nursery.start_soon(take, shares, GREEDY, UNREAD, done, "second")
            await trio.sleep(1)
            impatient.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
        assert done == []
    assert done == ["second"]
    assert not shares._turns
