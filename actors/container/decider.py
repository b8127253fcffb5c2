"""The container decider: messages to events, events to state, state to work. Pure.

What a command leads to is in ``commands``, what an observation leads to in ``observations``.
"""

from typing import Literal, assert_never

from actors.container import (
    commands,
    editing,
    effects,
    events,
    evolve,
    messages,
    observations,
    replacement,
    restarts,
)
from actors.container.events import Events
from actors.container.spec import ContainerSpec
from actors.container.state import Change, Kind, Phase, State
from actors.kernel.decider import Decider, replay


def decide(state: State, message: messages.Message) -> Events:
    """Return what follows from ``message``; raises ``Rejection`` where the state forbids a command."""
    emitted = _decide(state, message)
    after = replay(DECIDER, state, emitted) if emitted else state
    return (*emitted, *replacement.proceed(after))


def _decide(state: State, message: messages.Message) -> Events:
    match message:
        case messages.Create():
            return commands.create(state, message)
        case messages.Adopt():
            return _adopt(state, message)
        case messages.Start():
            return commands.start(state)
        case messages.Stop():
            return commands.stop(state)
        case messages.Kill():
            return commands.kill(state)
        case messages.Restart():
            return commands.restart(state)
        case messages.Reinstall():
            return replacement.reinstall(state, message)
        case messages.Rebind():
            return replacement.rebind(state, message)
        case messages.Edit():
            return editing.edit(state, message)
        case messages.Delete():
            return commands.delete(state)
        case messages.ImageReported():
            return observations.image(state, message)
        case messages.ScriptReported():
            return observations.script(state, message)
        case messages.InstallTimeElapsed():
            return observations.install_time(state, message)
        case messages.CreationReported():
            return observations.creation(state, message)
        case messages.CandidateReported():
            return replacement.candidate(state, message)
        case messages.ReplacementReported():
            return replacement.replacement(state, message)
        case messages.LimitsReported():
            return editing.limits(state, message)
        case messages.StartReported():
            return observations.start(state, message)
        case messages.ReadinessReported():
            return observations.readiness(state, message)
        case messages.HintReported():
            return observations.hint(state, message)
        case messages.GraceElapsed():
            return observations.grace(state, message)
        case messages.BackoffElapsed():
            return observations.backoff(state, message)
        case messages.RestoreDecided():
            return observations.restore(state, message)
        case messages.EndReported():
            return observations.end(state, message)
        case messages.Inspected():
            return observations.inspected(state, message)
        case messages.AbsenceReported():
            return observations.absence(state, message)
        case messages.RemovalReported():
            return observations.removal(state, message)
    assert_never(message)


def _adopt(state: State, message: messages.Adopt) -> Events:
    adopted = commands.adopt(state, message)
    after = replay(DECIDER, state, adopted)
    return (*adopted, *observations.inspected(after, messages.Inspected(message.snapshot)))


# Work


_InRun = Literal[Phase.STARTING, Phase.LOADING, Phase.RUNNING, Phase.STOPPING, Phase.KILLING]


def to_effects(state: State) -> frozenset[effects.Effect]:
    """Return the work that ``state`` wants done."""
    return _phase_effects(state) | _effects_beside(state)


def _phase_effects(state: State) -> frozenset[effects.Effect]:
    match state.phase:
        case Phase.ABSENT | Phase.OFFLINE | Phase.RESTORING | Phase.DELETED:
            return frozenset()  # the fleet restores, a few containers at a time
        case Phase.PULLING:
            return frozenset({_to_images(state.attempt, state.known_spec, run_script=state.run_script)})
        case Phase.SCRIPTING:
            return frozenset(
                {
                    effects.RunInstallScript(state.attempt, state.known_spec),
                    effects.WaitInstall(state.attempt, state.known_spec.install_timeout),
                }
            )
        case Phase.CREATING:
            return frozenset({effects.CreateInEngine(state.attempt, state.known_spec, ensure_image=False)})
        case Phase.FAILED:
            return frozenset({effects.DiscardInstallation(state.attempt, state.known_spec.internal_id)})
        case Phase.WAITING:
            return frozenset({effects.WaitBackoff(state.run, restarts.BACKOFF.delay(len(state.restarts)))})
        case Phase.DELETING:
            return frozenset({effects.RemoveFromEngine(state.attempt, state.known_spec.internal_id)})
        case Phase.STARTING | Phase.LOADING | Phase.RUNNING | Phase.STOPPING | Phase.KILLING:
            return _process_effects(state, state.phase)
        case Phase.REINSTALLING | Phase.BUILDING | Phase.REPLACING:
            return _change_effects(state, state.known_change)
    assert_never(state.phase)


