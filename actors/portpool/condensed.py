"""The snapshot that replaces the oldest records of the pool. Pure."""

import attrs

from actors.kernel import journal
from actors.portpool.decider import Entry, State
from actors.portpool.messages import Key


@attrs.frozen
class Port:
    """One port of the pool."""

    key: Key
    marked: bool
    held_by: str | None


@attrs.frozen
class Condensed(journal.Condensed):
    """The older records of the pool were replaced by the ports that they led to."""

    ports: tuple[Port, ...]

    def to_state(self) -> State:
        """Return the pool."""
        return State({port.key: Entry(port.marked, port.held_by) for port in self.ports})


def condense(state: State, created_at: float) -> Condensed:
    """Return the snapshot of ``state``."""
    ports = tuple(Port(key, entry.marked, entry.held_by) for key, entry in state.entries.items())
    return Condensed(created_at, ports)
