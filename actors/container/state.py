"""The state of a container, and the table of all that can happen to it.

The constitution:

1. ``TRANSITIONS`` has a row for every phase, the empty ones too, and an event leads from a phase to exactly
   one phase. What is not in the table can't be recorded.
2. A phase says what lightd knows and wants, not what Docker does: ``STARTING`` has asked for a start,
   ``LOADING`` knows that the process runs, ``STOPPING`` has asked for its end, ``KILLING`` insists on it;
   ``WAITING`` is at rest after a crash until the process is started again.
3. A run is known by the moment that its process started, on the engine's clock. ``started_at`` is None from
   ``StartRequested`` until that moment is known, and ``previous`` is the one of the run before it: so a
   report about an earlier life of the same engine container is told from one about this life.
4. A change (a reinstallation, other ports) is got ready beside whatever the process does, and takes the
   process down only once it is. The old container is the container until ``Replaced``.
5. ``state`` and ``install_state`` of the API are derived here and stored nowhere. The words of WebSocket
   frames are derived from events, in the HTTP layer.
"""

from enum import Enum
from types import MappingProxyType

import attrs

from actors.container import events
from actors.container.events import Follow
from actors.container.spec import ContainerSpec, Limits, PortBinding


class Phase(Enum):
    """Where a container stands."""

    ABSENT = "absent"
    PULLING = "pulling"
    SCRIPTING = "scripting"
    CREATING = "creating"
    FAILED = "failed"
    OFFLINE = "offline"
    WAITING = "waiting"
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


INSTALLING = frozenset({Phase.PULLING, Phase.SCRIPTING, Phase.CREATING})
UP = frozenset({Phase.LOADING, Phase.RUNNING, Phase.STOPPING, Phase.KILLING})
CHANGING = frozenset({Phase.REINSTALLING, Phase.BUILDING, Phase.REPLACING})
GONE = frozenset({Phase.ABSENT, Phase.DELETED})


@attrs.frozen
class Exit:
    """How the last run ended. ``code`` is None where nobody can tell, ``at`` is Unix seconds.

    ``crashed`` is true where nobody had asked for it.
    """

    code: int | None
    oom_killed: bool
    at: float | None
    crashed: bool = False


class Kind(Enum):
    """What a change is."""

    REINSTALL = "reinstall"
    REBIND = "rebind"


@attrs.frozen
class Change:
    """A container that is being made anew, as ``spec``.

    ``installation`` is the attempt that its volume is installed in. ``image_ensured`` and ``engine_id`` say
    how far it is, ``resume`` whether the process is started once it is done.
    """

    kind: Kind
    attempt: int
    installation: int
    spec: ContainerSpec
    image_ensured: bool = False
    engine_id: str | None = None
    resume: bool = False

    @property
    def prepared(self) -> bool:
        """True where nothing more can be done while the process runs."""
        return self.image_ensured if self.kind is Kind.REINSTALL else self.engine_id is not None


