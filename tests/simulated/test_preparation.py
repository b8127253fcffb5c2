"""The preparation of a server's volume before each start, with everything that can happen meanwhile."""

import trio

from actors.container import events, messages
from actors.container.engine import EngineUnavailable
from actors.container.performer import PREPARATION_TIMEOUT
from actors.container.spec import RestartPolicy
from actors.container.state import Phase
from tests.simulated.world import a_spec, open_daemon, open_world, virtual_clock
from tests.support.doubles.memory import MemoryJournal
from tests.support.doubles.preparer import FakePreparer
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment

POLICY = RestartPolicy("on-crash", max=3, within=60.0)


async def preparing(world, preparer, spec=None):
    """Start the server, up to the middle of the preparation of its volume."""
    await world.create(spec)
    await world.wait(Phase.OFFLINE)
    await world.tell(messages.Start())
    with trio.fail_after(100):
        while not preparer.working:
            await trio.sleep(0.01)


async def test_volume_is_prepared_before_the_process_starts(autojump_clock):
    preparer = FakePreparer(seconds=5)
    async with open_world(preparer) as world:
        await preparing(world, preparer)
        await trio.sleep(4)
        assert world.engine.running() == []
        await world.wait(Phase.RUNNING)
        assert preparer.record == ["begun", "done"]
        assert world.engine.running() == ["s1"]


async def test_warning_of_the_preparation_is_on_the_console(autojump_clock):
    preparer = FakePreparer(warning="Warning: config.yml is a folder")
    async with open_world(preparer) as world:
        await world.running()
        assert "Warning: config.yml is a folder" in world.member().console.notes.tail(10).items


async def test_refused_preparation_is_a_failed_start(autojump_clock):
    preparer = FakePreparer(refusal="TOKEN must be filled in")
    async with open_world(preparer) as world:
        await world.create()
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        await world.member().wait_until(lambda view: view.state.error is not None)
        assert world.state().phase is Phase.OFFLINE
        assert world.events()[-1] == events.StartFailed(1, "TOKEN must be filled in")
        assert world.engine.running() == []
        preparer.refusal = ""
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)


async def test_stop_while_preparing_ends_it_without_a_process(autojump_clock):
    preparer = FakePreparer(seconds=30)
    async with open_world(preparer) as world:
        await preparing(world, preparer)
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        assert preparer.record == ["begun", "cancelled"]
        assert "Started" not in world.names()
        preparer.seconds = 1
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert preparer.record == ["begun", "cancelled", "begun", "done"]


async def test_kill_while_preparing_ends_it_without_a_process(autojump_clock):
    preparer = FakePreparer(seconds=30)
    async with open_world(preparer) as world:
        await preparing(world, preparer)
        await world.tell(messages.Kill())
        await world.wait(Phase.OFFLINE)
        assert preparer.record == ["begun", "cancelled"]
        assert "Started" not in world.names()


async def test_restart_while_preparing_prepares_again(autojump_clock):
    preparer = FakePreparer(seconds=30)
    async with open_world(preparer) as world:
        await preparing(world, preparer)
        await world.tell(messages.Restart())
        await world.wait(Phase.RUNNING)
        assert preparer.record[-2:] == ["begun", "done"]
        assert world.engine.running() == ["s1"]


async def test_delete_while_preparing_leaves_nothing(autojump_clock):
    preparer = FakePreparer(seconds=30)
    async with open_world(preparer) as world:
        await preparing(world, preparer)
        await world.tell(messages.Delete())
        await world.wait_gone()
        assert preparer.record == ["begun", "cancelled"]
        assert not preparer.working


async def test_edit_while_preparing_does_not_prepare_again(autojump_clock):
    preparer = FakePreparer(seconds=30)
    async with open_world(preparer) as world:
        await preparing(world, preparer)
        await world.tell(messages.Edit(environment=(("MODE", "hard"),)))
        await world.wait(Phase.RUNNING)
        assert preparer.record == ["begun", "done"]


async def test_preparation_that_hangs_is_a_failed_start(autojump_clock):
    preparer = FakePreparer(seconds=10 * PREPARATION_TIMEOUT)
    async with open_world(preparer) as world:
        await preparing(world, preparer)
        await world.member().wait_until(lambda view: view.state.error is not None)
        assert world.events()[-1] == events.StartFailed(1, "its volume was not prepared within 60 seconds")
        assert preparer.record == ["begun", "cancelled"]


async def test_daemon_killed_while_preparing_prepares_again(autojump_clock):
    journal, preparer = MemoryJournal(virtual_clock()), FakePreparer(seconds=30)
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine, preparer=preparer) as world:
            await preparing(world, preparer)
        preparer.seconds = 1
        async with open_daemon(journal, engine, preparer=preparer) as world:
            await world.wait(Phase.RUNNING)
            assert preparer.record == ["begun", "cancelled", "begun", "done"]
            assert engine.running() == ["s1"]
            assert world.state().run == 1


async def test_daemon_killed_after_the_start_does_not_prepare_a_running_server(autojump_clock):
    journal, preparer = MemoryJournal(virtual_clock()), FakePreparer()
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine, preparer=preparer) as world:
            await world.running()
        async with open_daemon(journal, engine, preparer=preparer) as world:
            await world.wait(Phase.RUNNING)
            assert preparer.record == ["begun", "done"]


async def test_restart_after_a_crash_is_prepared(autojump_clock):
    preparer = FakePreparer()
    async with open_world(preparer) as world:
        await world.running(a_spec(restart_policy=POLICY))
        world.engine.exit("s1", 7)
        await world.wait(Phase.WAITING)
        await world.wait(Phase.RUNNING)
        assert preparer.record == ["begun", "done"] * 2


async def test_crash_restarts_end_if_the_preparation_is_refused_each_time(autojump_clock):
    preparer = FakePreparer()
    async with open_world(preparer) as world:
        await world.running(a_spec(restart_policy=POLICY))
        preparer.refusal = "TOKEN must be filled in"
        world.engine.exit("s1", 7)
        await world.wait(Phase.OFFLINE)
        failed = [event for event in world.events() if isinstance(event, events.StartFailed)]
        assert [event.reason for event in failed] == ["TOKEN must be filled in"] * 3
        assert "RestartsGivenUp" in world.names()


async def test_engine_that_fails_to_start_is_asked_again_without_another_preparation(autojump_clock):
    preparer, failed = FakePreparer(), []

    async def faults(call, moment):
        if call.name == "start" and moment is Moment.BEFORE and len(failed) < 3:
            failed.append(call)
            raise EngineUnavailable

    async with open_world(preparer, faults=faults) as world:
        await world.running()
        assert preparer.record == ["begun", "done"]
        assert len(failed) == 3


async def test_preparation_of_one_server_does_not_delay_another(autojump_clock):
    preparer = FakePreparer(seconds=30)
    async with open_world(preparer) as world:
        await preparing(world, preparer)
        preparer.seconds = 0
        await world.running(a_spec("s2", volume_id="v2"))
        assert preparer.working == {"s1"}
        assert world.state().phase is Phase.STARTING
