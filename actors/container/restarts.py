"""What follows a crash: a restart after a while, or none. Pure.

A crash is an end that nobody asked for. ``never`` leaves the process at rest; ``on-crash`` starts it again
unless it ended with 0 and in memory, as one does that was told to on its own console; ``always`` starts it
again whatever it ended with. Each crash in a row waits twice as long as the one before; a minute in health
ends the row. ``max`` restarts within ``within`` seconds are a crash loop, which is called one and left alone.
"""

from typing import Final

from actors.container import events
from actors.container.events import Events
from actors.container.state import State
from actors.kernel.backoff import Backoff

HEALTHY: Final = 60.0
BACKOFF: Final = Backoff(1.0, 60.0)

_SIGNALLED: Final = 128


def after_exit(state: State, exited: events.Exited) -> Events:
    """Return what follows ``exited``, the end of the run that ``state`` is in."""
    policy = state.known_spec.restart_policy
    clean = exited.code == 0 and not exited.oom_killed
    if exited.expected or policy.mode == "never" or (policy.mode == "on-crash" and clean):
        return ()
    row = () if was_healthy(exited) else state.restarts
    known = (exited.at, exited.started_at, state.started_at, *reversed(row))
    at = next((moment for moment in known if moment is not None), 0.0)
    return _after_crash(state, row, at, exited.reason)


def after_failure(state: State, reason: str) -> Events:
    """Return what follows a restart that came to nothing."""
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
    """Return true where this end begins a new row: it was asked for, or came after a healthy minute."""
    if exited.started_at is None or exited.at is None:
        return exited.expected
    return exited.expected or exited.at - exited.started_at >= HEALTHY


def to_reason(code: int | None, *, oom_killed: bool) -> str:
    """Return for a person how a process ended."""
    if oom_killed:
        return "the process was killed for using more memory than it may"
    if code is None:
        return "the process ended"
    if code > _SIGNALLED:
        return f"the process was ended by signal {code - _SIGNALLED}"
    return f"the process ended with exit code {code}"
