"""The SFTP credentials of all containers. Pure."""

from collections.abc import Mapping
from typing import assert_never

import attrs

from actors.kernel.decider import Decider, Rejection
from actors.sftp.messages import (
    Add,
    CredentialAdded,
    CredentialRemoved,
    CredentialsSwept,
    Event,
    Message,
    Remove,
    Sweep,
)

MOST = 5_000
"""The most credentials at a time."""
MOST_IN_ONE = 20
"""The most credentials of one container."""

SWEEPING = "sweeping"
"""The only effect: while there are credentials, they are swept regularly."""


@attrs.frozen
class Credential:
    """One credential; see ``messages.Add``.

    ``position`` is where in the journal it was added: it does not apply to a container that was created with
    the same id after a deletion behind it.
    """

    credential_id: str
    internal_id: str
    username: str
    password_hash: str = attrs.field(repr=False)
    public_keys: tuple[str, ...]
    read_only: bool
    created_at: float
    expires_at: float | None
    position: int = 0

    @property
    def login(self) -> str:
        """The user name to log in with."""
        return f"{self.username}.{self.internal_id}" if self.username else self.internal_id

    def expired(self, at: float) -> bool:
        """Return true if it has expired."""
        return self.expires_at is not None and at >= self.expires_at

    def is_outlived(self, endings: Mapping[str, int]) -> bool:
        """Return true if its container was deleted; ``endings`` has the last deletion of each, a position."""
        return endings.get(self.internal_id, 0) > self.position

    def opens(self, at: float, endings: Mapping[str, int]) -> bool:
        """Return true if it is accepted."""
        return not self.expired(at) and not self.is_outlived(endings)


@attrs.frozen
class State:
    """All credentials by their ids, oldest first."""

    credentials: Mapping[str, Credential] = attrs.field(factory=dict)


def decide(state: State, message: Message) -> tuple[Event, ...]:
    """Return the events that ``message`` leads to; raises ``Rejection``."""
    match message:
        case Add():
            return _add(state, message)
        case Remove():
            found = state.credentials.get(message.credential_id)
            if found is None or found.internal_id != message.internal_id or found.expired(message.at):
                raise Rejection("credential_not_found", "no such credential")
            return (CredentialRemoved(message.credential_id),)
        case Sweep():
            gone = tuple(
                name
                for name, credential in state.credentials.items()
                if credential.expired(message.at) or name in message.outlived
            )
            return (CredentialsSwept(gone),) if gone else ()
    assert_never(message)


def _add(state: State, command: Add) -> tuple[Event, ...]:
    swept: tuple[Event, ...] = decide(state, Sweep(command.at))
    kept = state
    for event in swept:
        kept = evolve(kept, event)
    there = sum(credential.internal_id == command.internal_id for credential in kept.credentials.values())
    if there >= MOST_IN_ONE:
        message = f"the container has {MOST_IN_ONE} SFTP credentials, which is the maximum: remove some"
        raise Rejection("too_many_credentials", message)
    if len(kept.credentials) >= MOST:
        message = f"there are {MOST:,} SFTP credentials, which is the maximum: remove some"
        raise Rejection("too_many_credentials", message)
    added = CredentialAdded(
        command.credential_id,
        command.internal_id,
        command.username,
        command.password_hash,
        command.public_keys,
        command.read_only,
        command.at,
        command.expires_at,
    )
    return (*swept, added)


def evolve(state: State, event: Event) -> State:
    """Return the credentials after ``event``."""
    match event:
        case CredentialAdded():
            credential = Credential(**attrs.asdict(event))
            return State({**state.credentials, event.credential_id: credential})
        case CredentialRemoved():
            return _without(state, frozenset({event.credential_id}))
        case CredentialsSwept():
            return _without(state, frozenset(event.credential_ids))
    assert_never(event)


def _without(state: State, gone: frozenset[str]) -> State:
    return State({name: each for name, each in state.credentials.items() if name not in gone})


def effects(state: State) -> frozenset[str]:
    """Return the sweep if there are credentials."""
    return frozenset({SWEEPING}) if state.credentials else frozenset()


def locate(state: State, event: Event, position: int) -> State:
    """Return the credentials with the journal position of a new one."""
    if not isinstance(event, CredentialAdded):
        return state
    name = event.credential_id
    return State({**state.credentials, name: attrs.evolve(state.credentials[name], position=position)})


DECIDER: Decider[State, Message, Event, str] = Decider(State(), decide, evolve, effects, locate)
