"""One container's life: installation, start, stop, exit, deletion, each way that it can go."""

import attrs
import pytest
import trio

from actors.container import events, messages
from actors.container.console.follower import RESIZE_INTERVAL
from actors.container.engine import Role
from actors.container.events import Deleted, Exited, Follow
from actors.container.spec import PortBinding, StopPolicy
from actors.container.state import Exit, Phase
from actors.kernel.decider import Rejection
from tests.simulated.world import a_spec, open_world
from tests.support.fake_engine import engine
from tests.support.fake_engine.faults import Moment

SLOW = 30.0


def slowly(*names, seconds=SLOW):
    """Faults that make the calls of these names slow; they are not called back once they were begun."""

    async def faults(call, moment):
        if call.name in names and moment is Moment.BEFORE:
            with trio.CancelScope(shield=True):
                await trio.sleep(seconds)

    return faults


def answering_slowly(*names, seconds=SLOW):
    """Faults that do the work of these calls at once, and answer late."""

    async def faults(call, moment):
        if call.name in names and moment is Moment.AFTER:
            with trio.CancelScope(shield=True):
                await trio.sleep(seconds)

    return faults


def calls(world, name):
    return [call for call in world.engine.calls if call.name == name]


def exits(world):
    return [event for event in world.events() if isinstance(event, Exited)]


async def test_container_lives_its_whole_life(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(install_script="echo installing"))
        world.member().console.send_nowait(b"hello\n")
        await trio.sleep(1)
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        assert "got: hello" in world.console()
        assert "installing" in world.console()
        await world.tell(messages.Delete())
        await world.wait_gone()
        assert world.events()[-1] == Deleted()
        assert await world.engine.list() == []


# Installation


async def test_image_that_is_absent_is_pulled_and_the_pull_is_told(autojump_clock):
    async with open_world(images=[], registry=[engine.RIG_IMAGE]) as world:
        member = await world.create()
        await world.wait(Phase.OFFLINE)
        assert list(member.console.notes.tail(10).items) == [
            f"Pulling {engine.RIG_IMAGE}",
            f"Pulled {engine.RIG_IMAGE}",
        ]


async def test_missing_image_fails_the_installation(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(image="no-such:image"))
        state = await world.wait(Phase.FAILED)
        assert state.error == "There is no image no-such:image"
        with pytest.raises(Rejection, match="There is no image"):
            await world.tell(messages.Start())


async def test_pull_is_cancelled_by_a_stop(autojump_clock):
    async with open_world(images=[], registry=[engine.RIG_IMAGE]) as world:
        world.engine.pull_seconds = 1000.0
        await world.create()
        await trio.sleep(5)
        await world.tell(messages.Stop())
        assert world.state().phase is Phase.FAILED
        await trio.sleep(2000)
        assert world.engine.images == set()
        assert world.events()[-1] == events.InstallationFailed(1, "cancelled", "cancelled on request")


async def test_install_script_runs_to_its_end_with_its_output_on_the_console(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(install_script="echo one; sleep 5; echo two"))
        await world.wait(Phase.OFFLINE)
        assert world.console() == ["one", "two"]
        assert [row.internal_id for row in await world.engine.list()] == ["s1"]


async def test_install_script_that_fails_leaves_nothing_behind(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(install_script="echo oh; exit 3"))
        state = await world.wait(Phase.FAILED)
        assert state.error == "the install script ended with exit code 3"
        assert world.console() == ["oh"]
        await trio.sleep(1)
        assert await world.engine.list() == []


async def test_install_script_that_is_killed_for_what_it_wrote_says_so(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(install_script="echo begun; sleep 100"))
        await trio.sleep(1)
        installer = world.engine._names["s1", Role.INSTALLER]
        installer.killed_for = "it wrote too much"
        world.engine._end(installer, installer.process, 137)
        assert (await world.wait(Phase.FAILED)).error == "it wrote too much"


async def test_install_script_that_hangs_is_ended_in_time(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(install_script="echo begun; sleep 100000", install_timeout=60.0))
        begun = trio.current_time()
        state = await world.wait(Phase.FAILED)
        assert state.error == "the install script took longer than 60 seconds"
        assert trio.current_time() - begun == pytest.approx(60, abs=1)
        await trio.sleep(1)
        assert await world.engine.list() == []


