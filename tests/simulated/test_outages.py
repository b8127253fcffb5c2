"""Bad days: the engine is away, containers change behind our back, an actor breaks, the journal is full."""

import contextlib
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container import decider as decider_module
from actors.container import fleet as fleet_module
from actors.container import messages
from actors.container.console.console import INPUT_TIMEOUT, INPUTS, InputClosed, InputFull
from actors.container.engine import EngineFault, EngineRefused, EngineUnavailable, Role
from actors.container.events import Exited, FoundRunning, Started, Vanished
from actors.container.fleet import internal_id_of, stream_of
from actors.container.performer import DRAIN_TIMEOUT
from actors.container.spec import StopPolicy
from actors.container.state import Phase
from actors.kernel.decider import Rejection
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone
from tests.simulated.world import FullJournal, a_spec, open_daemon, open_world, virtual_clock
from tests.support.doubles.memory import MemoryJournal
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.container import FakeAttachment, FakeContainer
from tests.support.fake_engine.faults import Moment

NAP = 0.01
"""Between two lives of the daemon."""


def exits(world, internal_id="s1"):
    return [event for event in world.events(internal_id) if isinstance(event, Exited)]


async def heard(world, internal_id="s1"):
    """Return true where what runs is still listened to."""
    member = world.member(internal_id)
    member.console.send_nowait(b"are you there\n")
    await trio.sleep(1)
    return "got: are you there" in world.console(internal_id)


# The engine


async def test_daemon_serves_without_an_engine_and_does_its_work_once_there_is_one(autojump_clock):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        engine.go_down()
        async with open_daemon(journal, engine) as world:
            await world.create()
            await trio.sleep(100)
            assert not world.fleet.engine_up.value
            assert world.state().install_state == "installing"
            engine.come_back()
            await world.wait(Phase.OFFLINE)
            await world.wait_engine()


async def test_outage_under_running_servers_is_no_exit_and_their_consoles_go_on(autojump_clock):
    async with open_world() as world:
        await world.running()
        before = world.events()
        world.engine.go_down()
        await trio.sleep(100)
        assert not world.fleet.engine_up.value
        assert world.state().phase is Phase.RUNNING
        world.engine.come_back()
        await trio.sleep(20)
        assert world.fleet.engine_up.value
        assert world.events() == before
        assert await heard(world)
        assert world.console() == ["Ready", "are you there", "got: are you there"]


async def test_lines_printed_during_an_outage_are_made_up_for(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="echo Ready; sleep 10; echo meanwhile; sleep 1000"))
        world.engine.go_down()
        await trio.sleep(60)
        world.engine.come_back()
        await trio.sleep(20)
        assert world.console() == ["Ready", "meanwhile"]


async def test_exit_during_an_outage_is_found_with_its_code_and_its_last_lines(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="echo Ready; sleep 10; echo goodbye; exit 5"))
        world.engine.go_down()
        await trio.sleep(60)
        assert world.state().phase is Phase.RUNNING
        world.engine.come_back()
        state = await world.wait(Phase.OFFLINE)
        assert state.exit.code == 5
        assert [event.expected for event in exits(world)] == [False]
        assert world.console() == ["Ready", "goodbye"]


async def test_engine_that_took_its_containers_down_with_it_has_ended_them(autojump_clock):
    async with open_world() as world:
        member = await world.running()
        world.engine.go_down(containers_too=True)
        await trio.sleep(5)
        world.engine.come_back()
        await member.wait_until(lambda view: view.state.run == 2)
        assert [event.code for event in exits(world)] == [137]


@pytest.mark.parametrize("name", ["inspect", "list", "notices", "remove_orphan"])
async def test_outage_in_the_middle_of_a_reconcile_is_waited_for(autojump_clock, name):
    """Several containers are looked at at once: their troubles come together, and are one trouble."""
    async with open_world() as world:
        for internal_id in ("s1", "s2", "s3"):
            await world.running(a_spec(internal_id))
        for internal_id in ("x1", "x2"):
            await world.deleted(internal_id)
            await world.engine.create_server(a_spec(internal_id), 1)
        failures = iter(range(3))

        async def faults(call, _moment):
            if call.name == name and next(failures, None) is not None:
                raise EngineUnavailable("gone")

        world.engine.faults = faults
        world.engine.go_down()
        world.engine.come_back()
        await trio.sleep(200)
        assert world.fleet.engine_up.value
        assert {row.internal_id for row in await world.engine.list()} == {"s1", "s2", "s3"}
        assert all([await heard(world, internal_id) for internal_id in ("s1", "s2", "s3")])


