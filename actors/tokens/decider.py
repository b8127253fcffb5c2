"""The minted tokens. Pure.

A single-use token is spent by one event: of two simultaneous uses the second is rejected. It is remembered
afterwards while it has an open socket, and for at least ``REMEMBERED`` seconds, so that revoking it while
a socket is being opened closes that socket, too.
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
"""The most tokens at a time, including spent ones that are still remembered."""

REMEMBERED = 300.0

SWEEPING = "sweeping"
"""The only effect: while there are tokens, they are swept regularly."""


@attrs.frozen
class Token:
    """One token. ``spent_at`` is None until its only use; times are in Unix seconds.

    ``position`` is where in the journal it was minted. It does not apply to a container that was deleted
    after that, nor to a new container with the same id.
    """

    digest: str = attrs.field(repr=False)
    grant: Grant
    remove_on_use: bool
    created_at: float
    expires_at: float
    spent_at: float | None = None
    position: int = 0

    def remaining(self, endings: Mapping[str, int]) -> Grant:
        """Return its grant without the containers that were deleted since it was minted.

        ``endings`` has the position of the last deletion by container id.
        """
        named = self.grant.containers
        if named is None or all(endings.get(name, 0) < self.position for name in named):
            return self.grant
        kept = frozenset(name for name in named if endings.get(name, 0) < self.position)
        return attrs.evolve(self.grant, containers=kept)

    def is_outlived(self, endings: Mapping[str, int]) -> bool:
        """Return true if it names containers and all of them were deleted since it was minted."""
        return bool(self.grant.containers) and not self.remaining(endings).containers

    @property
    def token_id(self) -> str:
        """Its public id."""
        return to_id(self.digest)

    def expired(self, at: float) -> bool:
        """Return true if it has expired."""
        return at >= self.expires_at

    def opens(self, at: float) -> bool:
        """Return true if it is accepted."""
        return self.spent_at is None and not self.expired(at)


@attrs.frozen
class State:
    """All remembered tokens by their ids, oldest first."""

    tokens: Mapping[str, Token] = attrs.field(factory=dict)


def decide(state: State, message: Message) -> tuple[Event, ...]:
    """Return the events that ``message`` leads to; raises ``Rejection``."""
    match message:
        case Mint():
            return _mint(state, message)
        case Spend():
            token = _find(state, message.token_id, message.at)
            if token.spent_at is not None:
                raise Rejection(
                    "token_spent", "this single-use token has already been used: request a new one"
                )
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
    """Return the sweep if there are tokens."""
    return frozenset({SWEEPING}) if state.tokens else frozenset()


def locate(state: State, event: Event, position: int) -> State:
    """Return the tokens with the journal position of a new one."""
    if not isinstance(event, TokenMinted):
        return state
    name = to_id(event.digest)
    return State({**state.tokens, name: attrs.evolve(state.tokens[name], position=position)})


DECIDER: Decider[State, Message, Event, str] = Decider(State(), decide, evolve, effects, locate)
