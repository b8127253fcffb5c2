"""A promise, in every order of setting, waiting and cancelling.

The orders: set before, while and after a task waits; the waiter is cancelled before it is set, in the same
pass of the loop before or after that, or later; several waiters; two outcomes.
"""

import pytest
import trio
import trio.testing

from actors.kernel.promise import Promise

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Waiter:
    """A task that waits for a promise, and what became of it."""

    def __init__(self, nursery, promise):
        self.scope, self.outcome = trio.CancelScope(), None
        nursery.start_soon(self.run, promise)

    async def run(self, promise):
        with self.scope:
            try:
                self.outcome = await promise.wait()
            except ValueError as error:
                self.outcome = error
        if self.scope.cancelled_caught:
            self.outcome = "cancelled"


@pytest.fixture
def promise():
    return Promise()


async def test_promise_set_before_a_task_waits_returns_at_its_next_checkpoint(promise):
    promise.set("value")
    assert promise.settled
    with trio.testing.assert_checkpoints():
        assert await promise.wait() == "value"


async def test_promise_set_while_a_task_waits_wakes_it(promise, nursery):
    waiter = Waiter(nursery, promise)
    await trio.testing.wait_all_tasks_blocked()
    assert not promise.settled
    assert waiter.outcome is None
    promise.set("value")
    await trio.testing.wait_all_tasks_blocked()
    assert waiter.outcome == "value"


async def test_promise_of_none_returns_none(promise):
    promise.set(None)
    assert await promise.wait() is None


async def test_promise_returns_an_exception_that_was_set_as_its_value(promise):
    value = ValueError("a value")
    promise.set(value)
    assert await promise.wait() is value


async def test_promise_that_failed_raises_before_and_after_a_task_waits(promise, nursery):
    waiter = Waiter(nursery, promise)
    await trio.testing.wait_all_tasks_blocked()
    error = ValueError("no")
    promise.fail(error)
    await trio.testing.wait_all_tasks_blocked()
    assert waiter.outcome is promise.error is error
    with pytest.raises(ValueError, match="no"):
        await promise.wait()


async def test_promise_set_after_its_waiter_was_cancelled_returns_to_the_next(promise, nursery):
    waiter = Waiter(nursery, promise)
    await trio.testing.wait_all_tasks_blocked()
    waiter.scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert waiter.outcome == "cancelled"
    promise.set("value")
    assert await promise.wait() == "value"


async def test_waiter_cancelled_just_before_the_outcome_is_cancelled(promise, nursery):
    waiter = Waiter(nursery, promise)
    await trio.testing.wait_all_tasks_blocked()
    waiter.scope.cancel()
    promise.set("value")
    await trio.testing.wait_all_tasks_blocked()
    assert waiter.outcome == "cancelled"
    assert promise.settled


@pytest.mark.parametrize("error", [None, ValueError("no")], ids=["value", "error"])
async def test_waiter_cancelled_just_after_the_outcome_has_it(promise, nursery, error):
    waiter = Waiter(nursery, promise)
    await trio.testing.wait_all_tasks_blocked()
    if error is None:
        promise.set("value")
    else:
        promise.fail(error)
    waiter.scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert waiter.outcome == (error or "value")


async def test_waiter_cancelled_before_it_waits_is_cancelled_though_there_is_an_outcome(promise):
    promise.set("value")
    with trio.CancelScope() as scope:
        scope.cancel()
        await promise.wait()
    assert scope.cancelled_caught


async def test_cancelled_waiter_changes_nothing_for_the_others(promise, nursery):
    waiters = [Waiter(nursery, promise) for _ in range(3)]
    await trio.testing.wait_all_tasks_blocked()
    waiters[1].scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    promise.set("value")
    await trio.testing.wait_all_tasks_blocked()
    assert [waiter.outcome for waiter in waiters] == ["value", "cancelled", "value"]


async def test_every_waiter_raises_the_error(promise, nursery):
    waiters = [Waiter(nursery, promise) for _ in range(3)]
    await trio.testing.wait_all_tasks_blocked()
    error = ValueError("no")
    promise.fail(error)
    await trio.testing.wait_all_tasks_blocked()
    assert [waiter.outcome for waiter in waiters] == [error] * 3


async def test_first_outcome_counts(promise, nursery):
    waiter = Waiter(nursery, promise)
    await trio.testing.wait_all_tasks_blocked()
    promise.set("first")
    promise.set("second")
    promise.fail(ValueError("third"))
    await trio.testing.wait_all_tasks_blocked()
    assert waiter.outcome == await promise.wait() == "first"
    assert promise.error is None


async def test_value_after_an_error_is_ignored(promise):
    promise.fail(ValueError("no"))
    promise.set("value")
    with pytest.raises(ValueError, match="no"):
        await promise.wait()
