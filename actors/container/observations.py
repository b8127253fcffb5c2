"""The events that an observation leads to. Pure.

An observation counts only for what it is about: its attempt, its run, its engine id, or the life of the
process in which its snapshot was taken. Any other is stale and records nothing. An exit is expected if the
end of that run had been requested, whatever the order of the reports.
"""

from typing import Final, assert_never

import attrs

from actors.container import events, messages, replacement, restarts
from actors.container.engine import Snapshot
from actors.container.events import Events, Follow
from actors.container.hints import HINTS
from actors.container.state import Phase, Stage, State

INTERRUPTED: Final = "the container engine or the host was shut down"
"""How a process ended that is to be restored."""

# The installation


def image(state: State, report: messages.ImageReported) -> Events:
    if state.phase is not Phase.PULLING or report.attempt != state.attempt:
        return replacement.image(state, report)
    if report.error is not None:
        return (events.InstallationFailed(state.attempt, "failed", report.error),)
    ensured = events.ImageEnsured(state.attempt)
    if not state.known_spec.installs or not state.run_script:
        return (ensured, events.ScriptFinished(state.attempt))
    return (ensured,)


def script(state: State, report: messages.ScriptReported) -> Events:
    if state.phase is not Phase.SCRIPTING or report.attempt != state.attempt:
        return replacement.script(state, report)
    error = replacement.to_script_error(report)
    if error is not None:
        return (events.InstallationFailed(state.attempt, "failed", error),)
    return (events.ScriptFinished(state.attempt),)


def install_time(state: State, report: messages.InstallTimeElapsed) -> Events:
    if state.phase is not Phase.SCRIPTING or report.attempt != state.attempt:
        return replacement.install_time(state, report)
    reason = replacement.to_overtime(state.known_spec.install_timeout)
    return (events.InstallationFailed(state.attempt, "timeout", reason),)


def creation(state: State, report: messages.CreationReported) -> Events:
    rebuilding = state.phase is Phase.STARTING and state.engine_id is None
    if report.attempt != state.attempt or not (state.phase is Phase.CREATING or rebuilding):
        return ()
    if report.engine_id is None:
        reason = report.error or "the engine did not create the container"
        if rebuilding:
            return _start_failed(state, reason)
        return (events.InstallationFailed(state.attempt, "failed", reason),)
    if rebuilding:
        return (events.Rebuilt(report.engine_id),)
    return (events.Installed(state.attempt, report.engine_id),)


# The process


def start(state: State, report: messages.StartReported) -> Events:
    if state.phase is not Phase.STARTING or report.run != state.run or state.engine_id is None:
        return ()
    snapshot = report.snapshot
    if report.error is not None:
        return _start_failed(state, report.error)
    if snapshot is None:
        return (events.Vanished(state.engine_id),)
    if snapshot.engine_id != state.engine_id:
        return ()
    if snapshot.started_at is None or snapshot.started_at == state.previous:
        return _start_failed(state, "the engine did not start the process")
    started = events.Started(state.run, snapshot.started_at)
    if not snapshot.running:
        return (started, *_exited(state, snapshot, report.tail))
    return (started, *_ready_at_once(state, state.run))


def _start_failed(state: State, reason: str) -> Events:
    """Return that this run failed to start; a run that followed a crash counts as a crash, too."""
    failed = events.StartFailed(state.run, reason)
    return (failed, *restarts.after_failure(state, reason)) if state.restarts else (failed,)


def _ready_at_once(state: State, run: int) -> Events:
    mine = run == state.run
    spec = state.known_spec
    pattern, texts = (state.pattern, state.texts) if mine else (spec.start_pattern, spec.start_texts)
    if (pattern is None and not texts) or (state.pattern_seen and mine):
        return (events.BecameReady(run),)
    return ()


def readiness(state: State, report: messages.ReadinessReported) -> Events:
    if report.run != state.run:
        return ()
    match state.phase:
        case Phase.STARTING:
            return () if state.pattern_seen else (events.PatternSeen(state.run),)
        case Phase.LOADING:
            return (events.BecameReady(state.run),)
        case Phase.RUNNING | Phase.STOPPING | Phase.KILLING:
            return ()
        case Phase.ABSENT | Phase.PULLING | Phase.SCRIPTING | Phase.CREATING | Phase.FAILED:
            return ()
        case Phase.OFFLINE | Phase.WAITING | Phase.RESTORING:
            return ()
        case Phase.REINSTALLING | Phase.BUILDING | Phase.REPLACING | Phase.DELETING | Phase.DELETED:
            return ()
    assert_never(state.phase)


def hint(state: State, report: messages.HintReported) -> Events:
    if report.run != state.run or events.HintGiven not in state.traits.leads:
        return ()
    return (events.HintGiven(state.run, report.hint, HINTS[report.hint].advice),)


def grace(state: State, report: messages.GraceElapsed) -> Events:
    if state.phase is Phase.STOPPING and report.run == state.run:
        return (events.StopTimedOut(state.run),)
    return ()


def backoff(state: State, report: messages.BackoffElapsed) -> Events:
    if state.phase is Phase.WAITING and report.run == state.run:
        return (events.StartRequested(state.run + 1),)
    return ()


def restore(state: State, report: messages.RestoreDecided) -> Events:
    if state.phase is not Phase.RESTORING or report.run != state.run:
        return ()
    return (events.StartRequested(state.run + 1) if report.allowed else events.RestartCalledOff(state.run),)


def end(state: State, report: messages.EndReported) -> Events:
    if state.stage is not Stage.ENDING or report.run != state.run:
        return ()
    if report.snapshot is not None and report.snapshot.running:
        return ()
    return _exited(state, report.snapshot)


