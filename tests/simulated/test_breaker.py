import trio

from actors.remotesync.breaker import CircuitBreaker
from actors.remotesync.panel import Later
from tests.support.doubles.panels import BROKEN, DOWN


async def waited(breaker):
    began = trio.current_time()
    await breaker.wait_closed()
    return round(trio.current_time() - began, 6)


async def test_breaker_opens_for_longer_after_each_panel_wide_failure(autojump_clock):
    breaker, pauses = CircuitBreaker(lambda: 0.0), []
    for _ in range(8):
        assert breaker.trip(DOWN, trio.current_time())
        pauses.append(await waited(breaker))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_breaker_counts_failures_at_the_same_time_as_one(autojump_clock):
    breaker = CircuitBreaker(lambda: 0.0)
    assert [breaker.trip(DOWN, trio.current_time()) for _ in range(16)] == [True] * 16
    assert await waited(breaker) == 1


async def test_breaker_closes_after_a_success_and_the_next_pause_is_short(autojump_clock):
    breaker = CircuitBreaker(lambda: 0.0)
    for _ in range(5):
        breaker.trip(DOWN, trio.current_time())
        await waited(breaker)
    breaker.record_success()
    await trio.sleep(1)
    breaker.trip(DOWN, trio.current_time())
    assert await waited(breaker) == 1


async def test_breaker_stays_closed_after_a_failure_of_one_server(autojump_clock):
    breaker = CircuitBreaker(lambda: 0.0)
    assert not breaker.trip(BROKEN, trio.current_time())
    assert await waited(breaker) == 0


async def test_breaker_stays_closed_if_another_request_succeeded_meanwhile(autojump_clock):
    breaker, began = CircuitBreaker(lambda: 0.0), trio.current_time()
    await trio.sleep(5)
    breaker.record_success()
    await trio.sleep(5)
    assert not breaker.trip(DOWN, began)
    assert await waited(breaker) == 0


async def test_breaker_keeps_the_pause_that_the_panel_asks_for_until_it_is_closed(autojump_clock):
    breaker = CircuitBreaker(lambda: 0.0)
    breaker.trip(Later("slow down", 50.0, panel_wide=True), trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waited, breaker)
        await trio.sleep(20)
        breaker.close()
    assert await waited(breaker) == 0
