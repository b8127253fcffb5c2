"""The port pool: which ports can be used, and which container holds them. Pure.

A lease is all or nothing and is recorded as one event, so there is no gap between the check of a port and its
lease. Two entries of the same port and protocol collide if their addresses are equal, or if one of them is
the wildcard of the other's family (``0.0.0.0``, ``::``): both can be in the pool, but only one can be held.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import assert_never

import attrs

from actors.kernel.decider import Decider, Rejection
from actors.portpool.messages import (
    Add,
    Event,
    Keep,
    Key,
    Lease,
    Mark,
    Message,
    PortMarked,
    PortsAdded,
    PortsLeased,
    PortsReleased,
    PortsRemoved,
    Remove,
)

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


@attrs.frozen
class Entry:
    """One port of the pool: marked manually as in use, held by a container, or free."""

    marked: bool = False
    held_by: str | None = None

    @property
    def in_use(self) -> bool:
        """True if it is marked or held."""
        return self.marked or self.held_by is not None


def _to_addresses(state: "State") -> frozenset[str]:
    return frozenset(ip for ip, _, _ in state.entries)


@attrs.frozen
class State:
    """The pool. ``addresses`` are those of its ports, and perhaps of ports removed since."""

    entries: Mapping[Key, Entry] = attrs.field(factory=dict)
    addresses: frozenset[str] = attrs.field(
        default=attrs.Factory(_to_addresses, takes_self=True), eq=False, repr=False
    )

    def colliding(self, key: Key) -> Iterator[tuple[Key, Entry]]:
        """Iterate over the entries that collide with ``key``, including its own.

        The time depends on the number of addresses, not of ports: a lease has many keys.
        """
        for ip in self.addresses if key[0] in WILDCARDS else (key[0], *WILDCARDS):
            other = (ip, key[1], key[2])
            if other in self.entries and collides(ip, key[0]):
                yield other, self.entries[other]

    def held_by(self, owner: str) -> tuple[Key, ...]:
        """Return the ports that ``owner`` holds."""
        return tuple(key for key, entry in self.entries.items() if entry.held_by == owner)

    def leases(self) -> Mapping[str, frozenset[Key]]:
        """Return the held ports by their holders."""
        held: dict[str, set[Key]] = {}
        for key, entry in self.entries.items():
            if entry.held_by is not None:
                held.setdefault(entry.held_by, set()).add(key)
        return {owner: frozenset(keys) for owner, keys in held.items()}

    def free(self, protocol: str) -> list[Key]:
        """Return the ports that can be leased now."""
        used: dict[int, set[str]] = {}
        for (ip, port, proto), entry in self.entries.items():
            if entry.in_use and proto == protocol:
                used.setdefault(port, set()).add(ip)
        return [
            key
            for key in self.entries
            if key[2] == protocol and not any(collides(key[0], other) for other in used.get(key[1], ()))
        ]


def collides(ip: str, other: str) -> bool:
    """Return true if the same port can't be bound on both addresses."""
    if (":" in ip) != (":" in other):
        return False  # Docker binds :: for IPv6 only
    return ip == other or ip in WILDCARDS or other in WILDCARDS


def decide(state: State, message: Message) -> tuple[Event, ...]:
    """Return the events that ``message`` leads to; raises ``Rejection``."""
    match message:
        case Add():
            return _add(state, message)
        case Remove():
            return _remove(state, message)
        case Mark():
            return _mark(state, message)
        case Lease():
            return _lease(state, message)
        case Keep():
            held = state.held_by(message.owner)
            released = tuple(key for key in held if key not in message.keys)
            return (PortsReleased(message.owner, released),) if released else ()
    assert_never(message)


def _add(state: State, command: Add) -> tuple[Event, ...]:
    keys = tuple(dict.fromkeys(command.keys))
    for key in keys:
        if key in state.entries:
            raise Rejection("port_exists", "Port already exists in pool")
    return (PortsAdded(keys),) if keys else ()


