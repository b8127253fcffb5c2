"""The state of a container, the properties of its phases, and the table of its transitions.

Rules:

1. ``PHASES`` has an entry for every phase: its public names, its stage, and ``leads``, the events that can
   be recorded in it with the phase that each one leads to. An event that is not listed can't be recorded.
   What holds for several phases (``up``, ``stage``) is read from this table and listed nowhere else.
2. A phase is what lightd knows and has requested, not what Docker does: in ``STARTING`` a start was
   requested, in ``LOADING`` the process is known to run, in ``STOPPING`` its end was requested, in
   ``KILLING`` it is killed; in ``WAITING`` the process has crashed and is started again after a delay.
3. A run is identified by the moment its process started, on the engine's clock. ``started_at`` is None from
   ``StartRequested`` until that moment is known, and ``previous`` is that of the run before it: so a report
   about an earlier life of the same engine container is told from one about this life.
4. A change (a reinstallation, or other ports) is prepared while the process runs; the process is stopped only
   once the preparation is complete. The old container is the container until ``Replaced``.
5. ``state`` and ``install_state`` of the API are derived from the phase and stored nowhere.
"""

from enum import Enum
from types import MappingProxyType
from typing import Literal, assert_never

import attrs

from actors.container import events
from actors.container.events import Follow
from actors.container.spec import ContainerSpec, Limits, PortBinding


class Phase(Enum):
    """The phase of a container in its life."""

    ABSENT = "absent"
    PULLING = "pulling"
    SCRIPTING = "scripting"
    CREATING = "creating"
    FAILED = "failed"
    OFFLINE = "offline"
    WAITING = "waiting"
    RESTORING = "restoring"
    STARTING = "starting"
    LOADING = "loading"
    RUNNING = "running"
    STOPPING = "stopping"
    KILLING = "killing"
    REINSTALLING = "reinstalling"
    BUILDING = "building"
    REPLACING = "replacing"
    DELETING = "deleting"
    DELETED = "deleted"


PowerState = Literal["offline", "starting", "running", "stopping"]
InstallState = Literal["installing", "ready", "failed"]
StateFrame = Literal["installing", "ready", "failed", "starting", "running", "stopping", "exit", "deleted"]
Row = dict[type[object], Phase]


class Stage(Enum):
    """What a phase is about."""

    GONE = "there is no container"
    INSTALLING = "its first installation is under way"
    FAILED = "its installation failed"
    DOWN = "the process is down and can be started"
    STARTING = "a start was requested and is not confirmed"
    UP = "the process runs"
    ENDING = "the process runs and was asked to end"
    CHANGING = "the process is down while the container is replaced"
    DELETING = "it is being removed"


class Outcome(Enum):
    """What a command that waits in a phase has come to, where nothing more follows by itself."""

    UP = "up"
    DOWN = "down"
    CRASHED = "crashed"
    GONE = "gone"


@attrs.frozen
class Traits:
    """The properties of a phase.

    ``power`` and ``install`` are the ``state`` and ``install_state`` of the API, ``frame`` is what a new
    WebSocket client is sent. ``outcome`` is None while something is under way. ``leads`` is the table of
    transitions: the phase after each event that can be recorded.
    """

    stage: Stage
    power: PowerState
    install: InstallState
    frame: StateFrame
    outcome: Outcome | None
    leads: Row

    @property
    def up(self) -> bool:
        """The process is known to run."""
        return self.stage in (Stage.UP, Stage.ENDING)

    @property
    def in_run(self) -> bool:
        """A run has begun, and its end is not recorded."""
        return self.up or self.stage is Stage.STARTING


@attrs.frozen
class Exit:
    """How the last run ended. ``code`` is None if it is unknown, ``at`` is in Unix seconds.

    ``crashed`` is true if the end was not requested.
    """

    code: int | None
    oom_killed: bool
    at: float | None
    crashed: bool = False


class Kind(Enum):
    """The kind of a change."""

    REINSTALL = "reinstall"
    REBIND = "rebind"


@attrs.frozen
class Change:
    """The replacement of a container by one with ``spec``.

    ``installation`` is the attempt in which its volume is installed. ``image_ensured`` and ``engine_id`` are
    its progress; with ``resume`` the process is started afterwards. Without ``run_script`` a reinstallation
    does not run the install script.
    """

    kind: Kind
    attempt: int
    installation: int
    spec: ContainerSpec
    image_ensured: bool = False
    engine_id: str | None = None
    resume: bool = False
    run_script: bool = True

    @property
    def prepared(self) -> bool:
        """True if the next step needs the process to be down."""
        return self.image_ensured if self.kind is Kind.REINSTALL else self.engine_id is not None


