"""Reinstalling a container, and giving it other ports. Pure.

The order of steps, in which a failure never loses the server:

1. The request is recorded; the process runs on. The new image is pulled, or the new container is created
   beside the old one. A missing image, registry or port fails here.
2. Only when that is done the process is asked to end; a process that is down stays down.
3. A reinstallation now runs its script, unless it is not to be run, and creates the new container.
4. The new container replaces the old one and takes its name; ports that are no longer used are released.

Until step 4 the old container is in use, and a failure leaves it as it was. ``stop`` and ``kill`` cancel a
change until step 4 begins; from then on they decide whether the process is started afterwards. By default it
is if it ran and only its ports are changed.
"""

from typing import assert_never

from actors.container import events, messages
from actors.container.events import Events, Follow
from actors.container.state import Kind, Phase, Stage, State
from actors.kernel.decider import Rejection

# Commands


def reinstall(state: State, command: messages.Reinstall) -> Events:
    check_unchanging(state)
    spec = state.known_spec
    image = spec.image if command.image is None else command.image
    if command.install is None and command.install_script is None:
        script, install = spec.install_script, spec.install
    else:
        script, install = command.install_script, command.install
    event = events.InstallationRepeated if state.phase is Phase.FAILED else events.ReinstallRequested
    pull = command.pull or spec.pull
    return (event(state.attempts + 1, image, script, command.run_script, pull, install),)


def rebind(state: State, command: messages.Rebind) -> Events:
    check_unchanging(state)
    if state.phase is Phase.FAILED:
        raise install_failed(state)
    if command.ports == state.known_spec.ports:
        return ()
    return (events.RebindRequested(state.attempts + 1, command.ports),)


def check_unchanging(state: State) -> None:
    """Raise ``Rejection`` if the container does not exist, or is being installed, changed or deleted."""
    if state.stage is Stage.GONE:
        raise Rejection("not_found", "no such container")
    if state.stage is Stage.DELETING or state.follow is Follow.DELETE:
        raise deleting(state)
    if state.stage is Stage.INSTALLING:
        raise installing(state)
    if state.change is not None:
        raise changing(state)
    if state.limits_before is not None:
        raise Rejection(
            "changing", f"the limits of container {state.known_spec.internal_id} are being changed"
        )


def cancel(state: State) -> Events:
    """Return the end of a change that can still be cancelled."""
    if state.change is None or state.phase is Phase.REPLACING:
        return ()
    return _end(state, "cancelled", "cancelled on request")


def resume(state: State, *, resume: bool) -> Events:
    """Return the decision whether the process is started after the replacement."""
    if state.known_change.resume is resume:
        return ()
    return (events.ResumptionDecided(state.known_change.attempt, resume),)


def installing(state: State) -> Rejection:
    return Rejection("installing", f"container {state.known_spec.internal_id} is being installed")


def changing(state: State) -> Rejection:
    how = "reinstalled" if state.known_change.kind is Kind.REINSTALL else "given other ports"
    return Rejection("changing", f"container {state.known_spec.internal_id} is being {how}")


def deleting(state: State) -> Rejection:
    return Rejection("deleting", f"container {state.known_spec.internal_id} is being deleted")


def install_failed(state: State) -> Rejection:
    message = f"the installation of container {state.known_spec.internal_id} failed: {state.error}"
    return Rejection("install_failed", message)


# Observations


def image(state: State, report: messages.ImageReported) -> Events:
    change = state.change
    if change is None or change.attempt != report.attempt:
        return ()
    if change.kind is not Kind.REINSTALL or change.image_ensured:
        return ()
    if report.error is not None:
        return _end(state, "failed", report.error)
    return (events.NewImageEnsured(report.attempt),)


def script(state: State, report: messages.ScriptReported) -> Events:
    if state.phase is not Phase.REINSTALLING or report.attempt != state.known_change.attempt:
        return ()
    error = to_script_error(report)
    return (events.NewScriptFinished(report.attempt),) if error is None else _end(state, "failed", error)


def to_script_error(report: messages.ScriptReported) -> str | None:
    """Return why the install script failed, None if it succeeded."""
    if report.error is None and report.code != 0:
        return f"the install script ended with exit code {report.code}"
    return report.error


def install_time(state: State, report: messages.InstallTimeElapsed) -> Events:
    if state.phase is not Phase.REINSTALLING or report.attempt != state.known_change.attempt:
        return ()
    return _end(state, "timeout", to_overtime(state.known_change.spec.install_timeout))


def to_overtime(seconds: float) -> str:
    return f"the install script took longer than {seconds:g} seconds"


def candidate(state: State, report: messages.CandidateReported) -> Events:
    change = state.change
    if change is None or change.attempt != report.attempt or change.engine_id is not None:
        return ()
    if change.kind is Kind.REINSTALL and state.phase is not Phase.BUILDING:
        return ()
    if report.engine_id is None:
        return _end(state, "failed", report.error or "the engine did not create the container")
    return (events.CandidateBuilt(report.attempt, report.engine_id),)


def replacement(state: State, report: messages.ReplacementReported) -> Events:
    if state.phase is not Phase.REPLACING or report.attempt != state.known_change.attempt:
        return ()
    if report.error is not None:
        return _end(state, "failed", report.error)
    replaced = events.Replaced(report.attempt)
    return (replaced, events.StartRequested(state.run + 1)) if state.known_change.resume else (replaced,)


def _end(state: State, fault: str, reason: str) -> Events:
    attempt = state.known_change.attempt
    if state.stage is Stage.CHANGING:
        return (events.ChangeAbandoned(attempt, fault, reason),)
    return (events.ChangeFailed(attempt, fault, reason),)


# The next step


def proceed(state: State) -> Events:
    """Return the next step of a prepared change, if the state allows it now."""
    change = state.change
    if change is None or not change.prepared:
        return ()
    match state.phase:
        case Phase.OFFLINE | Phase.WAITING | Phase.RESTORING if change.kind is Kind.REBIND:
            return (events.ReplacementBegan(change.attempt),)
        case Phase.OFFLINE | Phase.WAITING | Phase.RESTORING if (
            not change.spec.installs or not change.run_script
        ):
            return (events.ReinstallBegan(change.attempt), events.NewScriptFinished(change.attempt))
        case Phase.OFFLINE | Phase.WAITING | Phase.RESTORING:
            return (events.ReinstallBegan(change.attempt),)
        case Phase.LOADING | Phase.RUNNING:
            return (events.StopRequested(state.run, Follow.CHANGE),)
        case Phase.STARTING | Phase.STOPPING | Phase.KILLING:
            return ()  # the change goes on once the process is up or down
        case Phase.REINSTALLING | Phase.BUILDING | Phase.REPLACING | Phase.DELETING | Phase.DELETED:
            return ()
        case Phase.ABSENT | Phase.PULLING | Phase.SCRIPTING | Phase.CREATING | Phase.FAILED:
            return ()
    assert_never(state.phase)
