"""The disk fills up at every moment of a scripted life, then the power fails: nothing stays wrong.

What the daemon saw and did while it could record nothing is known to nobody afterwards, but for what it left
in the engine and on the consoles. The next daemon goes by that, and the life comes to its end.
"""

import math

import attrs
import trio

from actors.container import events as happened
from actors.container.consolelog import MemoryConsoleLog
from actors.kernel.journal import JournalUnavailable, MemoryJournal
from actors.kernel.mailbox import ActorGone
from lightd.engine import fake
from tests.simulated import test_crash_anywhere as crashes
from tests.simulated.world import open_daemon, virtual_clock

FULL = 60.0  # seconds between the start and the power loss
SPEC = attrs.evolve(crashes.SPEC, startup_command="sleep 2; stdin-echo")


@attrs.define(eq=False)
class FillingJournal(MemoryJournal):
    """Takes ``left`` more commits, and refuses all others."""

    left: float = math.inf

    async def commit(self, batch):
        if self.left <= 0:
            raise JournalUnavailable("the disk is full")
        self.left -= 1
        return await MemoryJournal.commit(self, batch)


async def insist(life, world):
    """Live on as somebody does who asks again whatever he is told."""
    while True:
        try:
            return await life.live(world)
        except (JournalUnavailable, ActorGone):
            await trio.sleep(1)


async def tell_story(room):
    """Return whether the disk filled up, and what the story left in the journal, the last run printed."""
    life, log = crashes.Life(spec=SPEC), MemoryConsoleLog()
    journal = FillingJournal(virtual_clock(), left=room)
    async with fake.open_fake_engine() as engine:
        with trio.move_on_after(FULL):
            async with open_daemon(journal, engine, log) as world:
                await insist(life, world)
        filled, journal.left = journal.left <= 0, math.inf
        with trio.fail_after(1000):
            async with open_daemon(journal, engine, log) as world:
                await life.live(world)
                await trio.sleep(1)
        assert [row.role for row in await engine.list()] == []
        return filled, [record.event for record in journal.records], life.console


async def test_wherever_the_disk_fills_up_the_next_daemon_says_what_is_true(autojump_clock):
    room, filled = 0, True
    while filled:
        filled, events, console = await tell_story(room)
        where = f"after {room} commits"
        assert console == ["Ready"], where
        runs = [event.run for event in events if isinstance(event, happened.StartRequested)]
        assert runs == sorted(set(runs)), where
        room += 1
    assert room > 10
