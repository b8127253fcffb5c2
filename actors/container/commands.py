"""The events that a command leads to. Pure.

A power action requests a state. If the container is in that state, or on the way to it, nothing is recorded.
A later command replaces an earlier one: after a stop during a restart the process stays down, after a start
during a stop it is started again. Only a deletion can't be cancelled.
"""

from typing import assert_never

from actors.container import events, messages, replacement
from actors.container.events import Events, Follow
from actors.container.state import Phase, Stage, State
from actors.kernel.decider import Rejection


def create(state: State, command: messages.Create) -> Events:
    if state.stage is Stage.GONE:
        return (events.Created(state.attempts + 1, command.spec),)
    raise Rejection("already_exists", f"container {command.spec.internal_id} exists already")


def adopt(state: State, command: messages.Adopt) -> Events:
    if state.stage is not Stage.GONE:
        raise Rejection("already_exists", f"container {command.spec.internal_id} exists already")
    attempt, snapshot = max(command.attempt, state.attempts + 1), command.snapshot
    previous = None if snapshot.running else snapshot.started_at
    return (events.Adopted(attempt, snapshot.engine_id, previous, command.spec),)


def start(state: State) -> Events:
    match state.phase:
        case Phase.ABSENT | Phase.DELETED:
            raise _not_found()
        case Phase.PULLING | Phase.SCRIPTING | Phase.CREATING:
            raise replacement.installing(state)
        case Phase.REINSTALLING | Phase.BUILDING:
            raise replacement.changing(state)
        case Phase.REPLACING:
            return replacement.resume(state, resume=True)
        case Phase.FAILED:
            raise replacement.install_failed(state)
        case Phase.OFFLINE | Phase.WAITING | Phase.RESTORING:
            return (events.StartRequested(state.run + 1),)
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING:
            return ()
        case Phase.STOPPING | Phase.KILLING:
            return _start_afterwards(state)
        case Phase.DELETING:
            raise replacement.deleting(state)
    assert_never(state.phase)


def _start_afterwards(state: State) -> Events:
    if state.follow is not Follow.CHANGE:
        return _ask_end(state, state.phase, Follow.START)
    if state.known_change.resume:
        return ()
    raise replacement.changing(state)


def stop(state: State) -> Events:
    match state.phase:
        case Phase.ABSENT | Phase.DELETED:
            raise _not_found()
        case Phase.PULLING | Phase.SCRIPTING | Phase.CREATING:
            return (events.InstallationFailed(state.attempt, "cancelled", "cancelled on request"),)
        case Phase.REPLACING:
            return replacement.resume(state, resume=False)
        case Phase.FAILED | Phase.OFFLINE | Phase.REINSTALLING | Phase.BUILDING:
            return replacement.cancel(state)
        case Phase.WAITING | Phase.RESTORING:
            return (*replacement.cancel(state), events.RestartCalledOff(state.run))
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING | Phase.STOPPING:
            return (*replacement.cancel(state), *_ask_end(state, Phase.STOPPING, Follow.REST))
        case Phase.KILLING:
            return (*replacement.cancel(state), *_ask_end(state, Phase.KILLING, Follow.REST))
        case Phase.DELETING:
            raise replacement.deleting(state)
    assert_never(state.phase)


def kill(state: State) -> Events:
    match state.phase:
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING | Phase.STOPPING | Phase.KILLING:
            follow = Follow.DELETE if state.follow is Follow.DELETE else Follow.REST
            return (*replacement.cancel(state), *_ask_end(state, Phase.KILLING, follow))
        case Phase.ABSENT | Phase.DELETED | Phase.PULLING | Phase.SCRIPTING:
            return stop(state)
        case Phase.CREATING | Phase.FAILED | Phase.OFFLINE | Phase.WAITING | Phase.RESTORING:
            return stop(state)
        case Phase.REINSTALLING | Phase.BUILDING | Phase.REPLACING | Phase.DELETING:
            return stop(state)
    assert_never(state.phase)


def restart(state: State) -> Events:
    match state.phase:
        case Phase.STARTING:
            return ()
        case Phase.LOADING | Phase.RUNNING:
            return _ask_end(state, Phase.STOPPING, Follow.START)
        case Phase.ABSENT | Phase.DELETED | Phase.PULLING | Phase.SCRIPTING | Phase.CREATING:
            return start(state)
        case Phase.FAILED | Phase.OFFLINE | Phase.WAITING | Phase.RESTORING:
            return start(state)
        case Phase.STOPPING | Phase.KILLING:
            return start(state)
        case Phase.REINSTALLING | Phase.BUILDING | Phase.REPLACING | Phase.DELETING:
            return start(state)
    assert_never(state.phase)


def delete(state: State) -> Events:
    match state.phase:
        case Phase.ABSENT | Phase.DELETED:
            raise _not_found()
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING | Phase.STOPPING:
            return _ask_end(state, Phase.STOPPING, Follow.DELETE)
        case Phase.KILLING:
            return _ask_end(state, Phase.KILLING, Follow.DELETE)
        case Phase.DELETING:
            return ()
        case Phase.PULLING | Phase.SCRIPTING | Phase.CREATING | Phase.FAILED | Phase.OFFLINE:
            return (events.DeletionRequested(),)
        case Phase.WAITING | Phase.RESTORING | Phase.REINSTALLING | Phase.BUILDING | Phase.REPLACING:
            return (events.DeletionRequested(),)
    assert_never(state.phase)


def _ask_end(state: State, phase: Phase, follow: Follow) -> Events:
    """Request the end of this run, by a stop or a kill as ``phase`` says, and what follows it."""
    if state.stage is Stage.ENDING:
        if state.follow is Follow.DELETE and follow is not Follow.DELETE:
            raise replacement.deleting(state)
        if state.phase is phase and state.follow is follow:
            return ()
    if state.phase is Phase.STARTING and state.engine_id is None:
        failed = events.StartFailed(state.run, "cancelled on request")
        return (failed, events.DeletionRequested()) if follow is Follow.DELETE else (failed,)
    if phase is Phase.KILLING:
        return (events.KillRequested(state.run, follow),)
    return (events.StopRequested(state.run, follow),)


def _not_found() -> Rejection:
    return Rejection("not_found", "no such container")