async def test_notices_that_are_cut_off_are_followed_again_and_that_is_no_outage(autojump_clock):
    async with open_world() as world:
        member = await world.running(a_spec(startup_command="sleep 10; exit 4", start_pattern=None))
        for follower in world.engine._followers:
            follower.close()
        world.engine._followers.clear()
        with trio.move_on_after(5):
            await world.fleet.engine_up.wake.wait()
            pytest.fail("it was taken for an outage")
        assert len(world.engine._followers) == 1
        await world.wait(Phase.OFFLINE)
        assert member.state.exit.code == 4


@pytest.mark.parametrize("answer", [None, EngineUnavailable("too late")])
async def test_look_that_stalls_on_one_container_keeps_nobody_else_waiting(autojump_clock, answer):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.wait_engine()
            await world.running(a_spec("s1"))
            await world.running(a_spec("s2"))
        engine.exit("s1", 4)
        engine.exit("s2", 5)
        gate = trio.Event()

        async def faults(call, moment):
            if (call.name, call.subject, moment) == ("inspect", "s1", Moment.BEFORE) and not gate.is_set():
                await gate.wait()
                if answer is not None:
                    raise answer

        engine.faults = faults
        async with open_daemon(journal, engine) as world:
            with trio.fail_after(fleet_module.INSPECTION_TIMEOUT + 1):
                await world.wait_engine()
            assert (await world.wait(Phase.OFFLINE, "s2")).exit.code == 5
            await world.tell(messages.Start(), "s2")
            await world.wait(Phase.RUNNING, "s2")
            assert world.state("s1").phase is Phase.RUNNING
            gate.set()
            assert (await world.wait(Phase.OFFLINE, "s1")).exit.code == 4
            assert len(exits(world, "s1")) == 1


async def test_outage_at_the_regular_look_is_passed_over(autojump_clock):
    async with open_world() as world:
        await world.running()
        failures = iter(range(1))

        async def faults(call, _moment):
            if call.name == "list" and next(failures, None) is not None:
                raise EngineUnavailable("gone")

        world.engine.faults = faults
        await trio.sleep(3 * fleet_module.RECONCILE_EVERY)
        assert world.engine.calls.count(fake.Call("list")) >= 3
        assert await heard(world)


async def test_regular_look_rests_while_the_engine_is_away(autojump_clock):
    async with open_world() as world:
        world.engine.go_down()
        await trio.sleep(2 * fleet_module.RECONCILE_EVERY)
        assert world.engine.calls.count(fake.Call("list")) == 1


async def test_notice_that_can_not_be_followed_up_is_made_up_for_by_the_watch(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="crash-looper 3 5"))
        failures = iter(range(1))

        async def faults(call, moment):
            if call.name == "inspect" and moment is Moment.BEFORE and next(failures, None) is not None:
                raise EngineUnavailable("gone")

        world.engine.faults = faults
        assert (await world.wait(Phase.OFFLINE)).exit.code == 3


async def test_exit_is_asked_about_once_by_the_follower_of_its_console(autojump_clock):
    async with open_world() as world:
        await world.running()
        asked = len(world.engine.calls)
        world.engine.exit("s1", 3)
        assert (await world.wait(Phase.OFFLINE)).exit.code == 3
        await trio.sleep(10)
        assert [call.name for call in world.engine.calls[asked:]] == ["wait_end"]


async def test_stop_by_a_signal_that_was_delivered_is_followed_by_the_console_alone(autojump_clock):
    async with open_world() as world:
        await world.running()
        asked = len(world.engine.calls)
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        assert [call.name for call in world.engine.calls[asked:]] == ["signal", "wait_end"]


async def test_exit_behind_a_stream_that_does_not_end_is_found_by_its_notice(autojump_clock, monkeypatch):
    async with open_world() as world:
        await world.running()
        monkeypatch.setattr(FakeContainer, "cut", lambda _: None)
        began = trio.current_time()
        world.engine.exit("s1", 3)
        assert (await world.wait(Phase.OFFLINE)).exit.code == 3
        assert trio.current_time() - began <= 2 * DRAIN_TIMEOUT + 1


async def test_start_whose_answer_was_lost_is_not_done_twice(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(startup_command="crash-looper 3 0.05"))
        await world.wait(Phase.OFFLINE)
        failures = iter(range(1))

        async def faults(call, moment):
            if call.name == "start" and moment is Moment.AFTER and next(failures, None) is not None:
                raise EngineUnavailable("the answer was lost")

        world.engine.faults = faults
        await world.tell(messages.Start())
        state = await world.wait(Phase.OFFLINE)
        assert state.exit.code == 3
        await trio.sleep(100)
        assert [call.name for call in world.engine.calls].count("start") == 1


