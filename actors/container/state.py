"""The state of a container, and the table of all that can happen to it.

The constitution:

1. ``TRANSITIONS`` has a row for every phase, the empty ones too, and an event leads from a phase to exactly
   one phase. What is not in the table can't be recorded.
2. A phase says what lightd knows and wants, not what Docker does: ``STARTING`` has asked for a start,
   ``LOADING`` knows that the process runs, ``STOPPING`` has asked for its end, ``KILLING`` insists on it.
3. A run is known by the moment that its process started, on the engine's clock. ``started_at`` is None from
   ``StartRequested`` until that moment is known, and ``previous`` is the one of the run before it: so a
   report about an earlier life of the same engine container is told from one about this life.
4. What the outside calls ``state`` and ``install_state`` is derived here and stored nowhere.
"""

from enum import Enum
from types import MappingProxyType

import attrs

from actors.container import events as happened
from actors.container.events import Follow
from actors.container.spec import ContainerSpec


class Phase(Enum):
    """Where a container stands."""

    ABSENT = "absent"
    PULLING = "pulling"
    SCRIPTING = "scripting"
    CREATING = "creating"
    FAILED = "failed"
    OFFLINE = "offline"
    STARTING = "starting"
    LOADING = "loading"
    RUNNING = "running"
    STOPPING = "stopping"
    KILLING = "killing"
    DELETING = "deleting"
    DELETED = "deleted"


INSTALLING = frozenset({Phase.PULLING, Phase.SCRIPTING, Phase.CREATING})
UP = frozenset({Phase.LOADING, Phase.RUNNING, Phase.STOPPING, Phase.KILLING})
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


@attrs.frozen
class State:
    """All that is known of one container."""

    phase: Phase = Phase.ABSENT
    spec: ContainerSpec | None = None
    attempt: int = 0
    engine_id: str | None = None
    run: int = 0
    started_at: float | None = None
    previous: float | None = None
    pattern_seen: bool = False
    follow: Follow = Follow.REST
    exit: Exit | None = None
    error: str | None = None

    @property
    def asked(self) -> ContainerSpec:
        """The spec, where there is one: everywhere but in ``ABSENT``."""
        assert self.spec is not None, "a container that is absent was not asked for"  # noqa: S101 - TRANSITIONS
        return self.spec

    @property
    def install_state(self) -> str:
        """``installing``, ``ready`` or ``failed``, as the outside calls it."""
        if self.phase in INSTALLING:
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

_ENDING = {
    happened.StopRequested: Phase.STOPPING,
    happened.KillRequested: Phase.KILLING,
}
_BUILDING = {
    happened.InstallationFailed: Phase.FAILED,
    happened.DeletionRequested: Phase.DELETING,
}

TRANSITIONS: MappingProxyType[Phase, dict[type[object], Phase]] = MappingProxyType(
    {
        Phase.ABSENT: {happened.Created: Phase.PULLING},
        Phase.PULLING: {happened.ImageEnsured: Phase.SCRIPTING, **_BUILDING},
        Phase.SCRIPTING: {happened.ScriptFinished: Phase.CREATING, **_BUILDING},
        Phase.CREATING: {happened.Installed: Phase.OFFLINE, **_BUILDING},
        Phase.FAILED: {happened.DeletionRequested: Phase.DELETING},
        Phase.OFFLINE: {
            happened.StartRequested: Phase.STARTING,
            happened.FoundRunning: Phase.LOADING,
            happened.Vanished: Phase.OFFLINE,
            happened.DeletionRequested: Phase.DELETING,
        },
        Phase.STARTING: {
            happened.Vanished: Phase.STARTING,
            happened.Rebuilt: Phase.STARTING,
            happened.PatternSeen: Phase.STARTING,
            happened.Started: Phase.LOADING,
            happened.StartFailed: Phase.OFFLINE,
            **_ENDING,
        },
        Phase.LOADING: {
            happened.BecameReady: Phase.RUNNING,
            happened.Exited: Phase.OFFLINE,
            **_ENDING,
        },
        Phase.RUNNING: {happened.Exited: Phase.OFFLINE, **_ENDING},
        Phase.STOPPING: {
            happened.StopTimedOut: Phase.KILLING,
            happened.Exited: Phase.OFFLINE,
            **_ENDING,
        },
        Phase.KILLING: {happened.KillRequested: Phase.KILLING, happened.Exited: Phase.OFFLINE},
        Phase.DELETING: {happened.Deleted: Phase.DELETED},
        Phase.DELETED: {happened.Created: Phase.PULLING},
    }
)
