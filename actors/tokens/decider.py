"""Which tokens there are. Pure.

A token for one use is spent by one event: of two uses at once the second finds it spent, whatever the order
in which they came to the door. It is remembered afterwards, for as long as it holds a socket open and for
``REMEMBERED`` seconds in any case: so that whoever revokes it while it opens one closes that too.
"""

from collections.abc import Mapping
from typing import assert_never

import attrs

from actors.kernel.decider import Decider, Rejection
from actors.tokens.grant import Grant
from actors.tokens.messages import (
    Event,
    Message,
    Mint,
    Revoke,
    Spend,
    Sweep,
    TokenMinted,
    TokenRevoked,
    TokenSpent,
    TokensSwept,
    to_id,
)

MOST = 10_000
"""So many tokens there may be at a time, the spent ones that are still remembered among them."""

REMEMBERED = 300.0

SWEEPING = "sweeping"
"""The one effect: while there are tokens, they are swept now and then."""


@attrs.frozen
class Token:
    """One token. ``spent_at`` is None until its only use; times are Unix seconds.

    ``position`` is where in the journal it was minted. A container that was deleted after that is none of
    its containers any more, nor is one that was made anew under the same id.
    """

    digest: str = attrs.field(repr=False)
    grant: Grant
    remove_on_use: bool
    created_at: float
    expires_at: float
    spent_at: float | None = None
    position: int = 0

    def remaining(self, endings: Mapping[str, int]) -> Grant:
        """Return its grant, without the containers that were deleted since it was minted.

        ``endings`` has the position of the last deletion of each id, where there was one.
        """
        named = self.grant.containers
        if named is None or all(endings.get(name, 0) < self.position for name in named):
            return self.grant
        kept = frozenset(name for name in named if endings.get(name, 0) < self.position)
        return attrs.evolve(self.grant, containers=kept)

    def is_outlived(self, endings: Mapping[str, int]) -> bool:
        """Return true where it named containers, and all of them were deleted since it was minted."""
        return bool(self.grant.containers) and not self.remaining(endings).containers

    @property
    def token_id(self) -> str:
        """Its public name."""
        return to_id(self.digest)

    def expired(self, at: float) -> bool:
        """Return true where its time is over."""
        return at >= self.expires_at

    def opens(self, at: float) -> bool:
        """Return true where it lets its bearer in."""
        return self.spent_at is None and not self.expired(at)


@attrs.frozen
class State:
    """All tokens that are remembered, by their ids, the oldest first."""

    tokens: Mapping[str, Token] = attrs.field(factory=dict)


def decide(state: State, message: Message) -> tuple[Event, ...]:
    """Return what follows from ``message``; raises ``Rejection``."""
    match message:
        case Mint():
            return _mint(state, message)
        case Spend():
            token = _find(state, message.token_id, message.at)
            if token.spent_at is not None:
                raise Rejection("token_spent", "this token was good for one use, which it has had")
            return (TokenSpent(message.token_id, message.at),) if token.remove_on_use else ()
        case Revoke():
            _find(state, message.token_id, message.at)
            return (TokenRevoked(message.token_id),)
        case Sweep():
            gone = tuple(
                name
                for name, token in state.tokens.items()
                if token.expired(message.at) or (_is_over(token, message.at) and name not in message.in_use)
            )
            return (TokensSwept(gone),) if gone else ()
    assert_never(message)


def _mint(state: State, command: Mint) -> tuple[Event, ...]:
    if to_id(command.digest) in state.tokens:
        raise Rejection("already_exists", "this token exists already")
    swept: tuple[Event, ...] = ()
    if len(state.tokens) >= MOST:
        swept = decide(state, Sweep(command.at, frozenset(state.tokens)))
        if not swept:
            message = f"there are {MOST:,} tokens already: revoke some, or wait until they expire"
            raise Rejection("too_many_tokens", message)
    grant = command.grant
    minted = TokenMinted(
        command.digest,
        None if grant.containers is None else tuple(sorted(grant.containers)),
        None if grant.permissions is None else tuple(sorted(grant.permissions)),
        command.remove_on_use,
        command.at,
        command.expires_at,
    )
    return (*swept, minted)


def _find(state: State, token_id: str, at: float) -> Token:
    token = state.tokens.get(token_id)
    if token is None or token.expired(at):
        raise Rejection("token_not_found", "no such token")
    return token


def _is_over(token: Token, at: float) -> bool:
    return token.spent_at is not None and at >= token.spent_at + REMEMBERED


def evolve(state: State, event: Event) -> State:
    """Return the tokens after ``event``."""
    match event:
        case TokenMinted():
            grant = Grant(_to_set(event.containers), _to_set(event.permissions))
            token = Token(event.digest, grant, event.remove_on_use, event.created_at, event.expires_at)
            return State({**state.tokens, token.token_id: token})
        case TokenSpent():
            token = attrs.evolve(state.tokens[event.token_id], spent_at=event.at)
            return State({**state.tokens, event.token_id: token})
        case TokenRevoked():
            return _without(state, frozenset({event.token_id}))
        case TokensSwept():
            return _without(state, frozenset(event.token_ids))
    assert_never(event)


def _to_set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _without(state: State, gone: frozenset[str]) -> State:
    return State({name: token for name, token in state.tokens.items() if name not in gone})


def effects(state: State) -> frozenset[str]:
    """Return what is to be done while ``state`` lasts: without tokens, nothing."""
    return frozenset({SWEEPING}) if state.tokens else frozenset()


def locate(state: State, event: Event, position: int) -> State:
    """Return the tokens after ``event``, with where a new one stands in the journal."""
    if not isinstance(event, TokenMinted):
        return state
    name = to_id(event.digest)
    return State({**state.tokens, name: attrs.evolve(state.tokens[name], position=position)})


DECIDER: Decider[State, Message, Event, str] = Decider(State(), decide, evolve, effects, locate)
