"""Events into the state. Pure."""

from typing import assert_never

import attrs

from actors.container import editing, events, restarts
from actors.container.events import Follow
from actors.container.spec import ContainerSpec
from actors.container.state import Change, Exit, Kind, Phase, State


def evolve(state: State, event: events.Event) -> State:
    """Return the state after ``event``; raises ``KeyError`` where its phase does not list it."""
    phase = state.traits.leads[type(event)]
    match event:
        case events.Created():
            return _begin(state, phase, event.attempt, event.spec)
        case events.Adopted():
            begun = _begin(state, phase, event.attempt, event.spec)
            return attrs.evolve(begun, engine_id=event.engine_id, previous=event.previous)
        case events.Installed():
            return attrs.evolve(state, phase=phase, engine_id=event.engine_id)
        case events.InstallationFailed():
            return attrs.evolve(state, phase=phase, error=event.reason)
        case events.StartRequested():
            fresh = _begin_run(attrs.evolve(state, phase=phase), event.run, None)
            if not state.outdated:
                return fresh
            return attrs.evolve(fresh, outdated=False, engine_id=None, limits_before=None)
        case events.FoundRunning():
            return _begin_run(attrs.evolve(state, phase=phase), event.run, event.started_at)
        case events.HintGiven():
            return attrs.evolve(state, phase=phase)
        case events.PatternSeen():
            return attrs.evolve(state, phase=phase, pattern_seen=True)
        case events.Rebuilt():
            return attrs.evolve(state, phase=phase, engine_id=event.engine_id)
        case events.Vanished():
            return attrs.evolve(state, phase=phase, engine_id=None, limits_before=None)
        case events.Started():
            return attrs.evolve(state, phase=phase, started_at=event.started_at)
        case events.StartFailed():
            due = None if state.engine_id is None else state.limits_before
            return attrs.evolve(state, phase=phase, error=event.reason, limits_before=due)
        case events.StopRequested() | events.KillRequested():
            return attrs.evolve(_going_down(state, event.follow), phase=phase, follow=event.follow)
        case events.Exited():
            return attrs.evolve(
                state,
                phase=phase,
                started_at=event.started_at or state.started_at,
                restarts=() if restarts.was_healthy(event) else state.restarts,
                exit=Exit(event.code, event.oom_killed, event.at, crashed=not event.expected),
            )
        case events.RestartScheduled():
            return attrs.evolve(state, phase=phase, restarts=(*state.restarts, event.at))
        case events.RestartsGivenUp():
            return attrs.evolve(state, phase=phase, restarts=(), error=event.reason)
        case events.RestartCalledOff():
            return attrs.evolve(state, phase=phase, restarts=())
        case events.Edited():
            return attrs.evolve(editing.apply(state, event), phase=phase)
        case events.LimitsApplied():
            return attrs.evolve(state, phase=phase, limits_before=None)
        case events.LimitsRefused():
            spec = attrs.evolve(state.known_spec, limits=event.limits)
            return attrs.evolve(state, phase=phase, spec=spec, limits_before=None)
        case events.DeletionRequested():
            return attrs.evolve(state, phase=phase, change=None, discarded=None, limits_before=None)
        case (
            events.ImageEnsured()
            | events.ScriptFinished()
            | events.BecameReady()
            | events.StopTimedOut()
            | events.RestoreScheduled()
            | events.Deleted()
        ):
            return attrs.evolve(state, phase=phase)
        case _:
            return _evolve_change(state, phase, event)


def locate(state: State, event: events.Event, position: int) -> State:
    """Return the state that knows where in the journal the last deletion is."""
    return attrs.evolve(state, ended=position) if isinstance(event, events.Deleted) else state


def _evolve_change(state: State, phase: Phase, event: events.Changed) -> State:
    match event:
        case events.InstallationRepeated():
            again = _begin(state, phase, event.attempt, _to_reinstalled(state, event))
            return attrs.evolve(again, run_script=event.run_script)
        case events.ReinstallRequested():
            spec, attempt = _to_reinstalled(state, event), event.attempt
            change = Change(Kind.REINSTALL, attempt, attempt, spec, run_script=event.run_script)
            return _plan(state, phase, change)
        case events.RebindRequested():
            spec = attrs.evolve(state.known_spec, ports=event.ports)
            return _plan(state, phase, Change(Kind.REBIND, event.attempt, state.attempt, spec))
        case events.NewImageEnsured():
            planned = attrs.evolve(state, discarded=None)
            return _with(planned, phase, attrs.evolve(state.known_change, image_ensured=True))
        case events.CandidateBuilt():
            return _with(state, phase, attrs.evolve(state.known_change, engine_id=event.engine_id))
        case events.ReinstallBegan() | events.ReplacementBegan():
            due = state.phase in (Phase.WAITING, Phase.RESTORING) and state.known_change.kind is Kind.REBIND
            change = attrs.evolve(state.known_change, resume=state.known_change.resume or due)
            return attrs.evolve(_with(state, phase, change), restarts=())
        case events.ResumptionDecided():
            return _with(state, phase, attrs.evolve(state.known_change, resume=event.resume))
        case events.NewScriptFinished():
            return attrs.evolve(state, phase=phase)
        case events.Replaced():
            return _replace(state, phase, state.known_change)
        case events.ChangeFailed() | events.ChangeAbandoned():
            return attrs.evolve(state, phase=phase, change=None, discarded=event.attempt, error=event.reason)
    assert_never(event)


def _to_reinstalled(
    state: State, event: events.InstallationRepeated | events.ReinstallRequested
) -> ContainerSpec:
    return attrs.evolve(
        state.known_spec,
        image=event.image,
        install_script=event.install_script,
        install=event.install,
        pull=event.pull,
    )


def _begin(state: State, phase: Phase, attempt: int, spec: ContainerSpec) -> State:
    """A new life of a name knows nothing of the one before but its numbers."""
    previous = state.started_at or state.previous
    return State(
        phase, spec, attempt=attempt, attempts=attempt, run=state.run, previous=previous, ended=state.ended
    )


def _begin_run(state: State, run: int, started_at: float | None) -> State:
    return attrs.evolve(
        state,
        run=run,
        started_at=started_at,
        previous=state.started_at or state.previous,
        pattern=state.known_spec.start_pattern,
        texts=state.known_spec.start_texts,
        pattern_seen=False,
        follow=Follow.REST,
        exit=None,
        error=None,
    )


def _going_down(state: State, follow: Follow) -> State:
    """What only gets other ports is started again, where it ran."""
    if follow is not Follow.CHANGE:
        return state
    return attrs.evolve(
        state, change=attrs.evolve(state.known_change, resume=state.known_change.kind is Kind.REBIND)
    )


def _plan(state: State, phase: Phase, change: Change) -> State:
    """What a change before left is removed until this one has something of its own in the engine."""
    discarded = state.discarded if change.kind is Kind.REINSTALL else None
    return attrs.evolve(state, phase=phase, change=change, attempts=change.attempt, discarded=discarded)


def _with(state: State, phase: Phase, change: Change) -> State:
    return attrs.evolve(state, phase=phase, change=change)


def _replace(state: State, phase: Phase, change: Change) -> State:
    return attrs.evolve(
        state,
        phase=phase,
        spec=change.spec,
        attempt=change.installation,
        engine_id=change.engine_id,
        change=None,
        follow=Follow.REST,
        exit=None if change.kind is Kind.REINSTALL else state.exit,
        error=None,
        outdated=False,
    )
