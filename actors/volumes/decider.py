"""Which volumes exist. Pure."""

from collections.abc import Mapping
from itertools import chain
from typing import assert_never

import attrs

from actors.kernel.decider import Decider, Rejection
from actors.volumes.messages import (
    Adopt,
    Assign,
    Create,
    Delete,
    Event,
    Message,
    Resize,
    VolumeCreated,
    VolumeDeleted,
    VolumeOwnerAssigned,
    VolumeResized,
)


@attrs.frozen
class Volume:
    """One volume. ``quota_mb`` is None for no quota; ``created_at`` is in Unix seconds."""

    volume_id: str
    quota_mb: int | None
    created_at: float
    uid: int | None = None


@attrs.frozen
class State:
    """All volumes, oldest first."""

    volumes: Mapping[str, Volume] = attrs.field(factory=dict)
    last_uid: int = 0


def decide(state: State, message: Message) -> tuple[Event, ...]:
    """Return the events that ``message`` leads to; raises ``Rejection``."""
    known = message.volume_id in state.volumes
    match message:
        case Create():
            if known:
                raise Rejection("already_exists", f"volume {message.volume_id} exists already")
            created = VolumeCreated(message.volume_id, message.quota_mb, message.at)
            if message.users is None:
                return (created,)
            return (created, VolumeOwnerAssigned(message.volume_id, _to_free_user(state, message)))
        case Adopt():
            return _adopt(state, message)
        case Assign():
            if not known:
                raise Rejection("not_found", "no such volume")
            if state.volumes[message.volume_id].uid is not None:
                return ()
            return (VolumeOwnerAssigned(message.volume_id, _to_free_user(state, message)),)
        case Resize():
            if not known:
                raise Rejection("not_found", "no such volume")
            if state.volumes[message.volume_id].quota_mb == message.quota_mb:
                return ()
            return (VolumeResized(message.volume_id, message.quota_mb),)
        case Delete():
            if not known:
                raise Rejection("not_found", "no such volume")
            return (VolumeDeleted(message.volume_id),)
    assert_never(message)


def _adopt(state: State, message: Adopt) -> tuple[Event, ...]:
    if message.volume_id in state.volumes:
        raise Rejection("already_exists", f"volume {message.volume_id} exists already")
    created = VolumeCreated(message.volume_id, message.quota_mb, message.at)
    if message.uid is None:
        return (created,)
    for other in state.volumes.values():
        if other.uid == message.uid:
            raise Rejection(
                "not_adoptable",
                f"user {message.uid} of volume {message.volume_id} is that of volume {other.volume_id} now",
            )
    return (created, VolumeOwnerAssigned(message.volume_id, message.uid))


def _to_free_user(state: State, message: Create | Assign) -> int:
    """Return the next free user after the last one assigned, so that users are reused as late as possible.

    Files of a deleted volume may still exist.
    """
    assert message.users is not None  # noqa: S101 - checked by the caller
    first, last = message.users
    taken = {volume.uid for volume in state.volumes.values()} | message.reserved
    begin = state.last_uid + 1 if first <= state.last_uid < last else first
    for uid in chain(range(begin, last + 1), range(first, begin)):
        if uid not in taken:
            return uid
    raise Rejection("no_free_user", "every user of docker.user_range has a volume: make the range larger")


def evolve(state: State, event: Event) -> State:
    """Return the volumes after ``event``."""
    match event:
        case VolumeCreated():
            volume = Volume(event.volume_id, event.quota_mb, event.at)
            return attrs.evolve(state, volumes={**state.volumes, event.volume_id: volume})
        case VolumeOwnerAssigned():
            volume = attrs.evolve(state.volumes[event.volume_id], uid=event.uid)
            return State({**state.volumes, event.volume_id: volume}, event.uid)
        case VolumeResized():
            volume = attrs.evolve(state.volumes[event.volume_id], quota_mb=event.quota_mb)
            return attrs.evolve(state, volumes={**state.volumes, event.volume_id: volume})
        case VolumeDeleted():
            left = {key: volume for key, volume in state.volumes.items() if key != event.volume_id}
            return attrs.evolve(state, volumes=left)
    assert_never(event)


def effects(_: State) -> frozenset[str]:
    """Return nothing: volumes have no effects."""
    return frozenset()


DECIDER: Decider[State, Message, Event, str] = Decider(State(), decide, evolve, effects)
