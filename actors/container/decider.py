"""The container decider: messages to events, events to state, state to work. Pure.

What a command leads to is in ``wishes``, what an observation leads to in ``reports``.
"""

from typing import assert_never

import attrs

from actors.container import effects as todo
from actors.container import events as happened
from actors.container import messages as told
from actors.container import reports, wishes
from actors.container.events import Events, Follow
from actors.container.state import TRANSITIONS, Exit, Phase, State
from actors.kernel.decider import Decider


def decide(state: State, message: told.Message) -> Events:
    """Return what follows from ``message``; raises ``Rejection`` where the state forbids a command."""
    match message:
        case told.Create():
            return wishes.create(state, message)
        case told.Start():
            return wishes.start(state)
        case told.Stop():
            return wishes.stop(state)
        case told.Kill():
            return wishes.kill(state)
        case told.Restart():
            return wishes.restart(state)
        case told.Delete():
            return wishes.delete(state)
        case told.ImageReported():
            return reports.image(state, message)
        case told.ScriptReported():
            return reports.script(state, message)
        case told.InstallTimeElapsed():
            return reports.install_time(state, message)
        case told.CreationReported():
            return reports.creation(state, message)
        case told.StartReported():
            return reports.start(state, message)
        case told.ReadinessReported():
            return reports.readiness(state, message)
        case told.GraceElapsed():
            return reports.grace(state, message)
        case told.EndReported():
            return reports.end(state, message)
        case told.Inspected():
            return reports.inspected(state, message.snapshot)
        case told.AbsenceReported():
            return reports.absence(state, message)
        case told.RemovalReported():
            return reports.removal(state, message)
    assert_never(message)


# Folding


def evolve(state: State, event: happened.Event) -> State:
    """Return the state after ``event``; raises ``KeyError`` where ``TRANSITIONS`` does not have it."""
    phase = TRANSITIONS[state.phase][type(event)]
    match event:
        case happened.Created():
            previous = state.started_at or state.previous
            return State(phase, event.spec, event.attempt, run=state.run, previous=previous)
        case happened.Installed():
            return attrs.evolve(state, phase=phase, engine_id=event.engine_id)
        case happened.InstallationFailed():
            return attrs.evolve(state, phase=phase, error=event.reason)
        case happened.StartRequested():
            return attrs.evolve(
                state,
                phase=phase,
                run=event.run,
                previous=state.started_at or state.previous,
                started_at=None,
                pattern_seen=False,
                follow=Follow.REST,
                exit=None,
                error=None,
            )
        case happened.PatternSeen():
            return attrs.evolve(state, phase=phase, pattern_seen=True)
        case happened.Rebuilt():
            return attrs.evolve(state, phase=phase, engine_id=event.engine_id)
        case happened.Vanished():
            return attrs.evolve(state, phase=phase, engine_id=None)
        case happened.Started():
            return attrs.evolve(state, phase=phase, started_at=event.started_at)
        case happened.FoundRunning():
            return attrs.evolve(
                state,
                phase=phase,
                run=event.run,
                started_at=event.started_at,
                previous=state.started_at or state.previous,
                pattern_seen=False,
                follow=Follow.REST,
                exit=None,
                error=None,
            )
        case happened.StartFailed():
            return attrs.evolve(state, phase=phase, error=event.reason)
        case happened.StopRequested() | happened.KillRequested():
            return attrs.evolve(state, phase=phase, follow=event.follow)
        case happened.Exited():
            return attrs.evolve(
                state,
                phase=phase,
                started_at=event.started_at or state.started_at,
                exit=Exit(event.code, event.oom_killed, event.at, crashed=not event.expected),
            )
        case (
            happened.ImageEnsured()
            | happened.ScriptFinished()
            | happened.BecameReady()
            | happened.StopTimedOut()
            | happened.DeletionRequested()
            | happened.Deleted()
        ):
            return attrs.evolve(state, phase=phase)
    assert_never(event)


# Work


def effects(state: State) -> frozenset[todo.Effect]:
    """Return the work that ``state`` wants done."""
    match state.phase:
        case Phase.ABSENT | Phase.OFFLINE | Phase.DELETED:
            return frozenset()
        case Phase.PULLING:
            return frozenset({todo.EnsureImage(state.attempt, state.asked.image)})
        case Phase.SCRIPTING:
            return frozenset(
                {
                    todo.RunInstallScript(state.attempt, state.asked),
                    todo.WaitInstall(state.attempt, state.asked.install_timeout),
                }
            )
        case Phase.CREATING:
            return frozenset({todo.CreateInEngine(state.attempt, state.asked)})
        case Phase.FAILED:
            return frozenset({todo.DiscardInstallation(state.attempt, state.asked.internal_id)})
        case Phase.DELETING:
            return frozenset({todo.RemoveFromEngine(state.attempt, state.asked.internal_id)})
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING | Phase.STOPPING | Phase.KILLING:
            return _process_effects(state)
    assert_never(state.phase)


def _process_effects(state: State) -> frozenset[todo.Effect]:
    if state.engine_id is None:
        return frozenset({todo.CreateInEngine(state.attempt, state.asked)})
    watch = todo.WatchConsole(state.run, state.engine_id, state.asked.start_pattern)
    policy = state.asked.stop
    match state.phase:
        case Phase.STARTING:
            return frozenset({watch, todo.StartInEngine(state.run, state.engine_id, state.previous)})
        case Phase.STOPPING:
            return frozenset(
                {
                    watch,
                    todo.StopInEngine(state.run, state.engine_id, policy),
                    todo.WaitGrace(state.run, policy.timeout),
                }
            )
        case Phase.KILLING:
            return frozenset({watch, todo.KillInEngine(state.run, state.engine_id)})
        case _:
            return frozenset({watch})


DECIDER: Decider[State, told.Message, happened.Event, todo.Effect] = Decider(
    initial=State(), decide=decide, evolve=evolve, effects=effects
)
