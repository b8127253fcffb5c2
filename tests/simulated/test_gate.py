import trio

from actors.remotesync.breaker import Gate
from actors.remotesync.panel import Later
from tests.support.doubles.panels import BROKEN, DOWN


async def waited(gate):
    began = trio.current_time()
    await gate.wait()
    return round(trio.current_time() - began, 6)


async def test_trouble_of_everybodys_shuts_it_for_longer_each_time(autojump_clock):
    gate, pauses = Gate(lambda: 0.0), []
    for _ in range(8):
        assert gate.shut(DOWN, trio.current_time())
        pauses.append(await waited(gate))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_gate_is_shut_once_by_many_failures_together(autojump_clock):
    gate = Gate(lambda: 0.0)
    assert [gate.shut(DOWN, trio.current_time()) for _ in range(16)] == [True] * 16
    assert await waited(gate) == 1


async def test_request_that_gets_through_opens_the_gate_and_the_next_pause_is_short(autojump_clock):
    gate = Gate(lambda: 0.0)
    for _ in range(5):
        gate.shut(DOWN, trio.current_time())
        await waited(gate)
    gate.passed()
    await trio.sleep(1)
    gate.shut(DOWN, trio.current_time())
    assert await waited(gate) == 1


async def test_trouble_of_one_server_leaves_it_open(autojump_clock):
    gate = Gate(lambda: 0.0)
    assert not gate.shut(BROKEN, trio.current_time())
    assert await waited(gate) == 0


async def test_trouble_is_not_everybodys_where_somebody_got_through_meanwhile(autojump_clock):
    gate, began = Gate(lambda: 0.0), trio.current_time()
    await trio.sleep(5)
    gate.passed()
    await trio.sleep(5)
    assert not gate.shut(DOWN, began)
    assert await waited(gate) == 0


async def test_pause_that_the_panel_asks_for_is_kept_until_it_is_opened(autojump_clock):
    gate = Gate(lambda: 0.0)
    gate.shut(Later("slow down", 50.0, everybody=True), trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waited, gate)
        await trio.sleep(20)
        gate.open()
    assert await waited(gate) == 0