def _remove(state: State, command: Remove) -> tuple[Event, ...]:
    removed: list[Key] = []
    for key in dict.fromkeys(command.keys):
        entry = state.entries.get(key)
        if entry is None:
            if not command.skip_held:
                raise _not_found()
        elif entry.held_by is None:
            removed.append(key)
        elif not command.skip_held:
            raise _held(key, entry.held_by)
    return (PortsRemoved(tuple(removed)),) if removed else ()


def _mark(state: State, command: Mark) -> tuple[Event, ...]:
    entry = state.entries.get(command.key)
    if entry is None:
        raise _not_found()
    for key, holder in _holders(state, command.key):
        if command.in_use or key == command.key:
            raise _held(key, holder)
    return (PortMarked(command.key, command.in_use),) if entry.marked != command.in_use else ()


def _lease(state: State, command: Lease) -> tuple[Event, ...]:
    taken = dict.fromkeys(command.keys)
    missing = tuple(key for key in taken if key not in state.entries)
    if missing and not command.add:
        message = f"Port not found in pool: {_name(missing[0])}; add it first: POST /network/ports"
        raise Rejection("port_not_found", message)
    wanted = tuple(key for key in taken if key in missing or state.entries[key].held_by != command.owner)
    for key in wanted:
        _check_free(state, key, command.owner)
    _check_apart(tuple(taken))
    added = (PortsAdded(missing),) if missing else ()
    return (*added, PortsLeased(command.owner, wanted)) if wanted else ()


def _holders(state: State, key: Key) -> Iterator[tuple[Key, str]]:
    """Iterate over the held ports that collide with ``key``, including itself."""
    for other, entry in state.colliding(key):
        if entry.held_by is not None:
            yield other, entry.held_by


def _check_free(state: State, key: Key, owner: str) -> None:
    for _, entry in state.colliding(key):
        if entry.in_use and entry.held_by != owner:
            by = "is marked as in use: unmark it or choose another port"
            if entry.held_by is not None:
                by = f"is in use by container {entry.held_by}"
            raise Rejection("port_in_use", f"port {_name(key)} {by}")


def _check_apart(keys: tuple[Key, ...]) -> None:
    for n, (ip, port, protocol) in enumerate(keys):
        for other in keys[:n]:
            if other[1:] == (port, protocol) and collides(ip, other[0]):
                raise Rejection(
                    "port_in_use",
                    f"ports {_name(other)} and {_name(keys[n])} collide: one address contains the other",
                )


def _name(key: Key) -> str:
    return f"{key[0]}:{key[1]}/{key[2]}"


def _not_found() -> Rejection:
    return Rejection("port_not_found", "Port not found in pool")


def _held(key: Key, owner: str) -> Rejection:
    return Rejection("port_in_use", f"port {_name(key)} is held by container {owner}")


def evolve(state: State, event: Event) -> State:
    """Return the pool after ``event``."""
    match event:
        case PortsAdded():
            return _with(state, ((key, Entry()) for key in event.keys))
        case PortsRemoved():
            gone = frozenset(event.keys)
            return State({key: entry for key, entry in state.entries.items() if key not in gone})
        case PortMarked():
            return _with(state, [(event.key, Entry(marked=event.in_use))])
        case PortsLeased():
            leased = ((key, attrs.evolve(state.entries[key], held_by=event.owner)) for key in event.keys)
            return _with(state, leased)
        case PortsReleased():
            freed = ((key, attrs.evolve(state.entries[key], held_by=None)) for key in event.keys)
            return _with(state, freed)
    assert_never(event)


def _with(state: State, changes: Iterable[tuple[Key, Entry]]) -> State:
    changed = dict(changes)
    return State({**state.entries, **changed}, state.addresses.union(ip for ip, _, _ in changed))


def effects(_: State) -> frozenset[str]:
    """Return nothing: the pool has no effects."""
    return frozenset()


DECIDER: Decider[State, Message, Event, str] = Decider(State(), decide, evolve, effects)