async def test_console_that_can_not_be_attached_keeps_no_start_waiting_for_ever(autojump_clock):
    async with open_world() as world:
        await world.create()
        await world.wait(Phase.OFFLINE)

        async def faults(call, _moment):
            if call.name == "attach":
                raise EngineUnavailable("no stream today")

        world.engine.faults = faults
        await world.tell(messages.Start())
        await world.wait(Phase.LOADING)
        await trio.sleep(100)
        world.engine.faults = fake.no_faults
        await world.wait(Phase.RUNNING)
        assert world.console() == ["Ready"]


async def broken(_console):
    await trio.sleep(1)
    raise EngineUnavailable("reset by peer")


async def test_stream_that_breaks_is_attached_again(autojump_clock, monkeypatch):
    async with open_world() as world:
        await world.running()
        monkeypatch.setattr(FakeAttachment, "receive", broken)
        world.engine._names["s1", Role.SERVER].cut()
        await trio.sleep(30)
        monkeypatch.undo()
        await trio.sleep(30)
        assert await heard(world)
        assert exits(world) == []


async def test_stream_that_is_cut_every_minute_is_attached_again_at_once(autojump_clock):
    async with open_world() as world:
        await world.running()
        for _ in range(20):
            world.engine._names["s1", Role.SERVER].cut()
            await trio.sleep(60)
        world.engine._names["s1", Role.SERVER].cut()
        await trio.sleep(2)
        assert await heard(world)


async def test_input_that_can_not_be_sent_closes_the_input_until_the_next_attachment(
    autojump_clock, monkeypatch
):
    async def refuse(_console, _data):
        raise EngineUnavailable("broken pipe")

    async with open_world() as world:
        monkeypatch.setattr(FakeAttachment, "send", refuse)
        member = await world.running()
        await trio.sleep(1)
        member.console.send_nowait(b"lost\n")
        await trio.sleep(1)
        with pytest.raises(InputClosed):
            member.console.send_nowait(b"refused\n")
        monkeypatch.undo()
        world.engine._names["s1", Role.SERVER].cut()
        await trio.sleep(2)
        assert await heard(world)


@asynccontextmanager
async def found_running(hold):
    """Yield a daemon that was restarted under a running server, whose console is attached after ``hold``."""
    attaching, journal = trio.Event(), MemoryJournal(virtual_clock())

    async def late(call, moment):
        if call.name == "attach" and moment is Moment.BEFORE and attaching.is_set():
            await trio.sleep(hold)

    async with fake.open_fake_engine(faults=late) as engine:
        async with open_daemon(journal, engine) as world:
            await world.running()
        attaching.set()
        async with open_daemon(journal, engine) as world:
            assert world.state().power_state == "running"
            yield world


async def test_input_after_a_restart_waits_until_the_console_is_attached(autojump_clock):
    async with found_running(3) as world:
        console = world.member().console
        with pytest.raises(InputClosed, match="is not attached"):
            console.send_nowait(b"too early\n")
        console.resize(100, 40)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(console.send, b"one\n")
            await trio.sleep(1)
            assert "one" not in world.console("s1")
        await console.send(b"two\n")
        await trio.sleep(1)
        said = [line for line in world.console("s1") if line.startswith("got: ")]
        assert said == ["got: one", "got: two"]
        assert world.engine.terminal_size("s1") == (100, 40)


async def test_input_is_refused_where_the_console_stays_unattached(autojump_clock):
    async with found_running(1000) as world:
        began = trio.current_time()
        with pytest.raises(InputClosed, match="is not attached"):
            await world.member().console.send(b"one\n")
        assert trio.current_time() - began == INPUT_TIMEOUT
        with pytest.raises(InputClosed, match="is not attached"):
            await world.member().console.send(b"two\n")
        assert trio.current_time() - began == INPUT_TIMEOUT
        assert world.state().power_state == "running"


async def test_input_that_waits_is_refused_when_the_container_ends_meanwhile(autojump_clock):
    async with found_running(1000) as world:
        await world.wait_engine()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def send():
                with pytest.raises(InputClosed, match="is not running"):
                    await world.member().console.send(b"one\n")

            await trio.sleep(1)
            world.engine.exit("s1", 3)
        assert world.state().power_state == "offline"


async def test_input_that_waits_is_not_sent_when_its_sender_leaves(autojump_clock):
    async with found_running(3) as world:
        console = world.member().console
        with trio.move_on_after(1):
            await console.send(b"gone\n")
        await console.send(b"here\n")
        await trio.sleep(1)
        assert [line for line in world.console("s1") if line.startswith("got: ")] == ["got: here"]


