"""Random commands over an engine that fails at random, and a daemon that is killed at random.

Once the engine is well again and time has passed, the journal, the directory and the engine agree.
`nox -s soak` tries more schedules than the gate; with ``PYTHONHASHSEED=0`` a seed tells the same story again.
"""

import random

import attrs
import pytest
import trio

from actors.container import events, messages
from actors.container import fleet as fleet_module
from actors.container.decider import DECIDER
from actors.container.engine import EngineUnavailable, Role
from actors.container.fleet import stream_of
from actors.container.observations import INTERRUPTED
from actors.container.spec import Limits, PortBinding, RestartPolicy, StopPolicy
from actors.container.state import Phase, State
from actors.kernel.decider import Rejection, replay
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone
from tests.simulated.world import REST, FullJournal, a_spec, open_daemon, virtual_clock
from tests.support import soak
from tests.support.fake_engine import engine as fake
from tests.support.fake_engine.faults import Moment

SEEDS = soak.times(100)

pytestmark = pytest.mark.soak

NAMES = ("s1", "s2", "s3")
CALLS = frozenset({"create_server", "create_installer", "create_candidate", "replace", "update"})
CALLS |= {"start", "signal", "remove", "remove_orphan"}
"""Calls that go on to their end once they were begun, whoever is cancelled meanwhile."""

PORTS = tuple(PortBinding("0.0.0.0", port, "tcp", port) for port in (7001, 7002))
POWER = (
    messages.Start(),
    messages.Start(),
    messages.Start(),
    messages.Stop(),
    messages.Kill(),
    messages.Restart(),
)
CHANGES = (
    messages.Reinstall(),
    messages.Reinstall(fake.BROKEN_IMAGE),
    messages.Reinstall(fake.RIG_IMAGE, "sleep 4; echo again"),
    messages.Reinstall("no-such:image"),
    messages.Reinstall(install_script="exit 3"),
    messages.Reinstall(install_script="exit 3", run_script=False),
    messages.Rebind(PORTS[:1]),
    messages.Rebind(PORTS[1:]),
    messages.Rebind(()),
    messages.Edit(environment=(("A", "1"),)),
    messages.Edit(image=fake.BROKEN_IMAGE),
    messages.Edit(image=fake.RIG_IMAGE),
    messages.Edit(image=fake.RIG_IMAGE, pull="always"),
    messages.Edit(image="no-such:image", pull="never"),
    messages.Edit(limits=Limits(pids=5)),
    messages.Edit(limits=Limits(memory=2**30)),
)
COMMANDS = (*POWER, *POWER, *CHANGES, messages.Delete(), messages.Delete())
POLICIES = (RestartPolicy(), RestartPolicy("on-crash"), RestartPolicy("always", 5, 30.0))
STARTUPS = (
    "stdin-echo",
    "stdin-echo",
    "ignore-sigterm",
    "crash-looper",
    "memory-hog",
    "prompt",
    "echo Ready",
    "sleep 3",
)
LIGHTD_S = {
    "limits": Limits(),
    "start_pattern": None,
    "stop": StopPolicy(),
    "restart_policy": RestartPolicy(),
    "pull": "missing",
}
"""What a container is asked to be without the engine's part in it, or that the engine changes in place."""

SCRIPTS = (None, None, "echo installing", "sleep 4; echo slowly", "exit 3", "sleep 100")
STOPS = (StopPolicy(), StopPolicy(timeout=0.5), StopPolicy("command", "stop", 3.0))


@attrs.define
class Faults:
    """Each call may be late, fail before or after it did its work, or hang for a minute."""

    dice: random.Random
    failures: float
    delays: float
    longest: float
    on: bool = True

    async def __call__(self, call, moment):
        if not self.on:
            return
        shielded = call.name in CALLS and moment is Moment.BEFORE
        if self.dice.random() < self.delays:
            with trio.CancelScope(shield=shielded):
                await trio.sleep(self.dice.choice([0.0, 0.001, 0.02, self.longest / 10, self.longest]))
        if self.dice.random() < self.failures:
            raise EngineUnavailable("a fault")


