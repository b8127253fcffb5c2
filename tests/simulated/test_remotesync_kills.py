"""Ten thousand updates, a panel that is up half of the time, a daemon that is killed twenty times.

A kill is a cancellation after which nothing is saved any more: what the panel had accepted by then, and what
was not saved yet, is told again, and nothing else is.
"""

import random
from collections import Counter

import attrs
import pytest
import trio

from actors.container import events
from actors.container.fleet import stream_of
from actors.kernel.bus import open_bus
from actors.kernel.journal import Append
from actors.remotesync.actor import NAME, RemoteSync
from actors.remotesync.panel import Accepted, Later
from actors.remotesync.status import RemoteStatus
from tests.simulated.world import virtual_clock
from tests.support.doubles.memory import MemoryCursorStore, MemoryJournal
from tests.support.doubles.panels import BROKEN, DOWN, FakePanel

SERVERS = 200
UPDATES = 10_000
KILLS = 20
AGAIN = 2
"""How many of its updates each server may be told again after a kill."""


@attrs.define(eq=False)
class SlowCursors(MemoryCursorStore):
    """Takes its time, and saves nothing once the process is dead."""

    dice: random.Random = attrs.field(factory=random.Random)
    dead: bool = False

    async def save(self, name, position, changed):
        await trio.sleep(self.dice.uniform(0, 0.05))
        if not self.dead:
            await super().save(name, position, changed)


class Flapping:
    """Is up half of the time, at random; its words get lost on the way back now and then."""

    def __init__(self, dice):
        self.dice = dice
        self.up = True
        self.got = []

    async def flap(self):
        while True:
            await trio.sleep(self.dice.expovariate(1 / 5))
            self.up = not self.up

    async def answer(self, event_id, server):
        await trio.sleep(self.dice.uniform(0, 0.2))
        if not self.up:
            return self.dice.choice([DOWN, BROKEN, Later("slow down", 2.0, panel_wide=True)])
        if self.dice.random() < 0.001:
            await trio.sleep_forever()
        self.got.append((server, int(event_id.removeprefix("n1-"))))
        return Accepted()


async def record(bus, dice, expected):
    versions = Counter()
    for number in range(UPDATES):
        server = f"s{dice.randrange(SERVERS)}"
        event = events.Installed(number, "e")
        noise = [events.Started(1, 1.0)] * dice.randrange(3)
        recorded = await bus.publish(Append(stream_of(server), versions[server], (*noise, event)))
        versions[server] += len(recorded)
        expected.append((server, recorded[-1].position))
        if number % 50 == 49:
            await trio.sleep(dice.uniform(0, 4))


@pytest.mark.parametrize("seed", [1])
async def test_each_update_comes_at_least_once_in_its_order_and_again_only_around_a_kill(
    autojump_clock, seed
):
    dice = random.Random(seed)
    flapping = Flapping(dice)
    panel = FakePanel(flapping.answer)
    cursors = SlowCursors(dice=dice)
    await cursors.save(NAME, 0, {})
    journal = MemoryJournal(virtual_clock())
    expected, kills = [], []

    async with open_bus(journal) as bus, trio.open_nursery() as nursery:
        nursery.start_soon(flapping.flap)
        nursery.start_soon(record, bus, dice, expected)
        for life in range(KILLS + 1):
            status = RemoteStatus()
            alive = SlowCursors(cursors.kept, dice)
            sync = RemoteSync("n1", panel, bus, alive, journal.clock, dice.random, status)
            async with trio.open_nursery() as process:
                process.start_soon(sync.run)
                if life < KILLS:
                    await trio.sleep(dice.uniform(1, 60))
                else:
                    with trio.fail_after(100_000):
                        while len(expected) < UPDATES or status.cursor != bus.head or status.backlog:
                            await trio.sleep(1)
                alive.dead = True
                kills.append(len(flapping.got))
                process.cancel_scope.cancel()
        nursery.cancel_scope.cancel()

    assert set(flapping.got) == set(expected)
    again = Counter(flapping.got)
    assert sum(count - 1 for count in again.values()) <= KILLS * AGAIN * 16
    check_order(flapping.got, kills)


def check_order(got, kills):
    """Each server's are in their order in each life, which begins at most ``AGAIN`` updates back."""
    newest, before, lives = {}, {}, iter([*kills, len(got)])
    ends = next(lives)
    for index, (server, position) in enumerate(got):
        while index >= ends:
            before, ends = {server: [] for server in newest}, next(lives)
        if server in before:
            if position <= newest[server]:
                before[server].append(position)
                assert before[server] == sorted(set(before[server]))
                assert len(before[server]) <= AGAIN
                continue
            del before[server]
        assert position > newest.get(server, 0)
        newest[server] = position