async def test_install_container_that_someone_removes_fails_the_installation(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(install_script="sleep 100"))
        await trio.sleep(1)
        (row,) = await world.engine.list()
        await world.engine.remove_orphan(row.engine_id)
        state = await world.wait(Phase.FAILED)
        assert state.error == "the install container was removed outside lightd"


async def test_install_script_that_can_not_be_run_fails_the_installation(autojump_clock):
    async with open_world() as world:
        world.engine.faults = slowly("create_installer")
        await world.create(a_spec(install_script="echo hi"))
        await trio.sleep(1)
        world.engine.images.clear()
        state = await world.wait(Phase.FAILED)
        assert state.error == f"There is no image {engine.RIG_IMAGE}"


async def test_container_that_can_not_be_made_fails_the_installation(autojump_clock):
    async with open_world() as world:
        world.engine.faults = slowly("create_server")
        await world.create()
        await trio.sleep(1)
        world.engine.images.clear()
        state = await world.wait(Phase.FAILED)
        assert state.error == f"There is no image {engine.RIG_IMAGE}"


async def test_install_script_is_read_on_where_its_stream_was_cut(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(install_script="echo one; sleep 20; echo two; sleep 20; echo three"))
        await trio.sleep(5)
        world.engine.go_down()
        await trio.sleep(20)
        world.engine.come_back()
        await world.wait(Phase.OFFLINE)
        assert world.console() == ["one", "two", "three"]


INSTALL_STEPS = ["ensure_image", "create_installer", "inspect", "attach", "start", "remove", "create_server"]


@pytest.mark.parametrize(
    "command", [messages.Stop(), messages.Kill(), messages.Delete()], ids=lambda c: type(c).__name__
)
@pytest.mark.parametrize("answer", [slowly, answering_slowly], ids=lambda f: f.__name__)
@pytest.mark.parametrize("step", INSTALL_STEPS)
@pytest.mark.parametrize("moment", [0, 1])
async def test_installation_that_is_called_off_at_any_step_leaves_nothing_behind(
    autojump_clock, moment, step, answer, command
):
    async with open_world() as world:
        world.engine.faults = answer(step)
        await world.create(a_spec(install_script="echo one; sleep 1000"))
        await trio.sleep(1 + SLOW * moment)
        await world.tell(command)
        if isinstance(command, messages.Delete):
            await world.wait_gone()
        else:
            assert world.state().phase is Phase.FAILED
        await trio.sleep(5 * SLOW)
        assert await world.engine.list() == []
        assert "Installed" not in world.names()


# Starting


async def test_container_without_a_pattern_is_running_at_once(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="sleep 1000", start_pattern=None))
        assert world.names()[-2:] == ["Started", "BecameReady"]


async def test_pattern_is_waited_for(autojump_clock):
    async with open_world() as world:
        await world.create(a_spec(startup_command="echo Loading; sleep 60; echo Ready; sleep 1000"))
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        await trio.sleep(59)
        assert world.state().power_state == "starting"
        await trio.sleep(2)
        assert world.state().power_state == "running"


async def test_pattern_is_seen_in_an_unfinished_line_and_through_its_colours(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="prompt", start_pattern="^100%Ready>|^Ready> $"))
        await trio.sleep(1)
        assert "Ready> " not in world.console()


async def test_pattern_that_is_seen_before_the_start_is_confirmed_counts(autojump_clock):
    async with open_world() as world:
        world.engine.faults = answering_slowly("start")
        await world.running()
        assert world.names()[-3:] == ["PatternSeen", "Started", "BecameReady"]


async def test_process_that_ends_before_its_start_is_confirmed_has_crashed_with_its_code(autojump_clock):
    async with open_world() as world:
        world.engine.faults = answering_slowly("start")
        await world.create(a_spec(startup_command="echo Ready; exit 7"))
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        state = await world.wait(Phase.OFFLINE)
        assert attrs.astuple(state.exit)[:2] == (7, False)
        assert world.names()[-4:] == ["StartRequested", "PatternSeen", "Started", "Exited"]


async def test_exit_that_overtakes_the_confirmation_of_its_start_is_not_lost(autojump_clock):
    """The engine saw it run, answered late, and meanwhile everybody else had seen it dead."""
    async with open_world() as world:
        begun = []

        async def faults(call, moment):
            if call.name == "start" and moment is Moment.AFTER:
                begun.append(call)
            if call.name == "inspect" and moment is Moment.AFTER and len(begun) == 1:
                begun.append(call)
                await trio.sleep(20)

        await world.create(a_spec(startup_command="echo Ready; sleep 1; exit 7"))
        await world.wait(Phase.OFFLINE)
        world.engine.faults = faults
        await world.tell(messages.Start())
        await trio.sleep(25)
        assert world.state().phase is Phase.OFFLINE
        assert world.state().exit.code == 7