@attrs.define
class Schedule:
    """One story: who does what is drawn from ``dice``."""

    dice: random.Random
    journal: FullJournal
    engine: fake.FakeEngine
    world: object = None

    def spec(self, name):
        return a_spec(
            name,
            self.dice.choice(STARTUPS),
            start_pattern=self.dice.choice(["Ready", "Ready", None]),
            install_script=self.dice.choice(SCRIPTS),
            install_timeout=50.0,
            stop=self.dice.choice(STOPS),
            restart_policy=self.dice.choice(POLICIES),
        )

    async def live(self, lives, length):
        """Live through as many lives of the daemon, each ending as ``kill -9`` ends it."""
        for _ in range(lives):
            with trio.move_on_after(self.dice.choice([0.05, 1.0, 5.0, length])):
                async with (
                    open_daemon(self.journal, self.engine) as self.world,
                    trio.open_nursery() as nursery,
                ):
                    for name in NAMES:
                        nursery.start_soon(self.drive, name)
                    await trio.sleep_forever()
            await trio.sleep(self.dice.choice([0.01, 3.0]))

    async def drive(self, name):
        while True:
            await trio.sleep(self.dice.choice([0.0, 0.001, 0.1, 1.0, 3.0, 12.0]))
            with_member = self.world.fleet.get(name)
            try:
                if with_member is None:
                    await self.world.fleet.create(self.spec(name))
                else:
                    await with_member.handle.ref.ask(self.dice.choice(COMMANDS))
            except (Rejection, ActorGone, JournalUnavailable):
                continue

    async def misbehave(self):
        """Let things happen to the engine and its containers that nobody asked for."""
        while True:
            await trio.sleep(self.dice.choice([0.5, 5.0, 20.0]))
            servers = [name for name, role in self.engine._names if role is Role.SERVER]
            match self.dice.randrange(5):
                case 0 if servers:
                    self.engine.exit(self.dice.choice(servers), self.dice.choice([0, 1]))
                case 1 if servers:
                    self.engine.vanish(self.dice.choice(servers))
                case 2:
                    self.engine.go_down(containers_too=self.dice.random() < 0.5)
                    await trio.sleep(self.dice.choice([0.1, 30.0]))
                    self.engine.come_back()
                case 3:
                    self.journal.full = True
                    await trio.sleep(self.dice.choice([0.1, 30.0]))
                    self.journal.full = False


def check_events(name, emitted):
    """Each run ends once, and is expected where its end was asked for."""
    ended = {}
    for event in emitted:
        if isinstance(event, events.Exited):
            assert event.run not in ended, f"{name} exited twice in run {event.run}"
            ended[event.run] = event
            asked = any(
                isinstance(e, events.StopRequested | events.KillRequested) and e.run == event.run
                for e in emitted
            )
            assert event.expected == (asked or event.reason == INTERRUPTED)
    lives = [event.started_at for event in ended.values() if event.started_at is not None]
    assert len(set(lives)) == len(lives), "one life ended twice"