async def test_input_that_waits_is_bounded_like_any_other(autojump_clock):
    refused = []

    async def send(console, line):
        try:
            await console.send(line)
        except InputFull as error:
            refused.append(error)

    async with found_running(3) as world:
        async with trio.open_nursery() as nursery:
            for _ in range(INPUTS + 5):
                nursery.start_soon(send, world.member().console, b"a line\n")
        assert len(refused) in (4, 5)  # one may be on its way to the process already


async def test_input_that_nobody_reads_is_bounded_and_a_stop_command_waits_for_room(autojump_clock):
    async with open_world(programs_too={"deaf": deaf}) as world:
        member = await world.running(a_spec(startup_command="deaf", stop=StopPolicy("command", "stop", 60.0)))
        await trio.sleep(1)
        for _ in range(2 * INPUTS):
            with contextlib.suppress(InputFull):
                member.console.send_nowait(b"x" * 10_000 + b"\n")
                await trio.sleep(0.01)
        with pytest.raises(InputFull):
            member.console.send_nowait(b"one more\n")
        await world.tell(messages.Stop())
        assert (await world.wait(Phase.OFFLINE)).exit.code == 0


async def deaf(process, _words):
    """Read nothing for half a minute, then everything until it is told to stop."""
    await process.print("Ready")
    await trio.sleep(30)
    while await process.read_line() != "stop":
        pass
    return 0


async def test_size_that_can_not_be_set_is_set_at_the_next_attachment(autojump_clock):
    async with open_world() as world:

        async def faults(call, _moment):
            if call.name == "resize":
                raise EngineUnavailable("not now")

        world.engine.faults = faults
        await world.running()
        await trio.sleep(1)
        world.engine.faults = fake.no_faults
        world.engine._names["s1", Role.SERVER].cut()
        await trio.sleep(5)
        assert world.engine.terminal_size("s1") == (120, 30)


# Containers behind our back


async def test_running_container_that_someone_removes_has_exited_and_can_be_started_again(autojump_clock):
    async with open_world() as world:
        await world.running()
        world.engine.vanish("s1")
        state = await world.wait(Phase.OFFLINE)
        assert state.engine_id is None
        assert len(exits(world)) == 1
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert world.names()[-4:] == ["StartRequested", "Rebuilt", "Started", "BecameReady"]
        assert await heard(world)


async def test_container_that_someone_removes_while_it_rests_is_built_anew(autojump_clock):
    async with open_world() as world:
        await world.create()
        await world.wait(Phase.OFFLINE)
        world.engine.vanish("s1")
        await trio.sleep(1)
        assert world.state().engine_id is None
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)


async def test_container_whose_removal_nobody_noticed_is_built_anew_at_once(autojump_clock):
    async with open_world() as world:
        await world.create()
        await world.wait(Phase.OFFLINE)
        container = world.engine._names.pop(("s1", Role.SERVER))
        del world.engine._containers[container.engine_id]
        begun = trio.current_time()
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert trio.current_time() - begun < 1
        assert Vanished(container.engine_id) in world.events()
        assert world.console() == ["Ready"]


async def test_container_that_is_removed_as_it_is_started_is_built_anew(autojump_clock):
    async with open_world() as world:
        await world.create()
        await world.wait(Phase.OFFLINE)
        moments = iter(range(1))

        async def faults(call, _moment):
            if call.name == "start" and next(moments, None) is not None:
                world.engine.vanish("s1")

        world.engine.faults = faults
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert world.console() == ["Ready"]


async def test_container_that_is_removed_as_its_console_is_read_again_has_exited(autojump_clock):
    async with open_world() as world:
        await world.running()
        await trio.sleep(1)
        moments = iter(range(1))

        async def faults(call, moment):
            if call.name == "attach" and moment is Moment.AFTER and next(moments, None) is not None:
                world.engine._followers.clear()
                world.engine.vanish("s1")

        world.engine.faults = faults
        world.engine._names["s1", Role.SERVER].cut()
        await world.wait(Phase.OFFLINE)
        assert [event.code for event in exits(world)] == [None]


async def test_removal_during_an_outage_is_noticed_afterwards(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec("s1"))
        await world.create(a_spec("s2"))
        await world.wait(Phase.OFFLINE, "s2")
        world.engine.go_down()
        world.engine.vanish("s1")
        world.engine.vanish("s2")
        await trio.sleep(5)
        world.engine.come_back()
        await world.wait(Phase.OFFLINE, "s1")
        await trio.sleep(5)
        assert world.state("s1").engine_id is None
        assert world.state("s2").engine_id is None