async def test_start_that_the_engine_refuses_says_why(autojump_clock):
    async with open_world() as world:
        world.engine.bound.add((25565, "tcp"))
        await world.create(a_spec(ports=(PortBinding("0.0.0.0", 25565, "tcp", 25565),)))
        await world.wait(Phase.OFFLINE)
        await world.tell(messages.Start())
        state = await world.wait(Phase.OFFLINE)
        assert state.error == "Port 25565/tcp is in use on the host"
        world.engine.bound.clear()
        await world.tell(messages.Start())
        assert (await world.wait(Phase.RUNNING)).error is None


async def test_repeating_what_is_already_true_changes_nothing(autojump_clock):
    async with open_world() as world:
        await world.running()
        before = world.events()
        await world.tell(messages.Start())
        assert world.events() == before
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        before = world.events()
        await world.tell(messages.Stop())
        await world.tell(messages.Kill())
        assert world.events() == before


async def test_each_run_has_a_console_of_its_own_and_the_lines_go_on(autojump_clock):
    async with open_world() as world:
        await world.running()
        await world.tell(messages.Restart())
        await trio.sleep(1)
        await world.wait(Phase.RUNNING)
        assert world.console() == ["Ready", "Ready"]
        assert len(exits(world)) == 1


# Stopping


async def test_stop_by_command_is_heard_by_the_process(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(stop=StopPolicy("command", "stop", 30.0)))
        await world.tell(messages.Stop())
        state = await world.wait(Phase.OFFLINE)
        assert attrs.astuple(state.exit)[:2] == (0, False)
        assert world.console()[-1] == "Stopping"
        assert exits(world)[0].expected


async def test_stop_command_waits_for_a_console_that_was_cut(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(stop=StopPolicy("command", "stop", 30.0)))
        world.engine.go_down()
        await trio.sleep(0.05)
        await world.tell(messages.Stop())
        await trio.sleep(5)
        world.engine.come_back()
        assert (await world.wait(Phase.OFFLINE)).exit.code == 0


async def test_stop_by_signal_ends_with_its_code(autojump_clock):
    async with open_world() as world:
        await world.running()
        await world.tell(messages.Stop())
        assert (await world.wait(Phase.OFFLINE)).exit.code == 143
        assert exits(world)[0].expected


async def test_stop_that_is_ignored_becomes_a_kill_after_its_time(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="ignore-sigterm", stop=StopPolicy(timeout=10.0)))
        begun = trio.current_time()
        await world.tell(messages.Stop())
        state = await world.wait(Phase.OFFLINE)
        assert state.exit.code == 137
        assert trio.current_time() - begun == pytest.approx(10, abs=0.5)
        assert world.names()[-3:] == ["StopRequested", "StopTimedOut", "Exited"]
        assert exits(world)[0].expected


async def test_signal_that_the_engine_refuses_is_told_and_the_kill_comes_in_time(autojump_clock):
    async with open_world() as world:
        member = await world.running(a_spec(startup_command="ignore-sigterm"))

        async def faults(call, moment):
            if call.name == "signal" and member.state.phase is not Phase.KILLING:
                raise engine.engine.EngineRefused("no such signal")

        world.engine.faults = faults
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        assert "Error: no such signal" in member.console.notes.tail(10).items


async def test_kill_is_not_kept_waiting_by_a_slow_stop(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="ignore-sigterm", stop=StopPolicy(timeout=600.0)))
        await world.tell(messages.Stop())
        await trio.sleep(5)
        begun = trio.current_time()
        await world.tell(messages.Kill())
        assert (await world.wait(Phase.OFFLINE)).exit.code == 137
        assert trio.current_time() - begun < 1


async def test_kill_is_repeated_where_it_got_lost(autojump_clock):
    async with open_world() as world:
        await world.running()
        process = world.engine._names["s1", Role.SERVER].process
        tries = []
        process.on_signal("SIGKILL", lambda: tries.append("lost"))
        await world.tell(messages.Kill())
        await trio.sleep(1)
        del process._handlers["SIGKILL"]
        await world.wait(Phase.OFFLINE)
        assert tries == ["lost"]
        assert world.state().exit.code == 137


