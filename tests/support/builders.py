"""Specs and events with default values, for tests that are about something else of them."""

import attrs

from actors.container import events, restarts
from actors.container.spec import ContainerSpec

STARTED_AT = 100.0
"""When the first run of a container in ``tests.support.given`` started."""


def a_spec(internal_id: str = "s1", startup_command: str = "run", **changes: object) -> ContainerSpec:
    """The spec of a container: of what isn't in ``changes`` it has the default."""
    return attrs.evolve(ContainerSpec(internal_id, "image", "volume", startup_command), **changes)


def exited(run=1, code=0, oom=False, expected=False, started_at=STARTED_AT, at=STARTED_AT + 50):
    """The event of a run that ended with an exit code, with the reason that the decider gives."""
    reason = "" if expected else restarts.to_reason(code, oom_killed=oom)
    return events.Exited(run, code, oom, expected, started_at, at, reason)


def lost(run=1, expected=False):
    """The event of a run whose container was removed: it has no exit code and no times."""
    reason = "" if expected else "the container was removed outside lightd"
    return events.Exited(run, None, False, expected, None, None, reason)


def missed(run=1):
    """The event of a run that ended unseen before somebody started the container again."""
    reason = "the process ended unnoticed and was started again outside lightd"
    return events.Exited(run, None, False, False, STARTED_AT, None, reason)