async def test_container_that_someone_started_is_found_running_and_can_be_stopped(autojump_clock):
    async with open_world() as world:
        await world.create()
        await world.wait(Phase.OFFLINE)
        await world.engine.start(world.state().engine_id)
        await world.wait(Phase.RUNNING)
        assert isinstance(world.events()[-2], FoundRunning)
        assert world.console() == ["Ready"]
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)


async def test_life_that_someone_gave_it_and_that_ended_unseen_keeps_no_start_from_happening(
    autojump_clock,
):
    async with open_world() as world:
        await world.create(a_spec(startup_command="crash-looper 3 30"))
        await world.wait(Phase.OFFLINE)
        world.engine.go_down()
        container = world.engine._names["s1", Role.SERVER]
        world.engine._start(container)
        await trio.sleep(40)
        world.engine.come_back()
        await trio.sleep(20)
        assert world.state().phase is Phase.OFFLINE
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert exits(world) == []


async def test_container_that_someone_restarted_has_exited_and_runs(autojump_clock):
    async with open_world() as world:
        await world.running()
        await trio.sleep(1)
        world.engine.go_down(containers_too=True)
        world.engine._start(world.engine._names["s1", Role.SERVER])
        await trio.sleep(1)
        world.engine.come_back()
        await trio.sleep(20)
        assert world.state().run == 2
        assert world.state().phase is Phase.RUNNING
        assert exits(world) == [attrs.evolve(exits(world)[0], run=1, code=None, expected=False)]
        assert await heard(world)


async def test_orphans_of_this_node_are_removed_and_nobody_elses_are_touched(autojump_clock):
    async with fake.open_fake_engine() as engine:
        journal = MemoryJournal(virtual_clock())
        async with open_daemon(journal, engine) as world:
            await world.deleted("orphan")
        await engine.create_server(a_spec("orphan"), 1)
        await engine.start(await engine.create_installer(a_spec("orphan", install_script="sleep 1000"), 1))
        async with open_daemon(journal, engine) as world:
            await world.running(a_spec("s1"))
            stray = await engine.create_installer(a_spec("s1", install_script="sleep 1000"), 7)
            await trio.sleep(2 * fleet_module.RECONCILE_EVERY)
            assert [row.internal_id for row in await engine.list()] == ["s1"]
            assert await engine.inspect(stray) is None
            assert await heard(world)


async def test_containers_that_are_in_no_journal_are_left_alone_and_told_once(autojump_clock, caplog):
    async with fake.open_fake_engine() as engine:
        spec = a_spec("lost", install_script="sleep 1000")
        made = [await engine.create_server(spec, 1), await engine.create_installer(spec, 1)]
        made.append(await engine.create_candidate(spec, 1, ()))
        async with open_daemon(MemoryJournal(virtual_clock()), engine):
            await trio.sleep(3 * fleet_module.RECONCILE_EVERY)
            assert {row.engine_id for row in await engine.list()} == set(made)
        assert caplog.text.count("is in the engine, but not in the journal") == len(made)


async def test_installer_that_may_be_another_daemons_is_left_alone(autojump_clock, monkeypatch):
    """Nothing but the node's name says that it is ours: a version without journal ids made it, whoever's."""
    async with open_world() as world:
        await world.running()
        stray = await world.engine.create_installer(a_spec("s1", install_script="sleep 1000"), 7)
        listed = fake.FakeEngine.list

        async def list_unsure(engine):
            return [attrs.evolve(row, ours=False) for row in await listed(engine)]

        monkeypatch.setattr(fake.FakeEngine, "list", list_unsure)
        await trio.sleep(2 * fleet_module.RECONCILE_EVERY)
        assert await world.engine.inspect(stray) is not None
        assert world.state().phase is Phase.RUNNING


@pytest.mark.parametrize("known", [False, True])
async def test_installer_of_a_journal_that_the_daemon_lost_is_removed(autojump_clock, monkeypatch, known):
    """Also if a container of its id is being installed again."""
    async with open_world() as world:
        spec = a_spec("s1", install_script="sleep 1000")
        if known:
            await world.create(spec)
            await world.wait(Phase.SCRIPTING)
        stray = await world.engine.create_installer(attrs.evolve(spec, internal_id="lost"), 7)
        listed = fake.FakeEngine.list

        async def list_lost(engine):
            rows = [row for row in await listed(engine) if row.engine_id == stray]
            return [attrs.evolve(row, internal_id="s1", ours=False, leftover=True) for row in rows]

        monkeypatch.setattr(fake.FakeEngine, "list", list_lost)
        await trio.sleep(2 * fleet_module.RECONCILE_EVERY)
        assert await world.engine.inspect(stray) is None
        assert not known or world.state().phase is Phase.SCRIPTING


