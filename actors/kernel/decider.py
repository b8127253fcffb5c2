"""A decider: the whole behaviour of an actor as pure functions.

``decide`` turns a message into the events that happened, ``evolve`` folds an event into the state, and
``effects`` says which work a state wants done. Effects belong to states, not to events: after every event
the actor starts the newly wanted effects and cancels those no longer wanted. So leaving a state cancels its
timers without bookkeeping, and a restarted actor continues as soon as it has replayed.

Where the order of events in two streams matters, ``locate`` puts the position of an event into the state. The
position is known from the journal, so no event stores it.

The shape is the decider of Jérémie Chassaing's functional event sourcing, with ``effects`` and ``locate``
added.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

import attrs

S = TypeVar("S")
M = TypeVar("M")
E = TypeVar("E")
F = TypeVar("F", bound=Hashable)


class Rejection(Exception):  # noqa: N818 - a fault of the caller, named by the term of the domain
    """A command that is not allowed in the current state; nothing was done or recorded.

    ``code`` is a stable slug for programs, ``message`` one sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@attrs.frozen
class Decider(Generic[S, M, E, F]):
    """Pure functions over a state ``S``, messages ``M``, events ``E`` and effects ``F``.

    ``decide`` returns ``()`` if the message changes nothing, and raises ``Rejection`` if the state does not
    allow the command; an observation is never rejected. ``evolve`` accepts every event that ``decide`` can
    return. ``locate`` gets the position of each event after it was evolved. None of them reads a clock, a
    random number or anything else outside its arguments.
    """

    initial: S
    decide: Callable[[S, M], Sequence[E]]
    evolve: Callable[[S, E], S]
    effects: Callable[[S], frozenset[F]]
    locate: Callable[[S, E, int], S] = lambda state, _event, _position: state


def replay(decider: Decider[S, M, E, F], state: S, events: Sequence[E]) -> S:
    """Return the state after ``events``, in their order."""
    for event in events:
        state = decider.evolve(state, event)
    return state
