"""Long looks share one thread: none waits for the end of another, and small ones wait for no long one."""

import pytest
import trio
import trio.testing

from lightd.files import errors
from lightd.files.quota.surveyor import open_surveyor, walk_through


@pytest.fixture
def surveyor():
    with open_surveyor() as surveyor:
        yield surveyor


def endless(paced):
    """A look that never ends; ``paced`` grows with each of its names."""
    try:
        while True:
            paced.append(1)
            yield
    finally:
        paced.append("closed")


def short(answer="seen", names=3):
    for _ in range(names):
        yield
    return answer


async def begun(*looks):
    for paced in looks:
        while not paced:
            await trio.sleep(0.001)


async def test_look_that_nobody_waits_for_ends_and_is_closed(surveyor):
    first, second = [], []
    async with trio.open_nursery() as nursery:
        for paced in (first, second):
            nursery.start_soon(surveyor.look, endless(paced))
        await begun(first, second)
        nursery.cancel_scope.cancel()
    assert (first[-1], second[-1]) == ("closed", "closed")
    assert (await surveyor.look(short()))[0] == "seen"


async def test_short_look_waits_for_no_long_one_however_many_there_are(surveyor):
    long = [[] for _ in range(20)]
    async with trio.open_nursery() as nursery:
        for paced in long:
            nursery.start_soon(surveyor.look, endless(paced))
        await begun(*long)
        for _ in range(20):
            before = sum(map(len, long))
            assert (await surveyor.look(short()))[0] == "seen"
            slices = [len(paced) for paced in long]
            assert sum(slices) - before < sum(slices)  # not all of them had a turn meanwhile
        nursery.cancel_scope.cancel()


async def test_turns_of_long_looks_are_as_many_for_each(surveyor):
    served = []

    def counting(number):
        while True:
            served.append(number)
            for _ in range(32):
                yield

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(surveyor.look, counting(number))
        turns = []
        while len(turns) < 40:
            await trio.sleep(0.001)
            turns = [each for at, each in enumerate(served) if at == 0 or served[at - 1] != each]
        nursery.cancel_scope.cancel()
    for number in range(4):
        assert turns[:40].count(number) >= 8


async def test_look_that_fails_fails_for_its_caller_alone(surveyor):
    def failing():
        yield
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await surveyor.look(failing())
    assert (await surveyor.look(short()))[0] == "seen"


async def test_walk_is_tried_again_where_folders_are_moved_and_then_given_up(surveyor, monkeypatch, tmp_path):
    tries = []

    def moving(_jail, _most):
        tries.append(1)
        yield
        raise errors.NotAllowed("it keeps changing")

    monkeypatch.setattr("lightd.files.quota.surveyor.survey", moving)
    with pytest.raises(errors.NotAllowed):
        await walk_through(surveyor, str(tmp_path), 10)
    assert len(tries) == 3


async def test_walk_ends_at_so_many_names_though_more_are_made_meanwhile(surveyor, tmp_path):
    for number in range(20):
        (tmp_path / str(number)).touch()
    found, _ = await walk_through(surveyor, str(tmp_path), 10)
    assert found.entries == 10
    found, _ = await walk_through(surveyor, str(tmp_path), 100)
    assert found.entries == 20
