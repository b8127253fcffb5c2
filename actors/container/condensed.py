"""The snapshot that replaces the oldest records of a container. Pure."""

import attrs

from actors.container.state import Phase, State
from actors.kernel import journal


@attrs.frozen
class Condensed(journal.Condensed):
    """The older records of the container were replaced by the state that they led to."""

    state: State

    def to_state(self) -> State:
        """Return the state."""
        return self.state


def condense(state: State, created_at: float) -> Condensed:
    """Return the snapshot of ``state``.

    Of a deleted container only the numbers are kept: a new container with its id continues them.
    """
    if state.phase is Phase.DELETED:
        state = State(
            Phase.DELETED,
            attempts=state.attempts,
            run=state.run,
            previous=state.started_at or state.previous,
            ended=state.ended,
        )
    return Condensed(created_at, state)
