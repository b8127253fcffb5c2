"""Each kind of fault at each call to the engine, on each way through a container's life.

``tests/simulated/test_fault_schedules.py`` mixes faults at random; here none is left to chance. A way is gone
once undisturbed, which tells how many calls and reports it takes; then it is gone once for each of them, with
that one faulty. It has to come to the same end, and journal, directory and engine have to agree on it.
"""

from functools import partial

import attrs
import pytest
import trio

from actors.container import events, messages
from actors.container import fleet as fleet_module
from actors.container.engine import EngineUnavailable, Role
from actors.container.performer import Performer
from actors.container.spec import StopPolicy
from actors.container.state import Phase
from tests.simulated.test_fault_schedules import CHANGES, check_truth
from tests.simulated.world import a_spec, open_world
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment

DEADLINE = 60.0
"""Seconds that the engine's answer is waited for."""

GOING = 20.0
"""Seconds that each way takes at most where nothing disturbs it."""

SETTLING = 400.0
STALE = (0.0, 3.0, 100.0)
"""Seconds after which a report is repeated."""

SPEC = a_spec(install_script="echo installing; sleep 1", stop=StopPolicy("command", "stop", 5.0))
SHORT = a_spec(startup_command="echo Ready; exit 4")
STUBBORN = a_spec(startup_command="ignore-sigterm", stop=StopPolicy(timeout=2.0))


# The ways


async def create(world):
    await world.create(SPEC)


async def created(world, spec=SPEC):
    await world.create(spec)
    await world.wait(Phase.OFFLINE)


async def running(world, spec=SPEC):
    await created(world, spec)
    await world.tell(messages.Start())
    await world.wait(Phase.RUNNING)


async def vanished(world):
    await created(world)
    world.engine.vanish("s1")


async def asked(command, world):
    await world.tell(command)


async def crashed(world):
    world.engine.exit("s1", 4)


async def nothing(_world):
    return


@attrs.frozen
class Way:
    """``act`` is done to what ``prepare`` left, and ends in the phase ``goal`` after ``run`` runs."""

    prepare: object
    act: object
    goal: Phase
    run: int
    code: int | None = None


WAYS = {
    "create": Way(nothing, create, Phase.OFFLINE, 0),
    "start": Way(created, partial(asked, messages.Start()), Phase.RUNNING, 1),
    "start of a short life": Way(
        partial(created, spec=SHORT), partial(asked, messages.Start()), Phase.OFFLINE, 1, 4
    ),
    "rebuild": Way(vanished, partial(asked, messages.Start()), Phase.RUNNING, 1),
    "stop": Way(running, partial(asked, messages.Stop()), Phase.OFFLINE, 1, 0),
    "stop in vain": Way(
        partial(running, spec=STUBBORN), partial(asked, messages.Stop()), Phase.OFFLINE, 1, 137
    ),
    "kill": Way(running, partial(asked, messages.Kill()), Phase.OFFLINE, 1, 137),
    "restart": Way(running, partial(asked, messages.Restart()), Phase.RUNNING, 2),
    "crash": Way(running, crashed, Phase.OFFLINE, 1, 4),
    "delete at rest": Way(created, partial(asked, messages.Delete()), Phase.DELETED, 0),
    "delete": Way(running, partial(asked, messages.Delete()), Phase.DELETED, 1),
}


# The faults


@attrs.define(eq=False)
class Calls:
    """Counts the calls since it was armed; ``fault`` happens to that of number ``at``."""

    fault: object = None
    at: int | None = None
    armed: bool = False
    seen: list = attrs.field(factory=list)

    async def __call__(self, call, moment):
        if moment is Moment.BEFORE and self.armed:
            self.seen.append(call)
        if self.at is not None and len(self.seen) == self.at + 1 and self.seen[-1] is call:
            await self.fault(call, moment)


async def raises(_call, moment):
    if moment is Moment.BEFORE:
        raise EngineUnavailable("it can't be reached")


async def hangs(call, moment):
    if moment is Moment.BEFORE:
        with trio.CancelScope(shield=call.name in CHANGES):
            await trio.sleep(DEADLINE)
        raise EngineUnavailable("it took too long")


async def succeeds_and_reports_failure(_call, moment):
    if moment is Moment.AFTER:
        raise EngineUnavailable("the answer was lost")


async def answers_late(call, moment):
    if moment is Moment.AFTER:
        with trio.CancelScope(shield=call.name in CHANGES):
            await trio.sleep(DEADLINE)
        raise EngineUnavailable("it took too long")


