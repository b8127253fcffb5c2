"""The container decider against a small model of an engine, in whatever order things happen.

The engine *answers* (a legal end of work that the state wants now), the world *acts* (a process ends,
a container vanishes, somebody starts one by hand), the engine *babbles* (anything it ever said, again, and
anything it might have said of other lives), and the daemon *crashes* and replays.
"""

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from actors.container import effects, events, messages
from actors.container.decider import DECIDER
from actors.container.engine import Snapshot
from actors.container.events import Follow
from actors.container.observations import INTERRUPTED
from actors.container.spec import ContainerSpec, Limits, PortBinding, RestartPolicy
from actors.container.state import PHASES, Phase, Stage
from actors.kernel.decider import Rejection, replay
from tests.support import soak
from tests.support.builders import a_spec

SPEC = a_spec()
SPECS = (
    SPEC,
    attrs.evolve(SPEC, start_pattern="Ready"),
    attrs.evolve(SPEC, start_pattern="Ready", install_script="install"),
    attrs.evolve(SPEC, restart_policy=RestartPolicy("on-crash", max=2)),
    attrs.evolve(SPEC, start_pattern="Ready", restart_policy=RestartPolicy("always", max=1000)),
)
POWER = (messages.Start(), messages.Stop(), messages.Kill(), messages.Restart(), messages.Delete())
PORT = PortBinding("0.0.0.0", 7777, "tcp", 7777)
CHANGES = (
    messages.Reinstall("newer", "install"),
    messages.Reinstall("newest"),
    messages.Reinstall("newest", "install", run_script=False),
    messages.Rebind((PORT,)),
    messages.Rebind(()),
    messages.Edit(image="newer"),
    messages.Edit(image="image", pull="always"),
    messages.Edit(startup_command="other"),
    messages.Edit(limits=Limits(pids=5)),
    messages.Edit(limits=Limits()),
    messages.Edit(restart_policy=RestartPolicy("never")),
)
COMMANDS = (*POWER, *CHANGES)
CODES = st.sampled_from([0, 1, 137])
ASKED_TO_END = events.StopRequested | events.KillRequested


@attrs.define
class ModelEngine:
    """One container by name, and the codes of every life that ended."""

    now: float = 0.0
    made: int = 0
    container: Snapshot | None = None
    spec: ContainerSpec | None = None
    candidate: tuple[Snapshot, ContainerSpec] | None = None
    codes: dict[float, int] = attrs.field(factory=dict)

    def tick(self):
        self.now += 1.0
        return self.now

    def create(self, spec):
        """One that was made from another spec is made anew, as for the last one that was edited."""
        if self.container is None or self.spec != spec:
            self.remove()
            self.made += 1
            self.container, self.spec = Snapshot(f"engine-{self.made}", False), spec
        return self.container.engine_id

    def build(self, spec):
        if self.candidate is None or self.candidate[1] != spec:
            self.made += 1
            self.candidate = (Snapshot(f"engine-{self.made}", False), spec)
        return self.candidate[0].engine_id

    def replace(self, engine_id):
        if self.has(engine_id):
            return True
        if self.candidate is None or self.candidate[0].engine_id != engine_id:
            return False
        self.remove()
        self.container, self.spec = self.candidate
        self.candidate = None
        return True

    def has(self, engine_id):
        return self.container is not None and self.container.engine_id == engine_id

    @property
    def running(self):
        return self.container is not None and self.container.running

    def start(self):
        if self.container is not None and not self.container.running:
            self.container = Snapshot(self.container.engine_id, True, self.tick())

    def exit(self, code):
        if self.running:
            self.codes[self.container.started_at] = code
            self.container = attrs.evolve(
                self.container, running=False, finished_at=self.tick(), exit_code=code, oom_killed=code == 137
            )

    def remove(self):
        self.exit(137)
        self.container = None


