"""Reinstalling and rebinding a whole container, its engine failing at every step."""

import attrs
import pytest
import trio

from actors.container import messages
from actors.container.engine import EngineRefused, EngineUnavailable, Role
from actors.container.fleet import INSPECTIONS
from actors.container.spec import Limits, PortBinding, StopPolicy
from actors.container.state import Phase
from actors.kernel.decider import Rejection
from tests.simulated.world import a_spec, open_daemon, open_world, virtual_clock
from tests.support.doubles.memory import MemoryJournal
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment

OLD = PortBinding("0.0.0.0", 25565, "tcp", 25565)
NEW = attrs.evolve(OLD, port=25566)
SPEC = a_spec(ports=(OLD,), install_script="echo installing", stop=StopPolicy("command", "stop", 5.0))
NAP = 0.01
REGISTRY = {"registry": ("newer:1",)}
SIGHT = frozenset({"list", "notices", "sample"})
CAN_BE_REFUSED = frozenset(
    {"ensure_image", "create_installer", "create_candidate", "replace", "start", "signal", "remove"}
)


async def settled(world):
    with trio.fail_after(10_000):
        await world.member().wait_until(lambda view: view.state.change is None)
    return world.state()


async def test_other_ports_come_with_a_restart_and_everything_else_is_kept(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        before = world.state()
        await world.tell(messages.Rebind((NEW,)))
        state = await settled(world)
        await world.wait(Phase.RUNNING)
        assert state.known_spec == attrs.evolve(SPEC, ports=(NEW,))
        assert state.engine_id != before.engine_id
        assert world.engine.running() == ["s1"]
        assert [row.engine_id for row in await world.engine.list()] == [state.engine_id]
        assert world.console().count("Ready") == 2


async def test_reinstallation_runs_the_script_of_the_new_image_and_rests(autojump_clock):
    async with open_world(**REGISTRY) as world:
        await world.running(SPEC)
        await world.tell(messages.Reinstall("newer:1", "echo again"))
        state = await settled(world)
        assert (state.phase, state.known_spec.image, state.error) == (Phase.OFFLINE, "newer:1", None)
        assert "again" in world.console()
        assert [row.role for row in await world.engine.list()] == [Role.SERVER]
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)