@attrs.frozen
class State:
    """All that is known of one container.

    ``attempt`` is the last installation, ``attempts`` the last number that was given to one or to a change;
    ``discarded`` is a change that came to nothing and may have left something in the engine. ``pattern`` is
    the start pattern of this run. ``restarts`` are the moments of the crashes, since it was last healthy,
    after which it is started again. ``outdated`` is true where the engine's container must be made anew for
    what was edited, ``limits_before`` are those that hold until the new ones are applied. ``ended`` is the
    position at which the container before it, of the same id, was deleted; 0 where there was none.
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

    @property
    def asked(self) -> ContainerSpec:
        """The spec, where there is one: everywhere but in ``ABSENT``."""
        assert self.spec is not None, "a container that is absent was not asked for"  # noqa: S101 - TRANSITIONS
        return self.spec

    @property
    def changing(self) -> Change:
        """The change, where there is one: in every phase of one."""
        assert self.change is not None, "no change is under way"  # noqa: S101 - TRANSITIONS
        return self.change

    @property
    def claimed(self) -> tuple[PortBinding, ...]:
        """The ports that it has, or is about to have."""
        if self.spec is None or self.phase in (Phase.FAILED, *GONE):
            return ()
        return self.spec.ports if self.change is None else (*self.spec.ports, *self.change.spec.ports)

    @property
    def install_state(self) -> str:
        """``installing``, ``ready`` or ``failed``, as the outside calls it."""
        if self.phase in INSTALLING:
            return "installing"
        if self.phase in CHANGING and self.changing.kind is Kind.REINSTALL:
            return "installing"
        never = self.phase is Phase.DELETING and self.engine_id is None and not self.run
        return "failed" if self.phase is Phase.FAILED or never else "ready"

    @property
    def power_state(self) -> str:
        """``offline``, ``starting``, ``running`` or ``stopping``, as the outside calls it."""
        return _POWER.get(self.phase, "offline")


_POWER = MappingProxyType(
    {
        Phase.STARTING: "starting",
        Phase.LOADING: "starting",
        Phase.RUNNING: "running",
        Phase.STOPPING: "stopping",
        Phase.KILLING: "stopping",
    }
)

Row = dict[type[object], Phase]

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
    """Return what can happen beside whatever the process does, and leads nowhere else."""
    return {
        events.ReinstallRequested: phase,
        events.RebindRequested: phase,
        events.NewImageEnsured: phase,
        events.CandidateBuilt: phase,
        events.ChangeFailed: phase,
        events.Edited: phase,
        events.LimitsApplied: phase,
        events.LimitsRefused: phase,
    }


TRANSITIONS: MappingProxyType[Phase, Row] = MappingProxyType(
    {
        Phase.ABSENT: {events.Created: Phase.PULLING},
        Phase.PULLING: {events.ImageEnsured: Phase.SCRIPTING, **_BUILDING},
        Phase.SCRIPTING: {events.ScriptFinished: Phase.CREATING, **_BUILDING},
        Phase.CREATING: {events.Installed: Phase.OFFLINE, **_BUILDING},
        Phase.FAILED: {
            events.InstallationRepeated: Phase.PULLING,
            events.Edited: Phase.FAILED,
            events.DeletionRequested: Phase.DELETING,
        },
        Phase.OFFLINE: {
            **_beside(Phase.OFFLINE),
            events.ReinstallBegan: Phase.REINSTALLING,
            events.ReplacementBegan: Phase.REPLACING,
            events.StartRequested: Phase.STARTING,
            events.FoundRunning: Phase.LOADING,
            events.Vanished: Phase.OFFLINE,
            events.RestartScheduled: Phase.WAITING,
            events.RestartsGivenUp: Phase.OFFLINE,
            events.DeletionRequested: Phase.DELETING,
        },
        Phase.WAITING: {
            **_beside(Phase.WAITING),
            events.ReinstallBegan: Phase.REINSTALLING,
            events.ReplacementBegan: Phase.REPLACING,
            events.StartRequested: Phase.STARTING,
            events.FoundRunning: Phase.LOADING,
            events.Vanished: Phase.WAITING,
            events.RestartCalledOff: Phase.OFFLINE,
            events.DeletionRequested: Phase.DELETING,
        },
        Phase.STARTING: {
            **_beside(Phase.STARTING),
            events.Vanished: Phase.STARTING,
            events.Rebuilt: Phase.STARTING,
            events.PatternSeen: Phase.STARTING,
            events.Started: Phase.LOADING,
            events.StartFailed: Phase.OFFLINE,
            **_ENDING,
        },
        Phase.LOADING: {
            **_beside(Phase.LOADING),
            events.BecameReady: Phase.RUNNING,
            events.Exited: Phase.OFFLINE,
            **_ENDING,
        },
        Phase.RUNNING: {**_beside(Phase.RUNNING), events.Exited: Phase.OFFLINE, **_ENDING},
        Phase.STOPPING: {
            **_beside(Phase.STOPPING),
            events.StopTimedOut: Phase.KILLING,
            events.Exited: Phase.OFFLINE,
            **_ENDING,
        },
        Phase.KILLING: {
            **_beside(Phase.KILLING),
            events.KillRequested: Phase.KILLING,
            events.Exited: Phase.OFFLINE,
        },
        Phase.REINSTALLING: {events.NewScriptFinished: Phase.BUILDING, **_CHANGING},
        Phase.BUILDING: {events.CandidateBuilt: Phase.REPLACING, **_CHANGING},
        Phase.REPLACING: {
            events.ResumptionDecided: Phase.REPLACING,
            events.Replaced: Phase.OFFLINE,
            **_CHANGING,
        },
        Phase.DELETING: {events.Deleted: Phase.DELETED},
        Phase.DELETED: {events.Created: Phase.PULLING},
    }
)
