"""A decider: the whole behaviour of an actor as pure functions.

``decide`` turns a message into the events that happened, ``evolve`` folds an event into the state, and
``effects`` says which work a state wants done. Effects belong to states, not to events: after every event
the actor starts what is newly wanted and cancels what no longer is, so leaving a state cancels its timers
with no bookkeeping, and an actor that was restarted is resuming as soon as it has replayed.

Where the order of events of two streams matters, ``locate`` puts the position of an event into the state: a
position follows from the journal, so it is stored in no event.

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


class Rejection(Exception):  # noqa: N818 - the caller's fault is no error of ours, and the word is the domain's
    """A command that the state forbids: the caller asked for it, nothing happened, nothing was recorded.

    ``code`` is a stable slug for programs, ``message`` one sentence for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@attrs.frozen
class Decider(Generic[S, M, E, F]):
    """Pure functions over a state ``S``, messages ``M``, events ``E`` and effects ``F``.

    ``decide`` answers ``()`` where the message changes nothing and raises ``Rejection`` where the state
    forbids a command; an observation is never rejected. ``evolve`` accepts every event that ``decide``
    can answer. ``locate`` is told the position of each event after it was evolved. None of them reads a
    clock, a random number or anything outside its arguments.
    """

    initial: S
    decide: Callable[[S, M], Sequence[E]]
    evolve: Callable[[S, E], S]
    effects: Callable[[S], frozenset[F]]
    locate: Callable[[S, E, int], S] = lambda state, _event, _position: state


def replay(decider: Decider[S, M, E, F], state: S, events: Sequence[E]) -> S:
    """Return ``state`` with ``events`` folded in, in their order."""
    for event in events:
        state = decider.evolve(state, event)
    return state