async def test_server_that_runs_and_is_in_no_journal_is_left_alone_after_its_end_too(autojump_clock, caplog):
    async with open_world() as world:
        await world.engine.start(await world.engine.create_server(a_spec("lost"), 1))
        await trio.sleep(fleet_module.RECONCILE_EVERY + 1)
        assert world.engine.running() == ["lost"]
        assert "server of lost (running) is in the engine" in caplog.text
        world.engine.exit("lost", 0)
        await trio.sleep(fleet_module.RECONCILE_EVERY + 1)
        assert [row.internal_id for row in await world.engine.list()] == ["lost"]


async def test_orphan_that_can_not_be_removed_keeps_nobody_waiting(autojump_clock):
    async with open_world() as world:
        await world.deleted("orphan")
        await world.engine.create_server(a_spec("orphan"), 1)

        async def faults(call, _moment):
            if call.name == "remove_orphan":
                raise EngineRefused("removal is in progress")

        world.engine.faults = faults
        await trio.sleep(2 * fleet_module.RECONCILE_EVERY)
        await world.running()
        assert world.fleet.engine_up.value


async def test_removal_that_the_engine_fails_at_shows_its_reason_until_it_is_done(autojump_clock, caplog):
    async with open_world() as world:
        member = await world.create(a_spec("s1"))
        await world.wait(Phase.OFFLINE)
        broken = True

        async def faults(call, _moment):
            if call.name == "remove" and broken:
                raise EngineFault("The engine has a fault: busy")

        world.engine.faults = faults
        await world.tell(messages.Delete())
        await trio.sleep(60)
        assert member.console.trouble == "The engine has a fault: busy (it is tried again)"
        assert (
            list(member.console.notes.tail(100).items).count(
                "Error: The engine has a fault: busy (it is tried again)"
            )
            == 1
        )
        assert caplog.text.count("s1: The engine has a fault") == 1
        assert world.fleet.engine_up.value
        broken = False
        await world.wait_gone()
        assert member.console.trouble == ""


async def test_inspection_that_the_engine_fails_at_is_no_outage(autojump_clock, caplog):
    async with open_world() as world:
        await world.running(a_spec("s1"))

        async def faults(call, _moment):
            if (call.name, call.subject) == ("inspect", "s1"):
                raise EngineFault("The engine has a fault: odd")

        world.engine.faults = faults
        await trio.sleep(3 * fleet_module.RECONCILE_EVERY)
        assert world.fleet.engine_up.value
        assert "the container engine failed for container s1: The engine has a fault: odd" in caplog.text


async def test_notice_about_a_strange_container_is_no_news(autojump_clock):
    async with open_world() as world:
        await world.running()
        before = world.events()
        strange = await world.engine.create_installer(a_spec("s1", install_script="echo hi"), 9)
        await world.engine.start(strange)
        await world.engine.create_server(a_spec("other"), 1)
        world.engine.vanish("other")
        await trio.sleep(5)
        assert world.events() == before


# Restarts of the daemon


async def test_running_server_is_found_again_with_its_console(autojump_clock):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.running()
            before = world.events()
        await trio.sleep(NAP)
        async with open_daemon(journal, engine) as world:
            assert world.state().phase is Phase.RUNNING
            await trio.sleep(5)
            assert await heard(world)
            assert world.events() == before
            assert world.console() == ["Ready", "are you there", "got: are you there"]


async def test_exit_while_the_daemon_was_away_is_found_with_its_code_and_its_last_lines(autojump_clock):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.running(a_spec(startup_command="crash-looper 3 5"))
        await trio.sleep(10)
        begun = trio.current_time()
        async with open_daemon(journal, engine) as world:
            assert (await world.wait(Phase.OFFLINE)).exit.code == 3
            assert trio.current_time() - begun < 0.5
            assert world.console() == ["Ready", "Crashing with 3"]


async def test_stop_goes_on_after_a_restart_of_the_daemon(autojump_clock):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.running(a_spec(startup_command="ignore-sigterm"))
            await world.tell(messages.Stop())
        await trio.sleep(NAP)
        async with open_daemon(journal, engine) as world:
            assert (await world.wait(Phase.OFFLINE)).exit.code == 137
            assert exits(world)[0].expected


async def test_install_script_that_ended_while_the_daemon_was_away_has_its_output_told(autojump_clock):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.create(a_spec(install_script="echo one; sleep 5; echo two"))
            await trio.sleep(1)
        await trio.sleep(10)
        async with open_daemon(journal, engine) as world:
            await world.wait(Phase.OFFLINE)
            assert world.console() == ["one", "two"]
            assert [call.name for call in engine.calls].count("create_installer") == 2
            assert [call.name for call in engine.calls].count("start") == 1


