"""Who waits for news is woken once, and only by news."""

import trio
import trio.testing

from actors.kernel.ephemeral import Latest, Ring, Wake


async def test_wake_lets_every_waiter_go_at_once(nursery):
    wake, record = Wake(), []

    async def wait(name):
        await wake.wait()
        record.append(name)

    for name in "abc":
        nursery.start_soon(wait, name)
    await trio.testing.wait_all_tasks_blocked()
    wake.notify()
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(record) == ["a", "b", "c"]


async def test_ring_in_which_nobody_waits_is_not_remembered(autojump_clock):
    wake = Wake()
    wake.notify()
    with trio.move_on_after(1) as waiting:
        await wake.wait()
    assert waiting.cancelled_caught


async def test_one_wake_serves_a_ring_and_a_value(nursery):
    wake, record = Wake(), []
    ring, latest = Ring(items=3, size=9, measure=len, wake=wake), Latest("old", wake)

    async def wait():
        while True:
            await wake.wait()
            record.append((ring.last, latest.value))

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    ring.push(["a", "b"])
    await trio.testing.wait_all_tasks_blocked()
    latest.set("new")
    await trio.testing.wait_all_tasks_blocked()
    ring.push([])
    latest.set("new")
    await trio.testing.wait_all_tasks_blocked()
    assert record == [(2, "old"), (2, "new")]
    nursery.cancel_scope.cancel()
