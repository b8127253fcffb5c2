"""Which volumes exist. Pure."""

from collections.abc import Mapping
from typing import assert_never

import attrs

from actors.kernel.decider import Decider, Rejection
from actors.volumes.messages import (
    Create,
    Delete,
    Event,
    Message,
    Resize,
    VolumeCreated,
    VolumeDeleted,
    VolumeResized,
)


@attrs.frozen
class Volume:
    """One volume. ``quota_mb`` is None where it has no ceiling; ``created_at`` is Unix seconds."""

    volume_id: str
    quota_mb: int | None
    created_at: float


@attrs.frozen
class State:
    """All volumes, the oldest first."""

    volumes: Mapping[str, Volume] = attrs.field(factory=dict)


def decide(state: State, message: Message) -> tuple[Event, ...]:
    """Return what follows from ``message``; raises ``Rejection``."""
    known = message.volume_id in state.volumes
    match message:
        case Create():
            if known:
                raise Rejection("already_exists", f"volume {message.volume_id} exists already")
            return (VolumeCreated(message.volume_id, message.quota_mb, message.at),)
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


def evolve(state: State, event: Event) -> State:
    """Return the volumes after ``event``."""
    match event:
        case VolumeCreated():
            volume = Volume(event.volume_id, event.quota_mb, event.at)
            return State({**state.volumes, event.volume_id: volume})
        case VolumeResized():
            volume = attrs.evolve(state.volumes[event.volume_id], quota_mb=event.quota_mb)
            return State({**state.volumes, event.volume_id: volume})
        case VolumeDeleted():
            return State({key: volume for key, volume in state.volumes.items() if key != event.volume_id})
    assert_never(event)


def effects(_: State) -> frozenset[str]:
    """Return nothing: volumes do no work of their own."""
    return frozenset()


DECIDER: Decider[State, Message, Event, str] = Decider(State(), decide, evolve, effects)