def inspected(state: State, report: messages.Inspected) -> Events:
    snapshot = report.snapshot
    if snapshot.engine_id != state.engine_id or snapshot.started_at is None:
        return ()
    match state.phase:
        case Phase.OFFLINE | Phase.WAITING | Phase.RESTORING:
            return _inspected_at_rest(state, snapshot.running, snapshot.started_at)
        case Phase.LOADING | Phase.RUNNING:
            return _inspected_up(state, report, snapshot.started_at)
        case Phase.STOPPING | Phase.KILLING:
            return _inspected_ending(state, snapshot, snapshot.started_at)
        case Phase.STARTING:
            return ()  # ``StartReported`` tells what became of it
        case Phase.ABSENT | Phase.PULLING | Phase.SCRIPTING | Phase.CREATING | Phase.FAILED:
            return ()
        case Phase.REINSTALLING | Phase.BUILDING | Phase.REPLACING | Phase.DELETING | Phase.DELETED:
            return ()
    assert_never(state.phase)


def _inspected_at_rest(state: State, running: bool, started_at: float) -> Events:  # noqa: FBT001 - a record's
    if running and started_at > (state.started_at or state.previous or 0.0):
        return _found_running(state, state.run + 1, started_at)
    return ()


def _inspected_up(state: State, report: messages.Inspected, started_at: float) -> Events:
    assert state.started_at is not None  # noqa: S101 - the way here is Started or FoundRunning
    snapshot = report.snapshot
    if not snapshot.running and started_at >= state.started_at:
        return _exited(state, snapshot, report.tail)
    if snapshot.running and started_at > state.started_at:
        reason = "the process ended unnoticed and was started again outside lightd"
        missed = events.Exited(state.run, None, False, False, state.started_at, None, reason)  # noqa: FBT003 - a record
        return (missed, *_found_running(state, state.run + 1, started_at))
    return ()


def _inspected_ending(state: State, snapshot: Snapshot, started_at: float) -> Events:
    known = state.started_at or state.previous or 0.0
    never_started = state.started_at is None and started_at == known
    if not snapshot.running and not never_started and started_at >= known:
        return _exited(state, snapshot)
    return ()


def _found_running(state: State, run: int, started_at: float) -> Events:
    return (events.FoundRunning(run, started_at), *_ready_at_once(state, run))


def absence(state: State, report: messages.AbsenceReported) -> Events:
    if report.engine_id != state.engine_id:
        return ()
    match state.phase:
        case Phase.OFFLINE | Phase.WAITING | Phase.RESTORING:
            return (events.Vanished(report.engine_id),)
        case Phase.LOADING | Phase.RUNNING | Phase.STOPPING | Phase.KILLING:
            return _exited(state, None, report.tail)
        case Phase.STARTING:
            return ()  # ``StartReported`` tells that it is missing
        case Phase.ABSENT | Phase.PULLING | Phase.SCRIPTING | Phase.CREATING | Phase.FAILED:
            return ()
        case Phase.REINSTALLING | Phase.BUILDING | Phase.REPLACING | Phase.DELETING | Phase.DELETED:
            return ()
    assert_never(state.phase)


def _exited(state: State, snapshot: Snapshot | None, tail: tuple[str, ...] = ()) -> Events:
    """Return how this run ended, that its container is missing if it is, and what follows."""
    gone: Events = ()
    if snapshot is None and state.engine_id is not None:
        gone = (events.Vanished(state.engine_id),)
    exited = _to_exit(state, snapshot, tail)
    match state.follow:
        case Follow.REST if state.stage is not Stage.ENDING and exited.expected:
            return (exited, events.RestoreScheduled(state.run))
        case Follow.REST:
            return (exited, *gone, *restarts.after_exit(state, exited))
        case Follow.CHANGE:
            return (exited, *gone)
        case Follow.START:
            return (exited, *gone, events.StartRequested(state.run + 1))
        case Follow.DELETE:
            return (exited, *gone, events.DeletionRequested())
    assert_never(state.follow)


def _to_exit(state: State, snapshot: Snapshot | None, tail: tuple[str, ...]) -> events.Exited:
    expected, reason = state.stage is Stage.ENDING, ""
    if not expected and snapshot is not None and snapshot.interrupted:
        expected, reason = True, INTERRUPTED
    if snapshot is None or snapshot.started_at in (None, state.previous):
        reason = reason if expected else "the container was removed outside lightd"
        exited = events.Exited(state.run, None, False, expected, None, None, reason)  # noqa: FBT003 - a record
    else:
        code, oom_killed = snapshot.exit_code, _is_oom_kill(state, snapshot)
        beside = snapshot.oom_killed and not oom_killed
        told = snapshot.killed_for or restarts.to_reason(code, oom_killed=oom_killed, child_oom_killed=beside)
        exited = events.Exited(
            state.run,
            code,
            oom_killed,
            expected,
            snapshot.started_at,
            snapshot.finished_at,
            reason if expected else told,
            child_oom_killed=beside,
        )
    return exited if expected else attrs.evolve(exited, tail=tail)


def _is_oom_kill(state: State, snapshot: Snapshot) -> bool:
    """Return true if the main process was killed because of the memory limit.

    Its own exit decides: the engine's flag is also set if only a child was killed. A SIGKILL that lightd sent
    itself has another cause.
    """
    sigkill = snapshot.exit_code == restarts.SIGKILLED
    return snapshot.oom_killed and sigkill and not snapshot.killed_for and state.phase is not Phase.KILLING


def removal(state: State, report: messages.RemovalReported) -> Events:
    if state.phase is not Phase.DELETING or report.attempt != state.attempt:
        return ()
    return (events.Deleted(),)
