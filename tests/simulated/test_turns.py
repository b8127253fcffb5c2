"""Turns: whatever else is ready to run waits for one step at most."""

import trio

from actors.kernel.turns import Turns


class Passes(trio.abc.Instrument):
    """How often the loop has gone round."""

    count = 0

    def before_io_wait(self, timeout):
        self.count += 1


async def test_no_pass_of_the_loop_has_two_steps_however_many_have_some():
    turns, passes, found = Turns(), Passes(), []

    async def work():
        for _ in range(5):
            await turns.next()
            found.append(passes.count)

    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(work)
    trio.lowlevel.remove_instrument(passes)
    assert len(found) == len(set(found)) == 50
    assert found[-1] - found[0] < 60  # and hardly any has none


async def test_steps_are_done_to_their_end_and_their_finding_is_returned():
    turns, done = Turns(), []

    def steps():
        for number in range(3):
            done.append(number)
            yield
        return "found"

    assert await turns.run(steps()) == "found"
    assert done == [0, 1, 2]


async def test_turn_that_is_given_up_is_the_next_one_s():
    turns = Turns()
    with trio.CancelScope() as scope:
        scope.cancel()
        await turns.next()
    assert scope.cancelled_caught
    await turns.next()