def check_truth(schedule, world):
    """What the journal adds up to is what the directory shows, and that is what the engine has."""
    rows = schedule.engine._names
    assert not [name for name, role in rows if role is not Role.SERVER]
    for name in NAMES:
        emitted = [r.event for r in schedule.journal.records if r.stream == stream_of(name)]
        check_events(name, emitted)
        ended = [record.position for record in schedule.journal.records if is_end_of(name, record)]
        state = attrs.evolve(replay(DECIDER, DECIDER.initial, emitted), ended=max(ended, default=0))
        member = world.fleet.get(name)
        shown = member.state if member is not None else attrs.evolve(State(), phase=state.phase)
        assert shown.phase is state.phase
        row = rows.get((name, Role.SERVER))
        if member is None or state.phase is Phase.FAILED:
            assert row is None, f"{name} is {state.phase} and the engine has it"
            continue
        assert shown == state
        assert state.phase in REST | {Phase.LOADING, Phase.WAITING}, f"{name} rests as {state.phase}"
        if state.engine_id is not None:
            assert row is not None
            assert row.engine_id == state.engine_id
            assert state.outdated or attrs.evolve(row.spec, **LIGHTD_S) == attrs.evolve(
                state.known_spec, **LIGHTD_S
            )
            assert state.outdated or row.limits == state.known_spec.limits
        if state.traits.up:
            assert row.process is not None, f"{name} is {state.phase} and does not run"
            assert row.started_at == state.started_at
        else:
            assert row is None or row.process is None, f"{name} is {state.phase} and runs"
            if row is not None and state.exit is not None and row.started_at == state.started_at:
                assert (state.exit.code, state.exit.at) in ((row.exit_code, row.finished_at), (None, None))


def is_end_of(name, record):
    return record.stream == stream_of(name) and isinstance(record.event, events.Deleted)


async def check_alive(world):
    """What runs is listened to, and everything can be deleted."""
    for member in world.fleet:
        if member.state.phase is Phase.RUNNING and member.state.known_spec.startup_command in (
            "stdin-echo",
            "prompt",
        ):
            member.console.send_nowait(b"are you there\n")
            await trio.sleep(1)
            assert "got: are you there" in "".join(member.console.lines.tail(3).items)
    for member in list(world.fleet):
        await member.handle.ref.ask(messages.Delete())
    await trio.sleep(60)
    assert list(world.fleet) == []
    assert await world.engine.list() == []


async def tell_a_story(seed, *, failures, delays, longest, misbehaving, lives, settling):
    dice = random.Random(seed)
    random.seed(seed)  # the supervisor's jitter
    trio._core._run._r.seed(seed)  # which of two tasks goes first
    faults = Faults(dice, failures, delays, longest)
    journal = FullJournal(virtual_clock())
    async with fake.open_fake_engine(registry=(fake.RIG_IMAGE,), faults=faults) as engine:
        schedule = Schedule(dice, journal, engine)
        with trio.fail_after(100_000):
            async with trio.open_nursery() as nursery:
                if misbehaving:
                    nursery.start_soon(schedule.misbehave)
                await schedule.live(lives, 60.0)
                nursery.cancel_scope.cancel()
            engine.come_back()
            journal.full = False
            async with open_daemon(journal, engine) as world:
                with trio.move_on_after(dice.choice([0.0, 3.0, 15.0])):
                    schedule.world = world
                    async with trio.open_nursery() as nursery:
                        for name in NAMES:
                            nursery.start_soon(schedule.drive, name)
                faults.on = False
                await trio.sleep(settling)
                check_truth(schedule, world)
                await check_alive(world)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_journal_directory_and_engine_agree_after_random_faults(autojump_clock, seed):
    dice = random.Random(seed)
    await tell_a_story(
        seed,
        failures=dice.choice([0.0, 0.02, 0.1, 0.3]),
        delays=dice.choice([0.0, 0.2, 0.7]),
        longest=dice.choice([0.05, 2.0, 60.0]),
        misbehaving=dice.random() < 0.7,
        lives=dice.choice([1, 1, 3]),
        settling=250.0,
    )


@pytest.mark.parametrize("seed", range(SEEDS // 2))
async def test_state_is_true_without_a_reconcile_where_the_engine_is_only_slow(
    autojump_clock, monkeypatch, seed
):
    monkeypatch.setattr(fleet_module, "RECONCILE_EVERY", 1e6)
    await tell_a_story(seed, failures=0.0, delays=0.5, longest=0.5, misbehaving=False, lives=1, settling=70.0)
