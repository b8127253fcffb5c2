"""What keeps the event loop from everybody else is measured, and named."""

import logging
import time

import trio

from lightd.http.routes import node
from lightd.http.wire import to_json
from lightd.logs import loop_delay

BLOCKED = 0.4


async def test_handler_that_blocks_the_loop_is_named_in_the_log(api, caplog, monkeypatch):
    def block(value):
        time.sleep(BLOCKED)
        return to_json(value)

    monkeypatch.setattr(node, "to_json", block)
    api.system.delays.reset()
    with caplog.at_level(logging.WARNING, logger="lightd.logs.loop_delay"):
        await api.get("/api/v1/public/ping")
        await api.get("/api/v1/public/ping")
    told = [record for record in caplog.records if "lightd.http.routes.node" in record.getMessage()]
    assert len(told) == 1  # the second came too soon after the first
    assert "lightd.http.routes.node.ping" in told[0].getMessage()
    assert "lightd.http.transport.app_calls.Call.run" in told[0].getMessage()
    assert api.system.delays.longest >= BLOCKED
    assert sum(api.system.delays.counts[6:]) >= 2


async def test_loop_that_waits_is_not_blocked(api):
    api.system.delays.reset()
    await trio.sleep(0.3)
    assert api.system.delays.total < 0.3


def test_delays_are_counted_by_length_and_begin_anew():
    found = loop_delay.Delays()
    for seconds in (0.0001, 0.001, 0.0011, 0.07, 9.0):
        found.add(seconds)
    assert (found.counts[0], found.counts[1], found.counts[5], found.counts[-1]) == (2, 1, 1, 1)
    assert (found.longest, round(found.total, 4)) == (9.0, 9.0722)
    found.reset()
    assert (sum(found.counts), found.longest, found.total) == (0, 0.0, 0.0)
