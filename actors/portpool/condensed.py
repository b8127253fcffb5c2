"""The beginning of the pool's history as the state that it adds up to. Pure."""

import attrs

from actors.kernel import journal
from actors.portpool.decider import Entry, State
from actors.portpool.messages import Key


@attrs.frozen
class Port:
    """One port of the pool, as it stood."""

    key: Key
    marked: bool
    held_by: str | None


@attrs.frozen
class Condensed(journal.Condensed):
    """The records of the pool up to this one were replaced by the ports that they add up to."""

    ports: tuple[Port, ...]

    def to_state(self) -> State:
        """Return the pool."""
        return State({port.key: Entry(port.marked, port.held_by) for port in self.ports})


def condense(state: State, created_at: float) -> Condensed:
    """Return what stands for the records that add up to ``state``."""
    ports = tuple(Port(key, entry.marked, entry.held_by) for key, entry in state.entries.items())
    return Condensed(created_at, ports)
