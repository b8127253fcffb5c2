"""The console's log on a real engine and a real disk, across the ends of daemons and containers."""

import random

import pytest
import trio


async def lines_of(daemon, limit=10_000, internal_id="s1"):
    """The end of the console as (number, text)."""
    found = (await daemon.get(f"/containers/{internal_id}/logs", lines=limit))["lines"]
    return [(each["line"], each["text"]) for each in found]


async def wait_text(daemon, text):
    with trio.fail_after(60):
        while not any(line == text for _, line in await lines_of(daemon)):
            await trio.sleep(0.05)


@pytest.mark.parametrize("tty", [True, False])
async def test_every_line_is_logged_once_and_in_order_however_often_the_daemon_is_killed(daemon, tty):
    chance = random.Random(4)
    await daemon.create(command="line-printer 2000 0.005", tty=tty)
    await daemon.power("start")
    for _ in range(5):
        await trio.sleep(chance.uniform(0.2, 1.5))
        daemon.kill()
        await trio.sleep(chance.uniform(0.0, 0.5))
        await daemon.start()
        await daemon.engine_up()
    await wait_text(daemon, "line 2000")
    found = await lines_of(daemon)
    assert [text for _, text in found] == [f"line {n}" for n in range(1, 2001)]
    assert [number for number, _ in found] == list(range(1, 2001))