async def test_containers_that_were_deleted_stay_deleted(autojump_clock):
    journal = MemoryJournal(virtual_clock())
    async with fake.open_fake_engine() as engine:
        async with open_daemon(journal, engine) as world:
            await world.create()
            await world.tell(messages.Delete())
            await world.wait_gone()
        await trio.sleep(NAP)
        async with open_daemon(journal, engine) as world:
            assert list(world.fleet) == []
            await world.running()


# Actors that break


def breaking(real, on):
    """``decide`` with a bug that shows in one container, on one kind of message."""

    def decide(state, message):
        if state.spec is not None and state.spec.internal_id == "s1" and isinstance(message, on):
            raise RuntimeError("a bug")
        return real(state, message)

    return decide


async def test_bug_quarantines_its_container_and_the_others_never_notice(autojump_clock, monkeypatch):
    async with open_world() as world:
        await world.running(a_spec("s1"))
        await world.running(a_spec("s2"))
        broken = attrs.evolve(fleet_module.DECIDER, decide=breaking(decider_module.decide, messages.Restart))
        monkeypatch.setattr(fleet_module, "DECIDER", broken)
        await world.create(a_spec("s3"))
        world.fleet._unregister(world.member("s1"))
        world.fleet._register("s1")
        await trio.sleep(1)
        for _ in range(4):
            with pytest.raises(ActorGone):
                await world.tell(messages.Restart())
            await trio.sleep(5)
        assert world.member().handle.quarantined
        with pytest.raises(ActorGone) as gone:
            await world.tell(messages.Stop())
        assert gone.value.quarantined
        assert world.engine.running() == ["s1", "s2"]
        await trio.sleep(2 * fleet_module.RECONCILE_EVERY)
        assert world.engine.running() == ["s1", "s2"]
        assert await heard(world, "s2")
        assert [member.internal_id for member in world.fleet if member.handle.quarantined] == ["s1"]
        assert world.member().handle.revive()
        await trio.sleep(5)
        assert world.state().phase is Phase.RUNNING
        assert await heard(world)
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)


async def test_pattern_that_was_seen_as_the_actor_broke_is_not_forgotten(autojump_clock, monkeypatch):
    async with open_world() as world:
        bugs = iter([RuntimeError("a bug")])
        real = decider_module.decide

        def decide(state, message):
            if isinstance(message, messages.ReadinessReported):
                for bug in bugs:
                    raise bug
            return real(state, message)

        monkeypatch.setattr(fleet_module, "DECIDER", attrs.evolve(fleet_module.DECIDER, decide=decide))
        await world.create(a_spec(startup_command="echo Loading; sleep 1; echo Ready; sleep 1000"))
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert world.console() == ["Loading", "Ready"]


# The journal


@asynccontextmanager
async def open_full_world():
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine() as engine, open_daemon(journal, engine) as world:
        await world.wait_engine()
        yield world


async def test_command_that_can_not_be_recorded_is_refused_and_does_nothing(autojump_clock):
    async with open_full_world() as world:
        await world.running()
        world.journal.full = True
        with pytest.raises(JournalUnavailable):
            await world.tell(messages.Kill())
        await trio.sleep(30)
        assert world.engine.running() == ["s1"]
        world.journal.full = False
        await trio.sleep(30)
        await world.tell(messages.Kill())
        await world.wait(Phase.OFFLINE)


async def test_creation_that_can_not_be_recorded_did_not_happen(autojump_clock):
    async with open_full_world() as world:
        world.journal.full = True
        with pytest.raises(JournalUnavailable):
            await world.create()
        assert world.fleet.get("s1") is None
        world.journal.full = False
        await world.running()


async def test_many_creations_of_one_name_that_can_not_be_recorded_did_not_happen(autojump_clock):
    async with open_full_world() as world:
        world.journal.full = True
        refused = []

        async def create():
            try:
                await world.create()
            except (JournalUnavailable, ActorGone) as trouble:
                refused.append(trouble)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(create)
        assert len(refused) == 3
        assert list(world.fleet) == []
        world.journal.full = False
        await world.running()