async def gone(way, calls):
    """Go ``way`` on a world with these faults, and check its end; return the events of it."""
    async with open_world(faults=calls) as world:
        await way.prepare(world)
        calls.armed = True
        await way.act(world)
        member = world.member()
        await trio.sleep(GOING)
        calls.armed = False
        await trio.sleep(SETTLING)
        check_truth(world, world)
        where = f"{calls.at}: {calls.seen[calls.at] if calls.at is not None else None}"
        state = member.state
        assert (state.phase, state.run) == (way.goal, way.run), where
        if way.code is not None:
            in_vain = "StopTimedOut" in world.names()  # while nobody heard the command
            assert state.exit.code == (137 if in_vain else way.code), where
        printed = [line for line in member.console.lines.tail(100).items if line in ("installing", "Ready")]
        if way.goal is not Phase.DELETED:
            log = b"".join(chunk for _, chunk in world.engine._names["s1", Role.SERVER].log)
            assert log.count(b"Ready") == way.run, where  # it was started as often as it was asked for
        unheard = state.spec is SHORT and "attach" in where  # it has ended before anybody could listen
        runs = 0 if unheard and not printed else way.run
        assert printed == ["installing"] * (state.spec.install_script is not None) + ["Ready"] * runs, where
        if way.goal is Phase.RUNNING:
            world.member().console.send_nowait(b"are you there\n")
            await trio.sleep(1)
            assert "got: are you there" in world.console(), where
        return [event for event in world.events() if not isinstance(event, events.PatternSeen)]


def story(emitted):
    """What happened, without the moments at which it did."""
    return [
        (type(event).__name__, getattr(event, "run", None), getattr(event, "expected", None))
        for event in emitted
        if not isinstance(event, events.Vanished)
    ]


MAY_DIFFER = {
    ("StopTimedOut", 1, None),  # nobody heard of the stop in its time
    ("BecameReady", 1, None),  # nobody knew of its start before it had ended
}


@pytest.mark.parametrize("fault", [raises, hangs, succeeds_and_reports_failure, answers_late])
@pytest.mark.parametrize("name", WAYS)
async def test_fault_at_any_call_changes_nothing_of_the_end(autojump_clock, name, fault):
    undisturbed = Calls()
    whole = story(await gone(WAYS[name], undisturbed))
    assert undisturbed.seen
    for at in range(len(undisturbed.seen)):
        calls = Calls(fault, at)
        found = story(await gone(WAYS[name], calls))
        assert set(found) ^ set(whole) <= MAY_DIFFER, (at, calls.seen[at])
        assert len(found) == len(set(found)), (at, calls.seen[at])


# What is reported twice


@attrs.define(eq=False)
class Reports:
    """Counts what is reported since it was armed, notices and observations; that of ``at`` is repeated."""

    nursery: trio.Nursery
    at: int | None = None
    seen: list = attrs.field(factory=list)

    def repeat(self, report, again):
        self.seen.append(report)
        if len(self.seen) - 1 == self.at:
            for seconds in STALE:
                self.nursery.start_soon(self._repeat, again, seconds)

    async def _repeat(self, again, seconds):
        await trio.sleep(seconds)
        await again()


@pytest.mark.parametrize("name", WAYS)
async def test_report_that_is_repeated_changes_nothing_of_the_end(autojump_clock, monkeypatch, name):
    reports = None
    calls = None
    tell, perform = fake.FakeEngine._tell, Performer.__call__

    def tell_again(engine, action, container):
        tell(engine, action, container)

        async def again():
            tell(engine, action, container)

        if calls.armed:
            reports.repeat(action, again)

    async def perform_again(performer, effect, ref):
        observation = await perform(performer, effect, ref)
        if observation is not None and calls.armed:
            reports.repeat(observation, partial(ref.tell, observation))
        return observation

    class Repeating(Performer):
        __call__ = perform_again

    monkeypatch.setattr(fake.FakeEngine, "_tell", tell_again)
    monkeypatch.setattr(fleet_module, "Performer", Repeating)

    async def once(at):
        nonlocal reports, calls
        async with trio.open_nursery() as nursery:
            reports, calls = Reports(nursery, at), Calls()
            found = story(await gone(WAYS[name], calls))
            nursery.cancel_scope.cancel()
        return found

    whole = await once(None)
    expected = len(reports.seen)
    assert expected
    for at in range(expected):
        assert await once(at) == whole, reports.seen[at]