@attrs.frozen
class State:
    """The recorded state of one container.

    ``attempt`` is the last installation, ``attempts`` the last number given to an installation or a change;
    ``discarded`` is a failed or cancelled change that may have left something in the engine. ``pattern`` and
    ``texts`` are the start pattern and the start texts of this run. ``restarts`` are the times of the crashes
    in a row that led to a restart. ``run_script`` is false while an installation is repeated without its
    install script.
    ``outdated`` is true if the engine's container must be created again for an edit; ``limits_before`` are
    the limits in effect until the new ones are applied. ``ended`` is the position at which the previous
    container of the same id was deleted, 0 if there was none.
    """

    phase: Phase = Phase.ABSENT
    spec: ContainerSpec | None = None
    attempt: int = 0
    attempts: int = 0
    engine_id: str | None = None
    run: int = 0
    started_at: float | None = None
    previous: float | None = None
    pattern: str | None = None
    pattern_seen: bool = False
    follow: Follow = Follow.REST
    exit: Exit | None = None
    error: str | None = None
    restarts: tuple[float, ...] = ()
    change: Change | None = None
    discarded: int | None = None
    outdated: bool = False
    limits_before: Limits | None = None
    ended: int = 0
    run_script: bool = True
    texts: tuple[str, ...] = ()

    @property
    def known_spec(self) -> ContainerSpec:
        """The spec, in every phase but ``ABSENT``."""
        assert self.spec is not None, "an absent container has no spec"  # noqa: S101 - see PHASES
        return self.spec

    @property
    def known_change(self) -> Change:
        """The change, in every phase that has one."""
        assert self.change is not None, "no change is under way"  # noqa: S101 - see PHASES
        return self.change

    @property
    def traits(self) -> Traits:
        """The properties of the phase."""
        return PHASES[self.phase]

    @property
    def stage(self) -> Stage:
        """What the phase is about."""
        return PHASES[self.phase].stage

    @property
    def claimed(self) -> tuple[PortBinding, ...]:
        """The ports that it uses or is about to use."""
        if self.spec is None or self.stage in (Stage.FAILED, Stage.GONE):
            return ()
        return self.spec.ports if self.change is None else (*self.spec.ports, *self.change.spec.ports)

    @property
    def installing(self) -> int | None:
        """The attempt whose install script runs or is about to, None if none does."""
        if self.phase is Phase.REINSTALLING:
            return self.known_change.attempt
        return self.attempt if self.phase is Phase.SCRIPTING else None

    @property
    def install_state(self) -> InstallState:
        """The ``install_state`` of the API."""
        if self.stage is Stage.CHANGING and self.known_change.kind is Kind.REBIND:
            return "ready"
        if self.stage is Stage.DELETING and self.engine_id is None and not self.run:
            return "failed"  # it was never installed
        return self.traits.install

    @property
    def power_state(self) -> PowerState:
        """The ``state`` of the API."""
        return self.traits.power


_ENDING: Row = {
    events.StopRequested: Phase.STOPPING,
    events.KillRequested: Phase.KILLING,
}
_BUILDING: Row = {
    events.InstallationFailed: Phase.FAILED,
    events.DeletionRequested: Phase.DELETING,
}
_CHANGING: Row = {
    events.ChangeAbandoned: Phase.OFFLINE,
    events.DeletionRequested: Phase.DELETING,
}


def _beside(phase: Phase) -> Row:
    """Return what can happen independently of the process, and does not change the phase."""
    return {
        events.ReinstallRequested: phase,
        events.RebindRequested: phase,
        events.NewImageEnsured: phase,
        events.CandidateBuilt: phase,
        events.ChangeFailed: phase,
        events.Edited: phase,
        events.LimitsApplied: phase,
        events.LimitsRefused: phase,
        events.HintGiven: phase,
    }


def _due(phase: Phase) -> Row:
    """Return what can happen while the process is down and is about to be started again."""
    return {
        **_beside(phase),
        events.ReinstallBegan: Phase.REINSTALLING,
        events.ReplacementBegan: Phase.REPLACING,
        events.StartRequested: Phase.STARTING,
        events.FoundRunning: Phase.LOADING,
        events.Vanished: phase,
        events.RestartCalledOff: Phase.OFFLINE,
        events.DeletionRequested: Phase.DELETING,
    }