async def test_restart_is_a_stop_and_a_start(autojump_clock):
    async with open_world() as world:
        await world.running()
        await world.tell(messages.Restart())
        await world.wait(Phase.STARTING)
        state = await world.wait(Phase.RUNNING)
        assert state.run == 2
        assert [event.expected for event in exits(world)] == [True]


async def test_stop_during_a_restart_ends_in_rest(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="ignore-sigterm"))
        await world.tell(messages.Restart())
        await trio.sleep(1)
        await world.tell(messages.Stop())
        await world.wait(Phase.OFFLINE)
        await trio.sleep(100)
        assert world.state().phase is Phase.OFFLINE


async def test_start_during_a_stop_starts_again_afterwards(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="ignore-sigterm"))
        await world.tell(messages.Stop())
        await trio.sleep(1)
        await world.tell(messages.Start())
        assert (await world.wait(Phase.RUNNING)).run == 2


# Commands that meet a start under way


@pytest.mark.parametrize("answer", [slowly, answering_slowly], ids=lambda f: f.__name__)
@pytest.mark.parametrize("step", ["attach", "inspect", "start", "resize"])
@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()], ids=lambda c: type(c).__name__)
async def test_start_that_is_called_off_ends_in_rest_however_slow_the_engine_is(
    autojump_clock, command, step, answer
):
    async with open_world() as world:
        await world.create()
        await world.wait(Phase.OFFLINE)
        world.engine.faults = answer(step)
        await world.tell(messages.Start())
        await trio.sleep(1)
        await world.tell(command)
        await world.wait(Phase.OFFLINE)
        await trio.sleep(10 * SLOW)
        assert world.state().phase is Phase.OFFLINE
        assert world.engine.running() == []
        assert [event.expected for event in exits(world)] == [True]
        world.engine.faults = engine.no_faults
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)


@pytest.mark.parametrize("answer", [slowly, answering_slowly], ids=lambda f: f.__name__)
@pytest.mark.parametrize("step", ["attach", "inspect", "start", "remove"])
async def test_container_that_is_deleted_while_it_starts_never_comes_back(autojump_clock, step, answer):
    async with open_world() as world:
        await world.create()
        await world.wait(Phase.OFFLINE)
        world.engine.faults = answer(step)
        await world.tell(messages.Start())
        await trio.sleep(1)
        await world.tell(messages.Delete())
        await world.wait_gone()
        await trio.sleep(10 * SLOW)
        assert await world.engine.list() == []
        assert world.events()[-1] == Deleted()


async def test_start_that_was_called_off_before_it_happened_takes_no_time(autojump_clock):
    async with open_world() as world:
        await world.create()
        await world.wait(Phase.OFFLINE)
        world.engine.faults = slowly("attach", seconds=5.0)
        await world.tell(messages.Start())
        await world.tell(messages.Kill())
        begun = trio.current_time()
        await world.wait(Phase.OFFLINE)
        assert trio.current_time() - begun < 0.1
        assert exits(world) == [Exited(1, None, False, True, None, None)]
        await trio.sleep(60)
        assert calls(world, "start") == []


async def test_restart_while_it_starts_changes_nothing(autojump_clock):
    async with open_world() as world:
        await world.create()
        await world.wait(Phase.OFFLINE)
        world.engine.faults = slowly("start")
        await world.tell(messages.Start())
        await trio.sleep(1)
        await world.tell(messages.Restart())
        assert (await world.wait(Phase.RUNNING)).run == 1


# Exits


async def test_exit_that_nobody_asked_for_is_a_crash(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="crash-looper 3 5"))
        state = await world.wait(Phase.OFFLINE)
        assert isinstance(state.exit, Exit)
        assert state.exit.code == 3
        assert [event.expected for event in exits(world)] == [False]


async def test_last_lines_come_before_the_exit_is_recorded(autojump_clock):
    async with open_world() as world:
        member = await world.running(a_spec(startup_command="crash-looper 3 5"))
        seen = []
        await member.wait_until(
            lambda view: view.state.phase is Phase.OFFLINE and not seen.append(world.console())
        )
        assert seen[0] == ["Ready", "Crashing with 3"]


async def test_unfinished_last_line_is_told_at_the_end(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="prompt"))
        await world.tell(messages.Kill())
        await world.wait(Phase.OFFLINE)
        assert world.console()[-1].endswith("Ready\x1b[0m> ")


