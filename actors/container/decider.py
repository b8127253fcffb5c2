"""The container decider: messages to events, events to state, state to work. Pure.

What a command leads to is in ``commands``, what an observation leads to in ``observations``.
"""

from typing import assert_never

from actors.container import commands, editing, evolve, observations, replacement, restarts
from actors.container import effects as todo
from actors.container import events as happened
from actors.container import messages as told
from actors.container.events import Events
from actors.container.state import Change, Kind, Phase, State
from actors.kernel.decider import Decider, replay


def decide(state: State, message: told.Message) -> Events:
    """Return what follows from ``message``; raises ``Rejection`` where the state forbids a command."""
    events = _decide(state, message)
    after = replay(DECIDER, state, events) if events else state
    return (*events, *replacement.proceed(after))


def _decide(state: State, message: told.Message) -> Events:
    match message:
        case told.Create():
            return commands.create(state, message)
        case told.Start():
            return commands.start(state)
        case told.Stop():
            return commands.stop(state)
        case told.Kill():
            return commands.kill(state)
        case told.Restart():
            return commands.restart(state)
        case told.Reinstall():
            return replacement.reinstall(state, message)
        case told.Rebind():
            return replacement.rebind(state, message)
        case told.Edit():
            return editing.edit(state, message)
        case told.Delete():
            return commands.delete(state)
        case told.ImageReported():
            return observations.image(state, message)
        case told.ScriptReported():
            return observations.script(state, message)
        case told.InstallTimeElapsed():
            return observations.install_time(state, message)
        case told.CreationReported():
            return observations.creation(state, message)
        case told.CandidateReported():
            return replacement.candidate(state, message)
        case told.ReplacementReported():
            return replacement.replacement(state, message)
        case told.LimitsReported():
            return editing.limits(state, message)
        case told.StartReported():
            return observations.start(state, message)
        case told.ReadinessReported():
            return observations.readiness(state, message)
        case told.GraceElapsed():
            return observations.grace(state, message)
        case told.BackoffElapsed():
            return observations.backoff(state, message)
        case told.EndReported():
            return observations.end(state, message)
        case told.Inspected():
            return observations.inspected(state, message)
        case told.AbsenceReported():
            return observations.absence(state, message)
        case told.RemovalReported():
            return observations.removal(state, message)
    assert_never(message)


# Work


def effects(state: State) -> frozenset[todo.Effect]:
    """Return the work that ``state`` wants done."""
    return _phase_effects(state) | _effects_beside(state)


def _phase_effects(state: State) -> frozenset[todo.Effect]:
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
        case Phase.WAITING:
            return frozenset({todo.WaitBackoff(state.run, restarts.to_delay(len(state.restarts)))})
        case Phase.DELETING:
            return frozenset({todo.RemoveFromEngine(state.attempt, state.asked.internal_id)})
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING | Phase.STOPPING | Phase.KILLING:
            return _process_effects(state)
        case Phase.REINSTALLING | Phase.BUILDING | Phase.REPLACING:
            return _change_effects(state, state.changing)
    assert_never(state.phase)


def _change_effects(state: State, change: Change) -> frozenset[todo.Effect]:
    if state.phase is Phase.REINSTALLING:
        return frozenset(
            {
                todo.RunInstallScript(change.attempt, change.spec),
                todo.WaitInstall(change.attempt, change.spec.install_timeout),
            }
        )
    if change.engine_id is None:
        return frozenset({todo.BuildCandidate(change.attempt, change.installation, change.spec, ())})
    return frozenset({todo.ReplaceInEngine(change.attempt, change.spec.internal_id, change.engine_id)})


def _effects_beside(state: State) -> frozenset[todo.Effect]:
    """Return the work that goes on beside whatever the process does."""
    work: set[todo.Effect] = set()
    if state.change is not None and not state.change.prepared:
        work.add(_to_preparation(state, state.change))
    if state.discarded is not None:
        work.add(todo.DiscardChange(state.discarded, state.asked.internal_id))
    if state.limits_before is not None and state.engine_id is not None:
        work.add(todo.ApplyLimits(state.engine_id, state.asked.limits))
    return frozenset(work)


def _to_preparation(state: State, change: Change) -> todo.Effect:
    if change.kind is Kind.REINSTALL:
        return todo.EnsureImage(change.attempt, change.spec.image)
    fresh = tuple(port for port in change.spec.ports if not any(map(port.collides, state.asked.ports)))
    return todo.BuildCandidate(change.attempt, change.installation, change.spec, fresh)


def _process_effects(state: State) -> frozenset[todo.Effect]:
    if state.engine_id is None:
        return frozenset({todo.CreateInEngine(state.attempt, state.asked)})
    watch = todo.WatchConsole(state.run, state.engine_id, state.pattern)
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
    initial=State(), decide=decide, evolve=evolve.evolve, effects=effects, locate=evolve.locate
)