async def test_server_runs_on_while_the_new_image_is_pulled_and_when_there_is_none(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        before = world.state()
        await world.tell(messages.Reinstall("no-such:image"))
        state = await settled(world)
        assert state == attrs.evolve(before, error="There is no image no-such:image", attempts=2, discarded=2)
        assert world.engine.running() == ["s1"]
        assert "Exited" not in world.names()


async def test_taken_port_leaves_the_server_running(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        world.engine.bound.add((25566, "tcp"))
        await world.tell(messages.Rebind((NEW,)))
        state = await settled(world)
        assert (state.phase, state.known_spec, state.error) == (
            Phase.RUNNING,
            SPEC,
            "Port 25566/tcp is in use on the host",
        )
        await trio.sleep(1)
        assert [row.role for row in await world.engine.list()] == [Role.SERVER]


async def test_failing_install_script_leaves_the_old_container_to_be_started(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        before = world.state().engine_id
        await world.tell(messages.Reinstall(install_script="exit 9"))
        state = await settled(world)
        assert (state.phase, state.engine_id, state.known_spec) == (Phase.OFFLINE, before, SPEC)
        assert state.error == "the install script ended with exit code 9"
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert world.engine._names["s1", Role.SERVER].engine_id == before


async def test_hanging_script_of_a_reinstallation_is_ended_by_its_time(autojump_clock):
    async with open_world() as world:
        await world.running(attrs.evolve(SPEC, install_timeout=50.0))
        await world.tell(messages.Reinstall(install_script="sleep 1000"))
        state = await settled(world)
        assert state.error == "the install script took longer than 50 seconds"
        await trio.sleep(10)
        assert [row.role for row in await world.engine.list()] == [Role.SERVER]


@pytest.mark.parametrize("command", [messages.Stop(), messages.Kill()])
async def test_stop_cancels_a_pull_under_way(autojump_clock, command):
    async with open_world(**REGISTRY) as world:
        world.engine.pull_seconds = 1000.0
        await world.running(SPEC)
        await world.tell(messages.Reinstall("newer:1"))
        await trio.sleep(1)
        await world.tell(command)
        await world.wait(Phase.OFFLINE)
        assert world.state().error == "cancelled on request"
        assert "newer:1" not in world.engine.images
        assert world.state().known_spec == SPEC


async def test_engine_that_is_gone_is_waited_for_and_the_change_goes_on(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        world.engine.go_down()
        await world.tell(messages.Rebind((NEW,)))
        await trio.sleep(30)
        assert world.state().change is not None
        world.engine.come_back()
        assert (await settled(world)).known_spec.ports == (NEW,)
        await world.wait(Phase.RUNNING)


COMMANDS = [
    messages.Rebind((NEW,)),
    messages.Reinstall("newer:1", "echo again"),
    messages.Reinstall("newer:1", "echo again", run_script=False, pull="always"),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("fault", [EngineUnavailable, EngineRefused, None])
async def test_server_is_the_old_one_or_the_new_one_whatever_call_fails(
    autojump_clock, command, moment, fault
):
    """The nth call fails, is done and fails, or the daemon dies there; each end is a whole server."""
    for nth in range(100):
        if not await change_with_a_fault(command, moment, fault, nth):
            assert nth > 3
            return
    raise AssertionError("it never ends")


async def change_with_a_fault(command, moment, fault, nth):
    """Return false where the change made fewer calls than ``nth``."""
    struck, killed = [], trio.CancelScope()
    journal = MemoryJournal(virtual_clock())

    async def faults(call, when):
        if not armed or when is not moment or call.name in SIGHT:
            return
        if fault is EngineRefused and call.name not in CAN_BE_REFUSED:
            return
        armed.append(call.name)
        if len(armed) == nth + 2:
            struck.append(call.name)
            if fault is None:
                killed.cancel()
                await trio.lowlevel.checkpoint()
            else:
                raise fault("a fault")

    armed = []
    async with fake.open_fake_engine(**REGISTRY, faults=faults) as engine:
        with killed:
            async with open_daemon(journal, engine) as world:
                await world.wait_engine()
                await world.running(SPEC)
                armed.append("go")
                await world.tell(command)
                await settled(world)
                await trio.sleep(100)
        armed.clear()
        await trio.sleep(NAP)
        async with open_daemon(journal, engine) as world:
            await world.wait_engine()
            state = await settled(world)
            await trio.sleep(100)
            state = world.state()
            where = f"the {nth}th call, {struck}"
            changed = attrs.evolve(SPEC, ports=(NEW,))
            if isinstance(command, messages.Reinstall):
                changed = attrs.evolve(
                    SPEC, image="newer:1", install_script="echo again", pull=command.pull or "missing"
                )
            assert state.known_spec in (SPEC, changed), where
            (row,) = await engine.list()
            assert row.role is Role.SERVER, where
            assert state.phase in (Phase.OFFLINE, Phase.RUNNING), where
            assert row.running is (state.phase is Phase.RUNNING), where
            if (
                state.engine_id is not None
            ):  # else the engine did what it refused, and the next start heals it
                assert row.engine_id == state.engine_id, where
                assert engine._names["s1", Role.SERVER].spec == state.known_spec, where
            await world.tell(messages.Start())
            await world.wait(Phase.RUNNING)
            assert engine._names["s1", Role.SERVER].spec == world.state().known_spec, where
            assert len(await engine.list()) == 1, where
    return bool(struck)


# Another image at the next start


EDITED = messages.Edit(image="newer:1")


async def reimaged(world, command=EDITED, spec=SPEC):
    """Change the image of a server that runs, and restart it; return its state before that."""
    await world.running(spec)
    before = world.state()
    await world.tell(command)
    assert world.state().engine_id == before.engine_id
    assert world.engine.running() == ["s1"]
    await world.tell(messages.Restart())
    return before


def made(world):
    return world.engine._names["s1", Role.SERVER]


async def test_image_comes_with_the_next_start_and_the_install_script_is_not_run(autojump_clock):
    async with open_world(**REGISTRY) as world:
        before = await reimaged(world)
        await world.wait(Phase.STARTING)
        state = await world.wait(Phase.RUNNING)
        assert state.engine_id not in (None, before.engine_id)
        assert made(world).spec == attrs.evolve(SPEC, image="newer:1") == state.known_spec
        assert world.console().count("installing") == 1
        assert len(await world.engine.list()) == 1


async def test_image_that_can_not_be_pulled_fails_the_start_and_keeps_the_old_container(autojump_clock):
    async with open_world() as world:
        before = await reimaged(world)
        await world.wait(Phase.STARTING)
        state = await world.wait(Phase.OFFLINE)
        assert state.error == "There is no image newer:1"
        assert [row.engine_id for row in await world.engine.list()] == [before.engine_id]
        await world.tell(messages.Edit(image=SPEC.image))
        await world.tell(messages.Start())
        assert (await world.wait(Phase.RUNNING)).engine_id == before.engine_id


async def test_image_without_a_shell_fails_the_start_and_the_former_one_starts_again(autojump_clock):
    async with open_world() as world:
        await reimaged(world, messages.Edit(image=fake.BROKEN_IMAGE))
        await world.wait(Phase.STARTING)
        assert (await world.wait(Phase.OFFLINE)).exit.code == 127
        await world.tell(messages.Edit(image=SPEC.image))
        await world.tell(messages.Start())
        assert (await world.wait(Phase.RUNNING)).known_spec == SPEC


async def test_image_that_is_missing_and_never_pulled_fails_the_start(autojump_clock):
    async with open_world(**REGISTRY) as world:
        await reimaged(world, messages.Edit(image="newer:1", pull="never"))
        await world.wait(Phase.STARTING)
        state = await world.wait(Phase.OFFLINE)
        assert state.error == "The image newer:1 is missing, and its pull policy is never"


@pytest.mark.parametrize(("pull", "build"), [("missing", 0), ("always", 1)])
async def test_moved_tag_is_pulled_again_if_the_policy_is_always(autojump_clock, pull, build):
    spec = attrs.evolve(SPEC, image="newer:1")
    async with open_world(**REGISTRY) as world:
        await world.running(spec)
        world.engine.builds["newer:1"] = 1
        await world.tell(messages.Edit(image="newer:1", pull=pull))
        await world.tell(messages.Restart())
        await world.member().wait_until(lambda view: view.state.run == 2)
        await world.wait(Phase.RUNNING)
        assert made(world).build == build
        await world.tell(messages.Reinstall(run_script=False))
        await settled(world)
        assert made(world).build == build
        assert world.console().count("installing") == 1


async def test_container_that_vanishes_while_its_image_is_changed_is_created_again(autojump_clock):
    async with open_world(**REGISTRY) as world:
        gone = []

        async def faults(call, moment):
            if (
                call.name == "create_server"
                and moment is Moment.AFTER
                and world.state().run == 2
                and not gone
            ):
                gone.append(made(world).engine_id)
                world.engine.vanish("s1")

        world.engine.faults = faults
        await reimaged(world)
        await world.wait(Phase.STARTING)
        state = await world.wait(Phase.RUNNING)
        assert gone not in ([], [state.engine_id])
        assert made(world).spec.image == "newer:1"


async def test_failed_script_is_not_run_by_a_reinstallation_that_is_told_so(autojump_clock):
    async with open_world() as world:
        await world.create(attrs.evolve(SPEC, install_script="exit 9"))
        await world.wait(Phase.FAILED)
        await world.tell(messages.Reinstall(run_script=False))
        assert (await world.wait(Phase.OFFLINE)).known_spec.install_script == "exit 9"
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)


async def test_candidate_that_vanishes_before_its_turn_leaves_the_old_container(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)

        async def faults(call, moment):
            if call.name == "replace" and moment is Moment.BEFORE:
                world.engine._remove(world.engine._names["s1", Role.CANDIDATE])

        world.engine.faults = faults
        await world.tell(messages.Rebind((NEW,)))
        state = await settled(world)
        assert (state.phase, state.known_spec) == (Phase.OFFLINE, SPEC)
        assert state.error == "the new container was removed outside lightd"


async def test_candidate_that_nobody_wants_is_removed_and_the_server_never(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        await world.engine.create_candidate(attrs.evolve(SPEC, ports=(NEW,)), 1, ())
        await world.fleet.reconcile()
        assert [row.role for row in await world.engine.list()] == [Role.SERVER]
        assert world.engine.running() == ["s1"]


async def test_candidate_that_somebody_came_to_want_while_its_removal_waited_is_left(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        left = await world.engine.create_candidate(attrs.evolve(SPEC, ports=(NEW,)), 1, ())
        async with trio.open_nursery() as nursery:
            for _ in range(INSPECTIONS):
                await world.fleet._inspections.acquire_on_behalf_of(object())
            borrowers = list(world.fleet._inspections.statistics().borrowers)
            nursery.start_soon(world.fleet.reconcile)
            await trio.sleep(1)
            await world.tell(messages.Rebind((NEW,)))
            for borrower in borrowers:
                world.fleet._inspections.release_on_behalf_of(borrower)
        state = await settled(world)
        assert state.engine_id == left
        await world.wait(Phase.RUNNING)
        assert world.engine.running() == ["s1"]


async def test_list_that_is_older_than_a_replacement_does_not_cost_the_server(autojump_clock):
    """The engine is listed, then the candidate becomes the server, then the list is gone through."""
    async with open_world() as world:
        await world.running(SPEC)
        listing = trio.Event()

        async def faults(call, moment):
            if call.name == "list" and moment is Moment.AFTER:
                listing.set()
                await settled(world)
                await world.wait(Phase.RUNNING)
            if call.name == "replace" and moment is Moment.BEFORE and not listing.is_set():
                world.fleet._nursery.start_soon(world.fleet.reconcile)
                await listing.wait()

        world.engine.faults = faults
        await world.tell(messages.Rebind((NEW,)))
        await settled(world)
        await trio.sleep(1)
        world.engine.faults = fake.no_faults
        assert world.engine.running() == ["s1"]
        assert world.state().phase is Phase.RUNNING


async def test_edited_command_is_what_the_next_start_runs(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        before = world.state().engine_id
        await world.tell(messages.Edit(startup_command="echo edited; sleep 100", start_pattern=""))
        assert world.engine.running() == ["s1"]
        await world.tell(messages.Restart())
        await world.member().wait_until(lambda view: view.state.run == 2)
        await world.wait(Phase.RUNNING)
        await trio.sleep(1)
        assert "edited" in world.console()
        assert world.state().engine_id != before
        assert len(await world.engine.list()) == 1


async def test_new_limits_hold_for_the_running_container(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        await world.tell(messages.Edit(limits=Limits(memory=2**30, pids=7)))
        await world.member().wait_until(lambda view: view.state.limits_before is None)
        assert world.engine._names["s1", Role.SERVER].limits == Limits(memory=2**30, pids=7)


async def test_limits_that_can_not_be_had_are_taken_back(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        await world.tell(messages.Edit(limits=Limits(memory=1)))
        await world.member().wait_until(lambda view: view.state.limits_before is None)
        assert world.state().known_spec.limits == Limits()
        assert world.names()[-1] == "LimitsRefused"


async def test_limits_wait_for_an_engine_that_is_down_and_nothing_else_may_come_between(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        world.engine.go_down()
        await world.tell(messages.Edit(limits=Limits(pids=7)))
        with pytest.raises(Rejection, match="limits of container s1 are being changed"):
            await world.tell(messages.Rebind((NEW,)))
        world.engine.come_back()
        await world.member().wait_until(lambda view: view.state.limits_before is None)
        assert world.names()[-1] == "LimitsApplied"


async def test_limits_of_a_container_that_vanished_are_those_of_the_next(autojump_clock):
    async with open_world() as world:
        await world.create(SPEC)
        await world.wait(Phase.OFFLINE)

        async def faults(call, moment):
            if call.name == "update" and moment is Moment.BEFORE:
                world.engine.vanish("s1")

        world.engine.faults = faults
        await world.tell(messages.Edit(limits=Limits(pids=7)))
        await world.member().wait_until(lambda view: view.state.limits_before is None)
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        assert world.engine._names["s1", Role.SERVER].limits == Limits(pids=7)


async def test_start_right_after_a_cancelled_script_finds_nothing_of_it(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        await world.tell(messages.Reinstall(install_script="sleep 1000"))
        await world.wait(Phase.REINSTALLING)
        await trio.sleep(1)
        assert Role.INSTALLER in [row.role for row in await world.engine.list()]

        async def faults(call, moment):
            if call.name == "remove" and moment is Moment.BEFORE:
                await trio.sleep(NAP)

        world.engine.faults = faults
        await world.tell(messages.Stop())
        await world.tell(messages.Start())
        await world.wait(Phase.RUNNING)
        await trio.sleep(1)
        assert [row.role for row in await world.engine.list()] == [Role.SERVER]


async def test_port_that_only_leads_elsewhere_is_not_taken_for_somebody_elses(autojump_clock):
    async with open_world() as world:
        await world.running(SPEC)
        inward = attrs.evolve(OLD, container_port=25575)
        await world.tell(messages.Rebind((inward,)))
        assert (await settled(world)).known_spec.ports == (inward,)


async def test_reinstallation_that_waits_for_its_image_leaves_no_cancelled_script_running(autojump_clock):
    async with open_world(**REGISTRY) as world:
        world.engine.pull_seconds = 1000.0
        await world.running(SPEC)
        await world.tell(messages.Reinstall(install_script="sleep 1000"))
        await world.wait(Phase.REINSTALLING)
        await trio.sleep(1)

        async def faults(call, moment):
            if call.name == "remove" and moment is Moment.BEFORE:
                await trio.sleep(NAP)

        world.engine.faults = faults
        await world.tell(messages.Stop())
        await world.tell(messages.Reinstall("newer:1"))
        await trio.sleep(1)
        assert [row.role for row in await world.engine.list()] == [Role.SERVER]
        assert (await settled(world)).known_spec.image == "newer:1"
