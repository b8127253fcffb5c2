"""The door to asyncio, with a real thread and a real loop behind it. The only test that imports asyncio."""

import asyncio
import threading

import pytest
import trio
import trio.testing

from lightd.engines.docker.bridge import BridgeBroken, open_bridge


async def add(a, b):
    await asyncio.sleep(0)
    return a + b


async def fail():
    await asyncio.sleep(0)
    raise LookupError("no such thing")


async def test_result_comes_back():
    async with open_bridge() as bridge:
        assert await bridge.run(add, 1, 2) == 3


async def test_error_comes_back():
    async with open_bridge() as bridge:
        with pytest.raises(LookupError, match="no such thing"):
            await bridge.run(fail)


async def test_bridge_runs_functions_in_a_thread_of_its_own():
    async def which():
        return threading.current_thread()

    async with open_bridge() as bridge:
        thread = await bridge.run(which)
        assert thread is not threading.current_thread()
        assert thread is await bridge.run(which)
    assert not thread.is_alive() or thread.daemon


async def test_many_calls_at_once_all_come_back():
    found = []

    async def one(bridge, n):
        found.append(await bridge.run(add, n, n))

    async with open_bridge() as bridge, trio.open_nursery() as nursery:
        for n in range(2000):
            nursery.start_soon(one, bridge, n)
    assert sorted(found) == [2 * n for n in range(2000)]


async def test_calls_that_wait_in_line_together_wake_the_loop_once():
    async with open_bridge() as bridge:
        await bridge.run(add, 0, 0)
        wakes = []
        wake = bridge._loop.call_soon_threadsafe
        bridge._loop.call_soon_threadsafe = lambda *args: (wakes.append(args), wake(*args))
        release = threading.Event()

        async def block():
            release.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.run, block)
            await trio.testing.wait_all_tasks_blocked()
            while bridge._loop_woken:
                await trio.lowlevel.checkpoint()
            before = len(wakes)
            for n in range(100):
                nursery.start_soon(bridge.run, add, n, n)
            await trio.testing.wait_all_tasks_blocked()
            assert len(wakes) == before + 1
            release.set()


async def test_cancelled_caller_waits_until_its_task_has_unwound():
    record = []
    begun = threading.Event()

    async def linger():
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)
            record.append("unwound")

    async with open_bridge() as bridge:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bridge.run, linger)
            while not begun.is_set():
                await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
        record.append("cancelled")
    assert record == ["unwound", "cancelled"]


async def test_call_that_is_cancelled_before_it_begins_does_nothing():
    record = []

    async def act():
        record.append("acted")

    async with open_bridge() as bridge:
        with trio.CancelScope() as scope:
            scope.cancel()
            await bridge.run(act)
        await bridge.run(add, 1, 1)
    assert record == []


async def test_shielded_call_goes_on_to_its_end_when_its_caller_is_cancelled():
    record = []
    begun = threading.Event()

    async def act():
        begun.set()
        await asyncio.sleep(0.02)
        record.append("acted")
        return 7

    async with open_bridge() as bridge, trio.open_nursery() as nursery:

        async def caller():
            record.append(await bridge.run_to_end(act))
            await trio.lowlevel.checkpoint()
            record.append("not reached")

        nursery.start_soon(caller)
        while not begun.is_set():
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert record == ["acted", 7]


@pytest.mark.parametrize("hurried_first", [False, True])
async def test_shielded_call_is_given_up_in_a_hurry(hurried_first):
    record = []
    begun = threading.Event()

    async def act():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            record.append("unwound")

    async with open_bridge() as bridge, trio.open_nursery() as nursery:
        if hurried_first:
            bridge.hurry(0.02)
        nursery.start_soon(bridge.run_to_end, act)
        while not begun.is_set():
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
        if not hurried_first:
            bridge.hurry(0.02)
    assert record == ["unwound"]
    assert nursery.cancel_scope.cancelled_caught


async def test_result_that_wins_against_the_cancellation_is_a_result():
    async def stubborn():
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done all the same"

    begun = threading.Event()
    found = []
    async with open_bridge() as bridge, trio.open_nursery() as nursery:

        async def caller():
            found.append(await bridge.run(stubborn))

        nursery.start_soon(caller)
        while not begun.is_set():
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert found == ["done all the same"]


async def use_until_broken(bridge):
    while True:  # a loop may do a little more while it is being closed
        await bridge.run(add, 1, 1)


async def test_callers_do_not_wait_for_a_thread_that_died(monkeypatch):
    deaths = []
    monkeypatch.setattr(threading, "excepthook", deaths.append)
    begun = threading.Event()

    async def wait():
        begun.set()
        await asyncio.Event().wait()

    async def die():
        raise SystemExit

    broken = []

    async def caller(bridge):
        with pytest.raises(BridgeBroken):
            await bridge.run(wait)
        broken.append("pending")

    async with open_bridge() as bridge:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller, bridge)
            while not begun.is_set():
                await trio.sleep(0.001)
            with pytest.raises((SystemExit, BridgeBroken)):
                await bridge.run(die)
        with trio.fail_after(10), pytest.raises(BridgeBroken):
            await use_until_broken(bridge)
    assert broken == ["pending"]
    with trio.fail_after(10):
        while not deaths:  # whoever waited is told before the thread is gone
            await trio.sleep(0.001)
    assert [death.exc_type for death in deaths] == [SystemExit]


async def test_closing_cancels_what_is_left_behind_and_waits_for_it():
    record = []

    async def linger():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)
            record.append("unwound")

    async def leave_behind():
        tasks.add(asyncio.create_task(linger()))
        await asyncio.sleep(0)

    tasks = set()
    async with open_bridge() as bridge:
        await bridge.run(leave_behind)
    assert record == ["unwound"]


async def test_call_while_the_thread_ends_is_not_begun():
    ending, begun = threading.Event(), []

    async def linger():
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await asyncio.sleep(0.1)

    async def wish():
        begun.append(True)

    async def ask(function):
        with pytest.raises(BridgeBroken):
            await bridge.run(function)

    async def ask_late():
        while not ending.is_set():
            await trio.sleep(0.001)
        await ask(wish)

    async with trio.open_nursery() as nursery, open_bridge() as bridge:
        nursery.start_soon(ask, linger)
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.start_soon(ask_late)
        nursery.start_soon(bridge._close)
    assert begun == []
