"""What follows from a command. Pure.

A power action states a wish. One that is already true, or already on its way, decides nothing. A later wish
replaces an earlier one: a stop during a restart ends in rest, a start during a stop starts again afterwards.
Only a deletion can't be called back.
"""

from typing import assert_never

from actors.container import events as happened
from actors.container import messages as told
from actors.container.events import Events, Follow
from actors.container.state import Phase, State
from actors.kernel.decider import Rejection


def create(state: State, command: told.Create) -> Events:
    if state.phase in (Phase.ABSENT, Phase.DELETED):
        return (happened.Created(state.attempt + 1, command.spec),)
    raise Rejection("already_exists", f"container {command.spec.internal_id} exists already")


def start(state: State) -> Events:
    match state.phase:
        case Phase.ABSENT | Phase.DELETED:
            raise _not_found()
        case Phase.PULLING | Phase.SCRIPTING | Phase.CREATING:
            raise Rejection("installing", f"container {state.asked.internal_id} is being installed")
        case Phase.FAILED:
            message = f"the installation of container {state.asked.internal_id} failed: {state.error}"
            raise Rejection("install_failed", message)
        case Phase.OFFLINE:
            return (happened.StartRequested(state.run + 1),)
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING:
            return ()
        case Phase.STOPPING | Phase.KILLING:
            return _ask_end(state, state.phase, Follow.START)
        case Phase.DELETING:
            raise _deleting(state)
    assert_never(state.phase)


def stop(state: State) -> Events:
    match state.phase:
        case Phase.ABSENT | Phase.DELETED:
            raise _not_found()
        case Phase.PULLING | Phase.SCRIPTING | Phase.CREATING:
            return (happened.InstallationFailed(state.attempt, "cancelled", "cancelled on request"),)
        case Phase.FAILED | Phase.OFFLINE:
            return ()
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING | Phase.STOPPING:
            return _ask_end(state, Phase.STOPPING, Follow.REST)
        case Phase.KILLING:
            return _ask_end(state, Phase.KILLING, Follow.REST)
        case Phase.DELETING:
            raise _deleting(state)
    assert_never(state.phase)


def kill(state: State) -> Events:
    match state.phase:
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING | Phase.STOPPING | Phase.KILLING:
            follow = Follow.DELETE if state.follow is Follow.DELETE else Follow.REST
            return _ask_end(state, Phase.KILLING, follow)
        case _:
            return stop(state)


def restart(state: State) -> Events:
    match state.phase:
        case Phase.STARTING:
            return ()
        case Phase.LOADING | Phase.RUNNING:
            return _ask_end(state, Phase.STOPPING, Follow.START)
        case _:
            return start(state)


def delete(state: State) -> Events:
    match state.phase:
        case Phase.ABSENT | Phase.DELETED:
            raise _not_found()
        case Phase.PULLING | Phase.SCRIPTING | Phase.CREATING | Phase.FAILED | Phase.OFFLINE:
            return (happened.DeletionRequested(),)
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING | Phase.STOPPING:
            return _ask_end(state, Phase.STOPPING, Follow.DELETE)
        case Phase.KILLING:
            return _ask_end(state, Phase.KILLING, Follow.DELETE)
        case Phase.DELETING:
            return ()
    assert_never(state.phase)


def _ask_end(state: State, phase: Phase, follow: Follow) -> Events:
    """Ask for the end of this run in the way of ``phase``, and for what follows it."""
    if state.phase in (Phase.STOPPING, Phase.KILLING):
        if state.follow is Follow.DELETE and follow is not Follow.DELETE:
            raise _deleting(state)
        if state.phase is phase and state.follow is follow:
            return ()
    if state.phase is Phase.STARTING and state.engine_id is None:
        failed = happened.StartFailed(state.run, "cancelled on request")
        return (failed, happened.DeletionRequested()) if follow is Follow.DELETE else (failed,)
    if phase is Phase.KILLING:
        return (happened.KillRequested(state.run, follow),)
    return (happened.StopRequested(state.run, follow),)


def _not_found() -> Rejection:
    return Rejection("not_found", "no such container")


def _deleting(state: State) -> Rejection:
    return Rejection("deleting", f"container {state.asked.internal_id} is being deleted")
