"""Restarts after a crash. Pure.

A crash is an end of the process that was not requested. With the policy ``never`` the process stays down;
``on-crash`` starts it again unless it exited with code 0, as it does when it is stopped by a command on its
own console; ``always`` starts it again in any case. The delay doubles with each
crash in a row, and a minute of running ends the row. ``max`` restarts within ``within`` seconds are a crash
loop: ``RestartsGivenUp`` is recorded, and the process stays down.
"""

from typing import Final

from actors.container import events
from actors.container.events import Events
from actors.container.state import State
from actors.kernel.backoff import Backoff

HEALTHY: Final = 60.0
BACKOFF: Final = Backoff(1.0, 60.0)

_SIGNALLED: Final = 128
SIGKILLED: Final = _SIGNALLED + 9


def after_exit(state: State, exited: events.Exited) -> Events:
    """Return what follows ``exited``, the end of the run that ``state`` is in."""
    policy = state.known_spec.restart_policy
    clean = exited.code == 0
    if exited.expected or policy.mode == "never" or (policy.mode == "on-crash" and clean):
        return ()
    row = () if was_healthy(exited) else state.restarts
    known = (exited.at, exited.started_at, state.started_at, *reversed(row))
    at = next((moment for moment in known if moment is not None), 0.0)
    return _after_crash(state, row, at, exited.reason)


def after_failure(state: State, reason: str) -> Events:
    """Return what follows a restart that failed."""
    return _after_crash(state, state.restarts, state.restarts[-1], reason)


def _after_crash(state: State, row: tuple[float, ...], at: float, reason: str) -> Events:
    policy = state.known_spec.restart_policy
    recent = sum(moment > at - policy.within for moment in row)
    if recent >= policy.max:
        times = "once" if recent == 1 else f"{recent} times"
        loop = f"crash loop: {reason}, after it was restarted {times} within {policy.within:g} seconds"
        return (events.RestartsGivenUp(state.run, loop),)
    return (events.RestartScheduled(state.run, BACKOFF.delay(len(row) + 1), at),)


def was_healthy(exited: events.Exited) -> bool:
    """Return true if this end begins a new row: it was requested, or came after ``HEALTHY`` seconds."""
    if exited.started_at is None or exited.at is None:
        return exited.expected
    return exited.expected or exited.at - exited.started_at >= HEALTHY


def to_reason(code: int | None, *, oom_killed: bool, child_oom_killed: bool = False) -> str:
    """Return a sentence that says how a process ended; ``oom_killed`` and the other one as in ``Exited``."""
    if oom_killed:
        return "the process was killed because it exceeded its memory limit"
    beside = "; another process in the container was killed for its memory" if child_oom_killed else ""
    return _to_end(code) + beside


def _to_end(code: int | None) -> str:
    if code is None:
        return "the process ended"
    if code > _SIGNALLED:
        return f"the process was ended by signal {code - _SIGNALLED}"
    return f"the process ended with exit code {code}"