def _change_effects(state: State, change: Change) -> frozenset[effects.Effect]:
    if state.phase is Phase.REINSTALLING:
        return frozenset(
            {
                effects.RunInstallScript(change.attempt, change.spec),
                effects.WaitInstall(change.attempt, change.spec.install_timeout),
            }
        )
    if change.engine_id is None:
        pull = "missing" if change.spec.pull == "always" else change.spec.pull  # it was pulled before
        return frozenset({effects.BuildCandidate(change.attempt, change.installation, change.spec, (), pull)})
    return frozenset({effects.ReplaceInEngine(change.attempt, change.spec.internal_id, change.engine_id)})


def _effects_beside(state: State) -> frozenset[effects.Effect]:
    """Return the work that goes on beside whatever the process does."""
    work: set[effects.Effect] = set()
    if state.change is not None and not state.change.prepared:
        work.add(_to_preparation(state, state.change))
    if state.discarded is not None:
        work.add(effects.DiscardChange(state.discarded, state.known_spec.internal_id))
    if state.limits_before is not None and state.engine_id is not None:
        work.add(effects.ApplyLimits(state.engine_id, state.known_spec.limits))
    return frozenset(work)


def _to_preparation(state: State, change: Change) -> effects.Effect:
    if change.kind is Kind.REINSTALL:
        return _to_images(change.attempt, change.spec, run_script=change.run_script)
    fresh = tuple(port for port in change.spec.ports if not any(map(port.collides, state.known_spec.ports)))
    return effects.BuildCandidate(change.attempt, change.installation, change.spec, fresh, change.spec.pull)


def _to_images(attempt: int, spec: ContainerSpec, *, run_script: bool) -> effects.Effect:
    installer = spec.install.image if run_script and spec.install is not None else None
    other = installer if installer != spec.image else None
    return effects.EnsureImage(attempt, spec.image, spec.pull, other)


def _process_effects(state: State, phase: _InRun) -> frozenset[effects.Effect]:
    if state.engine_id is None:
        return frozenset({effects.CreateInEngine(state.attempt, state.known_spec, ensure_image=True)})
    awaited = phase in (Phase.STARTING, Phase.LOADING) and not state.pattern_seen
    watch = effects.WatchConsole(
        state.run,
        state.engine_id,
        state.pattern,
        state.previous,
        awaited,
        state.texts,
        hints=state.known_spec.egg is not None,
    )
    policy = state.known_spec.stop
    match phase:
        case Phase.STARTING:
            start = effects.StartInEngine(state.run, state.engine_id, state.previous, state.known_spec)
            return frozenset({watch, start})
        case Phase.STOPPING:
            return frozenset(
                {
                    watch,
                    effects.StopInEngine(
                        state.run, state.engine_id, policy, state.previous, state.known_spec.tty
                    ),
                    effects.WaitGrace(state.run, policy.timeout),
                }
            )
        case Phase.KILLING:
            return frozenset({watch, effects.KillInEngine(state.run, state.engine_id, state.previous)})
        case Phase.LOADING | Phase.RUNNING:
            return frozenset({watch})
    assert_never(phase)


DECIDER: Decider[State, messages.Message, events.Event, effects.Effect] = Decider(
    initial=State(), decide=decide, evolve=evolve.evolve, effects=to_effects, locate=evolve.locate
)
