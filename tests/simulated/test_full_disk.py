"""The disk fills up at every moment of a scripted life, then the power fails: nothing stays wrong.

What the daemon saw and did while it could record nothing is known to nobody afterwards, but for what it left
in the engine and on the consoles. The next daemon goes by that, and the life comes to its end.
"""

import math

import attrs
import pytest
import trio

from actors.container import events, messages
from actors.container.spec import RestartPolicy
from actors.container.state import Phase
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone
from tests.simulated import test_crash_anywhere as crashes
from tests.simulated.test_changes import NEW, OLD
from tests.simulated.world import open_daemon, virtual_clock
from tests.support.doubles.memory import MemoryConsoleLog, MemoryJournal
from tests.support.fake_engine import engine as fake

FULL = 60.0  # seconds between the start and the power loss
SPEC = attrs.evolve(
    crashes.SPEC,
    startup_command="sleep 2; stdin-echo",
    ports=(OLD,),
    restart_policy=RestartPolicy("on-crash", 5, 600),
)


@attrs.define(eq=False)
class FillingJournal(MemoryJournal):
    """Takes ``left`` more commits, and refuses all others."""

    left: float = math.inf

    async def commit(self, batch):
        if self.left <= 0:
            raise JournalUnavailable("the disk is full")
        self.left -= 1
        return await MemoryJournal.commit(self, batch)


@attrs.define
class Changes(crashes.Life):
    """What else a user wants: other ports, another image, a crash that is mended by itself."""

    @property
    def steps(self):
        return (
            self.created,
            self.running,
            self.rebound,
            self.reinstalled,
            self.edited,
            self.crashed,
            self.deleted,
        )

    async def rebound(self, world):
        if world.state().known_spec.ports != (NEW,) and world.state().change is None:
            await world.tell(messages.Rebind((NEW,)))
        await self.asks(world, ports=(NEW,))
        await world.wait(Phase.RUNNING)

    async def reinstalled(self, world):
        if world.state().known_spec.image != "newer:1" and world.state().change is None:
            await world.tell(messages.Reinstall("newer:1", "echo again"))
        await self.asks(world, image="newer:1")
        await world.wait(Phase.OFFLINE)

    async def edited(self, world):
        await world.tell(messages.Edit(startup_command="sleep 1; echo Ready; sleep 5; exit 3"))
        await self.asks(world, startup_command="sleep 1; echo Ready; sleep 5; exit 3")

    async def crashed(self, world):
        await world.tell(messages.Start())
        await world.member().wait_until(lambda view: view.state.restarts)
        await world.tell(messages.Kill())
        await world.wait(Phase.OFFLINE)
        self.console = world.console()[-1:]

    async def asks(self, world, **asked):
        await world.member().wait_until(
            lambda view: (
                view.state.change is None
                and all(getattr(view.state.known_spec, name) == value for name, value in asked.items())
            )
        )


async def insist(life, world):
    """Live on as somebody does who asks again whatever he is told."""
    while True:
        try:
            return await life.live(world)
        except (JournalUnavailable, ActorGone):
            await trio.sleep(1)


async def tell_story(life, room):
    """Return whether the disk filled up, and what the story left in the journal, the last run printed."""
    log = MemoryConsoleLog()
    journal = FillingJournal(virtual_clock(), left=room)
    async with fake.open_fake_engine(registry=("newer:1",)) as engine:
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


@pytest.mark.parametrize("story", [crashes.Life, Changes])
async def test_next_daemon_says_what_is_true_wherever_the_disk_filled_up(autojump_clock, story):
    room, filled = 0, True
    while filled:
        filled, emitted, console = await tell_story(story(SPEC), room)
        where = f"after {room} commits"
        assert console == ["Ready"], where
        runs = [event.run for event in emitted if isinstance(event, events.StartRequested)]
        assert runs == sorted(set(runs)), where
        room += 1
    assert room > 10
