"""The daemon is killed at every moment of a scripted life, and started again: the end is the same.

A moment is a record of the journal or a call to the engine, before it was done or after. The script is
written as wishes that are repeated until they are true, as a panel would that lost its answer.
"""

from contextlib import asynccontextmanager

import attrs
import trio

from actors.container import events, messages
from actors.container.engine import Role
from actors.container.spec import ContainerSpec, StopPolicy
from actors.container.state import Phase
from tests.simulated.world import a_spec, open_daemon, virtual_clock
from tests.support.doubles.memory import MemoryJournal
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment

SPEC = a_spec(
    startup_command="stdin-echo",
    install_script="echo installing; sleep 1",
    stop=StopPolicy("command", "stop", 5.0),
)
NAP = 0.01


@attrs.define(eq=False)
class KilledJournal(MemoryJournal):
    """Calls ``on_record`` after each commit."""

    on_record: object = None

    async def commit(self, batch):
        outcome = await MemoryJournal.commit(self, batch)
        self.on_record("record", Moment.AFTER)
        return outcome


@attrs.define
class Reaper:
    """Kills the daemon once, at the ``at``-th moment; counts the moments."""

    at: int | None
    scope: trio.CancelScope | None = None
    moments: list = attrs.field(factory=list)

    def strike(self, what, moment):
        self.moments.append((what, moment))
        if len(self.moments) - 1 == self.at:
            self.scope.cancel()

    async def faults(self, call, moment):
        self.strike(call.name, moment)
        await trio.lowlevel.checkpoint()


@attrs.define
class Life:
    """What a user wants of one container, step by step; ``step`` outlives the daemon."""

    spec: ContainerSpec = SPEC
    step: int = 0
    console: list = attrs.field(factory=list)

    @property
    def steps(self):
        return (
            self.created,
            self.running,
            self.restarted,
            self.talked,
            self.stopped,
            self.ran_again,
            self.deleted,
        )

    async def live(self, world):
        while self.step < len(self.steps):
            await self.steps[self.step](world)
            self.step += 1

    async def created(self, world):
        if world.fleet.get("s1") is None:
            await world.create(self.spec)
        await world.wait(Phase.OFFLINE)

    async def running(self, world):
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)

    async def restarted(self, world):
        if world.state().run == 1:
            await world.tell(messages.Restart())
        await world.member().wait_until(
            lambda view: view.state.run == 2 and view.state.phase is Phase.RUNNING
        )

    async def talked(self, world):
        while "got: hello" not in world.console():
            with trio.move_on_after(2):
                await world.member().console.runs.get(2, world.state().engine_id).attached.wait()
                world.member().console.send_nowait(b"hello\n")
                await trio.sleep(1)

    async def stopped(self, world):
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)

    async def ran_again(self, world):
        if world.state().run == 2:
            await self.running(world)
        await world.wait(Phase.RUNNING)
        await trio.sleep(1)
        console = world.console()
        began = len(console) - console[::-1].index("Stopping") if "Stopping" in console else 0
        self.console = console[began:]

    async def deleted(self, world):
        if world.fleet.get("s1") is not None:
            await world.tell(messages.Delete())
        await world.wait_gone()


@attrs.define
class ImageLife(Life):
    """The same of one that gets another image at its next start, and is reinstalled without its script."""

    @property
    def steps(self):
        return (self.created, self.running, self.edited, self.renewed, self.reinstalled, self.deleted)

    async def edited(self, world):
        await world.tell(messages.Edit(image="newer:1", pull="always"))
        assert (world.state().run, world.state().phase) == (1, Phase.RUNNING)

    async def renewed(self, world):
        if world.state().run == 1:
            await world.tell(messages.Restart())
        await world.member().wait_until(
            lambda view: view.state.run == 2 and view.state.phase is Phase.RUNNING
        )
        check_image(world, 0)

    async def reinstalled(self, world):
        world.engine.builds["newer:1"] = 1
        if world.state().attempts == 1:
            await world.tell(messages.Reinstall(run_script=False))
        await world.member().wait_until(lambda view: view.state.attempt == 2)
        await world.wait(Phase.OFFLINE)
        check_image(world, 1)
        assert world.console().count("installing") <= 1


def check_image(world, build):
    """Check that the container was created from this image of the name."""
    made = world.engine._containers[world.state().engine_id]
    assert (made.spec.image, made.build, made.role) == ("newer:1", build, Role.SERVER)


@asynccontextmanager
async def open_story(at):
    reaper = Reaper(at)
    journal = KilledJournal(virtual_clock(), on_record=reaper.strike)
    async with fake.open_fake_engine(registry=("newer:1",), faults=reaper.faults) as engine:
        yield reaper, journal, engine


async def tell_story(at, new_life=Life):
    """Return the moments of the story, what it left in the journal, and what the last run printed."""
    life = new_life()
    async with open_story(at) as (reaper, journal, engine):
        with trio.fail_after(1000):
            while True:
                with trio.CancelScope() as reaper.scope:
                    async with open_daemon(journal, engine) as world:
                        await life.live(world)
                        await trio.sleep(1)
                        await world.fleet.reconcile()
                        break
                await trio.sleep(NAP)
                check_engine(engine)
        assert [row.role for row in await engine.list()] == []
        return reaper.moments, [record.event for record in journal.records], life.console


def check_engine(engine):
    """Never is anything doubled, at whatever moment the daemon died."""
    assert len(engine._containers) <= len(Role)


async def test_daemon_killed_anywhere_comes_to_the_same_end(autojump_clock):
    moments, told_whole, console = await tell_story(None)
    kinds = {what for what, _ in moments}
    assert kinds >= {"record", "create_installer", "create_server", "start", "attach", "inspect", "remove"}
    assert console == ["Ready"]
    for at in range(len(moments)):
        _, emitted, console = await tell_story(at)
        where = f"killed at {moments[at]}, the {at}th moment"
        assert console == ["Ready"], where
        assert names(emitted) == names(told_whole), where
        assert ends(emitted) == ends(told_whole), where


async def test_daemon_killed_anywhere_while_the_image_is_changed_comes_to_the_same_end(autojump_clock):
    moments, told_whole, _ = await tell_story(None, ImageLife)
    assert sum(isinstance(event, events.Edited) for event in told_whole) == 1
    for at in range(len(moments)):
        _, emitted, _ = await tell_story(at, ImageLife)
        where = f"killed at {moments[at]}, the {at}th moment"
        assert names(emitted) == names(told_whole), where
        assert ends(emitted) == ends(told_whole), where


def names(emitted):
    """The story without what may come earlier or later, or be tried again."""
    return [type(event).__name__ for event in emitted if not isinstance(event, events.PatternSeen)]


def ends(emitted):
    return [(e.run, e.code, e.expected) for e in emitted if isinstance(e, events.Exited)]


async def test_install_script_runs_once_wherever_the_daemon_is_killed(autojump_clock):
    moments, _, _ = await tell_story(None)
    installing = next(n for n, (what, _) in enumerate(moments) if what == "create_server")
    for at in range(installing):
        reaper = Reaper(at)
        journal = KilledJournal(virtual_clock(), on_record=reaper.strike)
        async with fake.open_fake_engine(faults=reaper.faults) as engine:
            with trio.CancelScope() as reaper.scope:
                async with open_daemon(journal, engine) as world:
                    await Life().created(world)
                    continue
            await trio.sleep(5)
            async with open_daemon(journal, engine) as world:
                await Life().created(world)
                assert world.console() in (["installing"], [])