def _to_traits(phase: Phase) -> Traits:
    """Return the entry of ``phase``; a ``match``, so that a phase without one fails type checking."""
    match phase:
        case Phase.ABSENT:
            leads: Row = {events.Created: Phase.PULLING, events.Adopted: Phase.OFFLINE}
            return Traits(Stage.GONE, "offline", "ready", "deleted", Outcome.GONE, leads)
        case Phase.PULLING:
            leads = {events.ImageEnsured: Phase.SCRIPTING, **_BUILDING}
            return Traits(Stage.INSTALLING, "offline", "installing", "installing", None, leads)
        case Phase.SCRIPTING:
            leads = {events.ScriptFinished: Phase.CREATING, **_BUILDING}
            return Traits(Stage.INSTALLING, "offline", "installing", "installing", None, leads)
        case Phase.CREATING:
            leads = {events.Installed: Phase.OFFLINE, **_BUILDING}
            return Traits(Stage.INSTALLING, "offline", "installing", "installing", None, leads)
        case Phase.FAILED:
            leads = {
                events.InstallationRepeated: Phase.PULLING,
                events.Edited: Phase.FAILED,
                events.DeletionRequested: Phase.DELETING,
            }
            return Traits(Stage.FAILED, "offline", "failed", "failed", Outcome.DOWN, leads)
        case Phase.OFFLINE:
            leads = {
                **_beside(Phase.OFFLINE),
                events.ReinstallBegan: Phase.REINSTALLING,
                events.ReplacementBegan: Phase.REPLACING,
                events.StartRequested: Phase.STARTING,
                events.FoundRunning: Phase.LOADING,
                events.Vanished: Phase.OFFLINE,
                events.RestartScheduled: Phase.WAITING,
                events.RestartsGivenUp: Phase.OFFLINE,
                events.RestoreScheduled: Phase.RESTORING,
                events.DeletionRequested: Phase.DELETING,
            }
            return Traits(Stage.DOWN, "offline", "ready", "ready", Outcome.DOWN, leads)
        case Phase.WAITING:
            return Traits(Stage.DOWN, "offline", "ready", "ready", Outcome.CRASHED, _due(Phase.WAITING))
        case Phase.RESTORING:
            return Traits(Stage.DOWN, "offline", "ready", "ready", None, _due(Phase.RESTORING))
        case Phase.STARTING:
            leads = {
                **_beside(Phase.STARTING),
                events.Vanished: Phase.STARTING,
                events.Rebuilt: Phase.STARTING,
                events.PatternSeen: Phase.STARTING,
                events.Started: Phase.LOADING,
                events.StartFailed: Phase.OFFLINE,
                **_ENDING,
            }
            return Traits(Stage.STARTING, "starting", "ready", "starting", None, leads)
        case Phase.LOADING:
            leads = {
                **_beside(Phase.LOADING),
                events.BecameReady: Phase.RUNNING,
                events.Exited: Phase.OFFLINE,
                **_ENDING,
            }
            return Traits(Stage.UP, "starting", "ready", "starting", None, leads)
        case Phase.RUNNING:
            leads = {**_beside(Phase.RUNNING), events.Exited: Phase.OFFLINE, **_ENDING}
            return Traits(Stage.UP, "running", "ready", "running", Outcome.UP, leads)
        case Phase.STOPPING:
            leads = {
                **_beside(Phase.STOPPING),
                events.StopTimedOut: Phase.KILLING,
                events.Exited: Phase.OFFLINE,
                **_ENDING,
            }
            return Traits(Stage.ENDING, "stopping", "ready", "stopping", None, leads)
        case Phase.KILLING:
            leads = {
                **_beside(Phase.KILLING),
                events.KillRequested: Phase.KILLING,
                events.Exited: Phase.OFFLINE,
            }
            return Traits(Stage.ENDING, "stopping", "ready", "stopping", None, leads)
        case Phase.REINSTALLING:
            leads = {events.NewScriptFinished: Phase.BUILDING, **_CHANGING}
            return Traits(Stage.CHANGING, "offline", "installing", "installing", None, leads)
        case Phase.BUILDING:
            leads = {events.CandidateBuilt: Phase.REPLACING, **_CHANGING}
            return Traits(Stage.CHANGING, "offline", "installing", "installing", None, leads)
        case Phase.REPLACING:
            leads = {
                events.ResumptionDecided: Phase.REPLACING,
                events.Replaced: Phase.OFFLINE,
                **_CHANGING,
            }
            return Traits(Stage.CHANGING, "offline", "installing", "ready", None, leads)
        case Phase.DELETING:
            leads = {events.Deleted: Phase.DELETED}
            return Traits(Stage.DELETING, "offline", "ready", "stopping", None, leads)
        case Phase.DELETED:
            leads = {events.Created: Phase.PULLING, events.Adopted: Phase.OFFLINE}
            return Traits(Stage.GONE, "offline", "ready", "deleted", Outcome.GONE, leads)
    assert_never(phase)


PHASES = MappingProxyType({phase: _to_traits(phase) for phase in Phase})
"""The properties of every phase."""
