"""The beginning of a container's history as the state that it adds up to. Pure."""

import attrs

from actors.container.state import Phase, State
from actors.kernel import journal


@attrs.frozen
class Condensed(journal.Condensed):
    """The records of the container up to this one were replaced by the state that they add up to."""

    state: State

    def to_state(self) -> State:
        """Return the state."""
        return self.state


def condense(state: State, created_at: float) -> Condensed:
    """Return what stands for the records that add up to ``state``.

    A deleted container is remembered by its numbers alone: a new one with its id goes on from them.
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
