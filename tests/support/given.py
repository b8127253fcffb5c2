"""Containers in every phase, as the events that led there, and what the engine says of their processes.

``RUNNING`` is a container that runs, ``CRASHED`` one whose run has just crashed, ``WAITING`` the same with a
restart scheduled; ``PASTS`` has one for each phase.
``then(RUNNING, messages.Stop())`` is what a stop leads to.
"""

from collections.abc import Sequence
from typing import assert_never

import attrs
import pytest

from actors.container import events, messages
from actors.container.decider import DECIDER, decide
from actors.container.engine import Snapshot
from actors.container.events import Event, Follow
from actors.container.observations import INTERRUPTED
from actors.container.spec import PortBinding, RestartPolicy, StopPolicy
from actors.container.state import Phase, State
from actors.kernel.decider import Rejection, replay
from tests.support.builders import STARTED_AT, a_spec

SPEC = a_spec(start_pattern="Ready", stop=StopPolicy(timeout=7.0))
SCRIPTED = attrs.evolve(SPEC, install_script="install", install_timeout=60.0)
PLAIN = attrs.evolve(SPEC, start_pattern=None)

ID = "engine-1"
NEW = "engine-2"
PORT = PortBinding("0.0.0.0", 7777, "tcp", 7777)
T1, T2, T3 = STARTED_AT, 200.0, 300.0

CREATED = (events.Created(1, SPEC),)
ENSURED = (*CREATED, events.ImageEnsured(1), events.ScriptFinished(1))
SCRIPTING = (events.Created(1, SCRIPTED), events.ImageEnsured(1))
FAILED = (*CREATED, events.InstallationFailed(1, "failed", "there is no such image"))
OFFLINE = (*ENSURED, events.Installed(1, ID))
STARTING = (*OFFLINE, events.StartRequested(1))
LOST = (*STARTING, events.Vanished(ID))
LOADING = (*STARTING, events.Started(1, T1))
RUNNING = (*LOADING, events.BecameReady(1))
STOPPING = (*RUNNING, events.StopRequested(1, Follow.REST))
RESTARTING = (*RUNNING, events.StopRequested(1, Follow.START))
POLICY = RestartPolicy("on-crash", max=1)
LOOPING = attrs.evolve(SPEC, restart_policy=POLICY)
CRASHED = (
    events.Created(1, LOOPING),
    *RUNNING[1:],
    events.Exited(1, 1, False, False, T1, T1 + 50, "the process ended with exit code 1"),
)
WAITING = (*CRASHED, events.RestartScheduled(1, 1.0, T1 + 50))
RESTORING = (
    *RUNNING,
    events.Exited(1, 255, False, True, T1, T1 + 50, INTERRUPTED),
    events.RestoreScheduled(1),
)
NEW_SCRIPTED = events.ReinstallRequested(2, "newer", "install")
PREPARING = (*RUNNING, NEW_SCRIPTED)
REBINDING = (*RUNNING, events.RebindRequested(2, (PORT,)))
TAKEN_DOWN = (*REBINDING, events.CandidateBuilt(2, NEW), events.StopRequested(1, Follow.CHANGE))
REINSTALLING = (*OFFLINE, NEW_SCRIPTED, events.NewImageEnsured(2), events.ReinstallBegan(2))
BUILDING = (*REINSTALLING, events.NewScriptFinished(2))
REPLACING = (*BUILDING, events.CandidateBuilt(2, NEW))
LEAVING = (*RUNNING, events.StopRequested(1, Follow.DELETE))
KILLING = (*RUNNING, events.KillRequested(1, Follow.REST))
CALLED_OFF = (*STARTING, events.StopRequested(1, Follow.REST))
EXITED = (*STOPPING, events.Exited(1, 0, False, True, T1, T1 + 50))
AGAIN = (*EXITED, events.StartRequested(2))
DELETING = (*OFFLINE, events.DeletionRequested())
DELETED = (*DELETING, events.Deleted())


def _to_past(phase: Phase) -> tuple[Event, ...]:
    """Return events that lead to ``phase``; a ``match``, so that a phase without them fails type checking."""
    match phase:
        case Phase.ABSENT:
            return ()
        case Phase.PULLING:
            return CREATED
        case Phase.SCRIPTING:
            return SCRIPTING
        case Phase.CREATING:
            return ENSURED
        case Phase.FAILED:
            return FAILED
        case Phase.OFFLINE:
            return OFFLINE
        case Phase.WAITING:
            return WAITING
        case Phase.RESTORING:
            return RESTORING
        case Phase.STARTING:
            return STARTING
        case Phase.LOADING:
            return LOADING
        case Phase.RUNNING:
            return RUNNING
        case Phase.STOPPING:
            return STOPPING
        case Phase.KILLING:
            return KILLING
        case Phase.REINSTALLING:
            return REINSTALLING
        case Phase.BUILDING:
            return BUILDING
        case Phase.REPLACING:
            return REPLACING
        case Phase.DELETING:
            return DELETING
        case Phase.DELETED:
            return DELETED
    assert_never(phase)


PASTS = {phase: _to_past(phase) for phase in Phase}
MORE_PASTS = (LOST, RESTARTING, LEAVING, CALLED_OFF, EXITED, AGAIN, PREPARING, REBINDING, TAKEN_DOWN)

UP_NOW = Snapshot(ID, True, T1)
NEVER_RAN = Snapshot(ID, False)
CLEAN = Snapshot(ID, False, T1, T1 + 50, 0)
CRASH = Snapshot(ID, False, T1, T1 + 50, 1)
CUT_OFF = Snapshot(ID, False, T1, T1 + 50, 255, interrupted=True)
OOM = Snapshot(ID, False, T1, T1 + 50, 137, True)

CRASHING = "container-a"
"""A stream of crashes: ``BEGIN``, then ``a_crash`` of one run after the other."""
BEGIN = (
    events.Created(1, a_spec("a")),
    events.ImageEnsured(1),
    events.ScriptFinished(1),
    events.Installed(1, "e1"),
)
WORDS = tuple("w" * 500 for _ in range(20))


def a_crash(run: int) -> tuple[Event, ...]:
    """A run that is started, seen to run, and crashes after ``WORDS``."""
    return (
        events.StartRequested(run),
        events.Started(run, 100.0 + run),
        events.BecameReady(run),
        events.Exited(run, 1, False, False, 100.0 + run, 100.5 + run, "exit code 1", WORDS),
    )


def given(past: Sequence[Event]) -> State:
    """The state of a container with these events."""
    return replay(DECIDER, DECIDER.initial, past)


def then(past: Sequence[Event], message: messages.Message) -> tuple[Event, ...]:
    """Return what is recorded when ``message`` comes after ``past``; it can always be folded in."""
    state = given(past)
    emitted = decide(state, message)
    replay(DECIDER, state, emitted)
    return emitted


def refused(past: Sequence[Event], message: messages.Message) -> str:
    """The code with which the decider rejects ``message`` after ``past``."""
    with pytest.raises(Rejection) as rejection:
        then(past, message)
    assert rejection.value.message
    return rejection.value.code