async def test_events_during_a_journal_failure_are_recorded_afterwards(autojump_clock):
    async with open_full_world() as world:
        await world.create(a_spec(startup_command="echo Loading; sleep 10; echo Ready; sleep 10; exit 4"))
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        await world.wait(Phase.LOADING)
        world.journal.full = True
        await trio.sleep(15)
        world.journal.full = False
        await world.wait(Phase.RUNNING)
        world.journal.full = True
        await trio.sleep(60)
        assert world.state().phase is Phase.RUNNING
        world.journal.full = False
        assert (await world.wait(Phase.OFFLINE)).exit.code == 4
        assert world.names().count("Exited") == 1
        assert world.console() == ["Loading", "Ready"]


async def test_installation_goes_on_where_the_journal_stopped_it(autojump_clock):
    async with open_full_world() as world:
        await world.create(a_spec(install_script="echo installing; sleep 5"))
        world.journal.full = True
        await trio.sleep(60)
        world.journal.full = False
        await world.wait(Phase.OFFLINE)
        assert world.console() == ["installing"]


async def test_start_that_could_not_be_recorded_in_time_is_not_done_twice(autojump_clock):
    async with open_full_world() as world:

        async def faults(call, moment):
            if call.name == "start" and moment is Moment.AFTER:
                world.journal.full = True

        await world.create(a_spec(startup_command="crash-looper 4 1"))
        await world.wait(Phase.OFFLINE)
        world.engine.faults = faults
        await world.tell(messages.Start())
        await trio.sleep(60)
        world.journal.full = False
        assert (await world.wait(Phase.OFFLINE)).exit.code == 4
        assert [call.name for call in world.engine.calls].count("start") == 1
        assert [type(event) for event in world.events()].count(Started) == 1


# Names of streams


def test_stream_that_holds_no_container_belongs_to_none():
    assert internal_id_of(stream_of("s1")) == "s1"
    assert internal_id_of("portpool") is None


async def test_container_that_is_not_there_is_none(autojump_clock):
    async with open_world() as world:
        assert world.fleet.get("nobody") is None
        member = await world.create()
        with pytest.raises(Rejection):
            await member.handle.ref.ask(messages.Create(a_spec()))


async def test_input_is_written_when_the_call_that_waits_for_it_returns(autojump_clock):
    async with open_world() as world:
        member = await world.running()
        await member.console.write_input(b"one\n", b"two\n")
        await trio.sleep(1)
        assert [line for line in world.console("s1") if line.startswith("got: ")] == ["got: one", "got: two"]


async def fill(console):
    """Fill the stdin of a process that doesn't read, until the next line waits in the queue."""
    for _ in range(20):
        console.send_nowait(b"x" * 10_000 + b"\n")
    await trio.sleep(1)


async def test_input_that_is_not_written_in_time_is_dropped_and_counted(autojump_clock):
    async with open_world(programs_too={"deaf": deaf}) as world:
        console = (await world.running(a_spec(startup_command="deaf"))).console
        await console.write_input(b"first\n")
        await fill(console)
        waiting = len(console._input)
        began = trio.current_time()
        with pytest.raises(InputFull, match=r"does not read its input \(0 of 2 lines were written\)"):
            await console.write_input(b"late\n", b"later\n")
        assert trio.current_time() - began == INPUT_TIMEOUT
        assert len(console._input) == waiting


async def test_line_that_is_being_written_when_the_time_is_over_can_not_be_withdrawn(autojump_clock):
    async with open_world(programs_too={"deaf": deaf}) as world:
        console = (await world.running(a_spec(startup_command="deaf", tty=False))).console
        with pytest.raises(InputFull, match=r"\([1-9] of 20 lines were written\)"):
            await console.write_input(*[b"x" * 10_000 + b"\n"] * 20)
        assert not console._input


async def test_input_that_does_not_fit_is_refused_whole(autojump_clock):
    async with open_world(programs_too={"deaf": deaf}) as world:
        console = (await world.running(a_spec(startup_command="deaf"))).console
        await trio.sleep(1)
        with pytest.raises(InputFull):
            await console.write_input(*[b"x\n"] * (INPUTS + 1))
        assert not console._input


async def test_input_that_waits_fails_with_the_end_of_the_process(autojump_clock):
    async with open_world(programs_too={"deaf": deaf}) as world:
        console = (await world.running(a_spec(startup_command="deaf"))).console
        await fill(console)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def send():
                with pytest.raises(InputClosed, match=r"before the input was written \(0 of 1 lines were\)"):
                    await console.write_input(b"late\n")

            await trio.sleep(1)
            world.engine.exit("s1", 3)


async def test_input_of_a_sender_that_leaves_is_written_nevertheless(autojump_clock):
    async with open_world() as world:
        console = (await world.running()).console
        with trio.move_on_after(0):
            await console.write_input(b"left\n")
        await trio.sleep(1)
        assert "got: left" in world.console("s1")