class ContainerMachine(RuleBasedStateMachine):
    reports = Bundle("reports")

    def __init__(self):
        super().__init__()
        self.engine = ModelEngine()
        self.state = DECIDER.initial
        self.events = []
        self.start_asked_at = 0.0

    def tell(self, message):
        """Decide and record; what comes back can be told again at any later time."""
        emitted = DECIDER.decide(self.state, message)
        for event in emitted:
            self.check_event(event)
            self.state = DECIDER.evolve(self.state, event)
            self.events.append(event)
            if isinstance(event, events.StartRequested):
                self.start_asked_at = self.engine.tick()
        self.check_follow(emitted)
        return message

    def check_event(self, event):
        assert type(event) in PHASES[self.state.phase].leads
        if isinstance(event, events.Exited):
            mine = [e for e in self.events if getattr(e, "run", None) == event.run]
            assert not any(isinstance(e, events.Exited) for e in mine), "an exit is told once a run"
            asked = any(isinstance(e, ASKED_TO_END) for e in mine)
            assert event.expected == (asked or event.reason == INTERRUPTED)
            lives = [e.started_at for e in self.events if isinstance(e, events.Exited) and e.started_at]
            assert event.started_at not in lives, "a life ends once"
            if event.code is not None:
                assert self.engine.codes[event.started_at] == event.code

    def check_follow(self, emitted):
        if exits := [event for event in emitted if isinstance(event, events.Exited)]:
            asked = [e for e in self.events if isinstance(e, ASKED_TO_END) and e.run == exits[0].run]
            follow = asked[-1].follow if asked else Follow.REST
            assert any(isinstance(e, events.StartRequested) for e in emitted) == (follow is Follow.START)
            scheduled = any(isinstance(e, events.RestartScheduled) for e in emitted)
            assert not scheduled or not exits[0].expected
            restored = any(isinstance(e, events.RestoreScheduled) for e in emitted)
            assert restored == (exits[0].reason == INTERRUPTED)
            assert any(isinstance(e, events.DeletionRequested) for e in emitted) == (follow is Follow.DELETE)

    # Users

    @precondition(lambda self: self.state.stage is Stage.GONE)
    @rule(spec=st.sampled_from(SPECS))
    def create(self, spec):
        self.tell(messages.Create(spec))

    @precondition(lambda self: self.state.stage is not Stage.GONE)
    @rule(command=st.sampled_from(COMMANDS))
    def command(self, command):
        before = self.state
        try:
            self.tell(command)
        except Rejection:
            assert self.state == before

    # The engine answers

    @precondition(lambda self: DECIDER.effects(self.state))
    @rule(target=reports, data=st.data(), fails=st.integers(0, 9).map(lambda n: n == 0), code=CODES)
    def answer(self, data, fails, code):
        wanted = sorted(DECIDER.effects(self.state), key=repr)
        report = self.perform(data.draw(st.sampled_from(wanted)), fails, code)
        return multiple() if report is None else self.tell(report)

    def perform(self, effect, fails, code):
        error = "no" if fails else None
        match effect:
            case effects.EnsureImage():
                return messages.ImageReported(effect.attempt, error)
            case effects.RunInstallScript():
                return messages.ScriptReported(effect.attempt, None if fails else code, error)
            case effects.WaitInstall():
                return messages.InstallTimeElapsed(effect.attempt)
            case effects.CreateInEngine():
                made = None if fails else self.engine.create(effect.spec)
                return messages.CreationReported(effect.attempt, made, error)
            case effects.DiscardInstallation():
                return self.engine.remove()
            case effects.BuildCandidate():
                built = None if fails else self.engine.build(effect.spec)
                return messages.CandidateReported(effect.attempt, built, error)
            case effects.ReplaceInEngine():
                replaced = not fails and self.engine.replace(effect.candidate)
                return messages.ReplacementReported(effect.attempt, None if replaced else "no")
            case effects.DiscardChange():
                self.engine.candidate = None
                return None
            case effects.ApplyLimits():
                return messages.LimitsReported(effect.limits, error)
            case effects.WaitBackoff():
                return messages.BackoffElapsed(effect.run)
            case effects.RemoveFromEngine():
                self.engine.remove()
                self.engine.candidate = None
                return messages.RemovalReported(effect.attempt)
            case effects.WaitGrace():
                return messages.GraceElapsed(effect.run)
        return self.perform_on_process(effect, fails, code)

    def perform_on_process(self, effect, fails, code):
        has = self.engine.has(effect.engine_id)
        match effect:
            case effects.WatchConsole():
                if has and self.engine.running:
                    return messages.ReadinessReported(effect.run)
                if has and self.engine.container.started_at not in (None, self.state.previous):
                    return messages.Inspected(self.engine.container)
                return None if has else messages.AbsenceReported(effect.engine_id)
            case effects.StartInEngine():
                if has and fails:
                    return messages.StartReported(effect.run, error="no")
                if has and (self.engine.container.started_at or 0.0) < self.start_asked_at:
                    self.engine.start()
                return messages.StartReported(effect.run, self.engine.container if has else None)
            case effects.StopInEngine():
                if has and self.engine.running:
                    return self.engine.exit(code) if code else None
            case effects.KillInEngine():
                if has:
                    self.engine.exit(137)
        return messages.EndReported(effect.run, self.engine.container if has else None)

    @precondition(lambda self: self.state.engine_id is not None)
    @rule(target=reports)
    def look(self):
        """A reconcile: what the state claims after it is true."""
        if not self.engine.has(self.state.engine_id):
            report = self.tell(messages.AbsenceReported(self.state.engine_id))
            assert not self.state.traits.up
            return report
        report = self.tell(messages.Inspected(self.engine.container))
        if self.state.phase in (Phase.LOADING, Phase.RUNNING):
            assert self.engine.running
            assert self.state.started_at == self.engine.container.started_at
        if self.state.phase is Phase.OFFLINE:
            assert not self.engine.running
        return report

    # The world acts

    @precondition(lambda self: self.engine.candidate is not None)
    @rule(rarely=st.integers(0, 3))
    def candidate_vanishes(self, rarely):
        if not rarely:
            self.engine.candidate = None

    @precondition(lambda self: self.engine.running)
    @rule(code=CODES)
    def process_ends(self, code):
        self.engine.exit(code)

    @precondition(lambda self: self.engine.running)
    @rule(code=CODES)
    def engine_is_shut_down(self, code):
        self.engine.exit(code)
        self.engine.container = attrs.evolve(self.engine.container, interrupted=True)

    @rule(allowed=st.booleans())
    def restore_is_decided(self, allowed):
        restoring = self.state.phase is Phase.RESTORING
        self.tell(messages.RestoreDecided(self.state.run, allowed))
        if restoring:
            assert self.state.phase in (Phase.STARTING, Phase.OFFLINE, Phase.REPLACING, Phase.REINSTALLING)

    @precondition(lambda self: self.engine.container is not None)
    @rule(rarely=st.integers(0, 3))
    def container_vanishes(self, rarely):
        if not rarely:
            self.engine.remove()

    @precondition(lambda self: self.engine.container is not None and not self.engine.running)
    @rule(rarely=st.integers(0, 3))
    def somebody_starts_it_by_hand(self, rarely):
        if not rarely:
            self.engine.start()

    # The engine babbles

    @rule(report=reports)
    def says_again_what_it_said(self, report):
        self.tell(report)

    @rule(kind=st.sampled_from([messages.GraceElapsed, messages.ReadinessReported]), back=st.integers(1, 3))
    def tells_of_an_earlier_run(self, kind, back):
        before = self.state
        self.tell(kind(self.state.run - back))
        assert self.state == before

    @rule(
        report=st.sampled_from(
            [
                messages.AbsenceReported("other"),
                messages.Inspected(Snapshot("other", True, 1e9)),
                messages.Inspected(Snapshot("other", False, 1e9, 1e9, 1)),
                messages.ImageReported(99),
                messages.ScriptReported(99, 0),
                messages.InstallTimeElapsed(99),
                messages.CreationReported(99, "other"),
                messages.StartReported(99, Snapshot("other", True, 1e9)),
                messages.EndReported(99, None),
                messages.RemovalReported(99),
                messages.CandidateReported(99, "other"),
                messages.ReplacementReported(99),
                messages.LimitsReported(Limits(pids=99)),
                messages.BackoffElapsed(99),
                messages.RestoreDecided(99, allowed=True),
            ]
        )
    )
    def tells_of_something_else(self, report):
        before = self.state
        self.tell(report)
        assert self.state == before

    # The daemon crashes

    @rule()
    def crashes_and_replays(self):
        self.state = replay(DECIDER, DECIDER.initial, self.events)

    @precondition(lambda self: self.state.phase is not Phase.ABSENT)
    @rule()
    def all_work_gets_done(self):
        """However it came here, work that succeeds leads to rest, and rest is true."""
        for _ in range(30):
            work = [
                e
                for e in DECIDER.effects(self.state)
                if not isinstance(e, effects.WatchConsole | effects.WaitInstall)
            ]
            if not work or self.state.phase is Phase.FAILED:
                break
            for effect in sorted(work, key=repr):
                if effect in DECIDER.effects(self.state) and (report := self.perform(effect, False, 0)):
                    self.tell(report)
        assert self.state.phase not in (Phase.STARTING, Phase.STOPPING, Phase.KILLING, Phase.DELETING)
        assert self.state.stage is not Stage.CHANGING
        assert self.state.change is None
        if self.state.engine_id is not None and self.state.phase is not Phase.FAILED:
            self.look()
        if self.state.phase is Phase.DELETED:
            assert self.engine.container is None

    # Always

    @invariant()
    def the_state_is_what_the_events_add_up_to(self):
        assert replay(DECIDER, DECIDER.initial, self.events) == self.state

    @invariant()
    def the_work_belongs_to_this_run_and_this_attempt(self):
        for effect in DECIDER.effects(self.state):
            hash(effect)
            assert getattr(effect, "run", self.state.run) == self.state.run
            assert getattr(effect, "engine_id", self.state.engine_id) == self.state.engine_id
            change = self.state.change
            attempts = (self.state.attempt, self.state.discarded, change and change.attempt)
            assert getattr(effect, "attempt", self.state.attempt) in attempts

    @invariant()
    def the_container_is_the_one_of_its_name_until_it_is_replaced(self):
        if self.state.change is not None and self.state.phase is not Phase.REPLACING:
            assert self.state.change.engine_id is None or self.state.change.engine_id != self.state.engine_id

    @invariant()
    def attempts_are_given_once(self):
        began = (
            events.Created | events.InstallationRepeated | events.ReinstallRequested | events.RebindRequested
        )
        attempts = [event.attempt for event in self.events if isinstance(event, began)]
        assert attempts == list(range(1, len(attempts) + 1))

    @invariant()
    def runs_are_numbered_without_gaps(self):
        kinds = events.StartRequested | events.FoundRunning
        runs = [event.run for event in self.events if isinstance(event, kinds)]
        assert runs == list(range(1, len(runs) + 1))


ContainerMachine.TestCase.settings = settings(
    max_examples=soak.times(100), stateful_step_count=40, deadline=None
)
test_container_is_never_wrong = pytest.mark.soak(ContainerMachine.TestCase)