async def test_process_that_ran_out_of_memory_is_told_apart(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="memory-hog"))
        state = await world.wait(Phase.OFFLINE)
        assert (state.exit.code, state.exit.oom_killed) == (137, True)


async def test_exit_is_dated_by_the_engine(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="crash-looper 3 5"))
        state = await world.wait(Phase.OFFLINE)
        assert state.exit.at - state.started_at == pytest.approx(5, abs=0.01)


# Deletion


async def test_delete_while_running_stops_with_the_configured_stop_first(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(stop=StopPolicy("command", "stop", 30.0)))
        await world.tell(messages.Delete())
        await world.wait_gone()
        assert await world.engine.list() == []
        assert world.events()[-4:] == [
            events.StopRequested(1, Follow.DELETE),
            *exits(world),
            events.DeletionRequested(),
            Deleted(),
        ]
        assert exits(world)[0].code == 0


async def test_kill_hurries_a_deletion(autojump_clock):
    async with open_world() as world:
        await world.running(a_spec(startup_command="ignore-sigterm", stop=StopPolicy(timeout=600.0)))
        await world.tell(messages.Delete())
        with pytest.raises(Rejection, match="is being deleted"):
            await world.tell(messages.Start())
        begun = trio.current_time()
        await world.tell(messages.Kill())
        await world.wait_gone()
        assert trio.current_time() - begun < 1


async def test_removal_that_the_engine_refuses_is_told_and_tried_again(autojump_clock):
    async with open_world() as world:
        member = await world.create()
        await world.wait(Phase.OFFLINE)
        refusals = [engine.engine.EngineRefused("device busy")] * 2

        async def faults(call, _moment):
            if call.name == "remove" and refusals:
                raise refusals.pop()

        world.engine.faults = faults
        await world.tell(messages.Delete())
        await world.wait_gone()
        assert list(member.console.notes.tail(10).items) == ["Error: device busy"] * 2
        assert await world.engine.list() == []


async def test_name_can_be_used_again_after_its_deletion(autojump_clock):
    async with open_world() as world:
        await world.running()
        await world.tell(messages.Delete())
        await world.wait_gone()
        await world.running(a_spec(startup_command="prompt"))
        assert (world.state().attempt, world.state().run) == (2, 2)
        assert [row.internal_id for row in await world.engine.list()] == ["s1"]


async def test_name_that_is_taken_is_refused(autojump_clock):
    async with open_world() as world:
        await world.create()
        with pytest.raises(Rejection, match="exists already"):
            await world.create()
        assert world.names().count("Created") == 1


async def test_creation_whose_asker_went_away_is_whole_or_did_not_happen(autojump_clock):
    async with open_world() as world:
        with trio.CancelScope() as scope:
            scope.cancel()
            await world.fleet.create(a_spec())
        await trio.sleep(1)
        assert world.state().phase is Phase.OFFLINE
        assert [member.internal_id for member in world.fleet] == ["s1"]


# The terminal


async def test_terminal_has_a_size_from_the_start_and_keeps_the_one_it_was_given(autojump_clock):
    async with open_world() as world:
        member = await world.running()
        await trio.sleep(1)
        assert world.engine.terminal_size("s1") == (120, 30)
        member.console.resize(80, 24)
        await trio.sleep(1)
        assert world.engine.terminal_size("s1") == (80, 24)
        await world.tell(messages.Restart())
        await trio.sleep(1)
        assert world.engine.terminal_size("s1") == (80, 24)


async def test_terminal_that_is_resized_without_end_costs_the_engine_few_calls(autojump_clock):
    async with open_world() as world:
        member = await world.running()
        await trio.sleep(1)
        before = len(calls(world, "resize"))
        for number in range(1000):
            member.console.resize(80 + number % 7, 24)
            await trio.sleep(0.001)
        member.console.resize(99, 24)
        await trio.sleep(1)
        assert world.engine.terminal_size("s1") == (99, 24)
        assert len(calls(world, "resize")) - before <= 1 / RESIZE_INTERVAL + 3


async def test_size_that_is_given_while_another_is_being_set_is_not_lost(autojump_clock):
    async with open_world() as world:
        member = await world.running()
        world.engine.faults = slowly("resize", seconds=1.0)
        member.console.resize(80, 24)
        await trio.sleep(0.5)
        member.console.resize(132, 43)
        await trio.sleep(5)
        assert world.engine.terminal_size("s1") == (132, 43)
