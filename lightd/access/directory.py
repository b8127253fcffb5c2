"""Looks up what authorization asks about the node, in the state that its actors show."""

import re
from collections.abc import Iterable

import attrs

from actors.container.fleet import Fleet
from actors.container.operations import Operation
from actors.portpool.actor import PortPool
from actors.portpool.decider import State
from actors.portpool.messages import Key
from lightd.access.errors import port_not_visible
from lightd.access.scopes import Container, Port, Volume
from lightd.api.operations import Operations
from lightd.files.jobs import Job, Jobs

_OPERATION_ID = re.compile(r"[a-z]{1,20}-[0-9a-f]{32}")


@attrs.frozen(eq=False)
class NodeDirectory:
    """What authorization looks up about the running node."""

    fleet: Fleet
    ports: PortPool
    jobs: Jobs
    operations: Operations

    def volumes_of(self, containers: Iterable[str]) -> frozenset[str]:
        """Return the volumes that ``containers`` use now, without those of deleted containers."""
        specs = (member.state.spec for member in map(self.fleet.get, containers) if member is not None)
        return frozenset(spec.volume_id for spec in specs if spec is not None)

    async def subject_of(self, operation_id: str) -> Container | Volume | None:
        """Return what an operation is about, None if there is no such operation."""
        operation = await self.find_operation(operation_id)
        if operation is None:
            return None
        if isinstance(operation, Job):
            return Volume(operation.volume_id)
        return Container(operation.internal_id)

    async def find_operation(self, operation_id: str) -> Job | Operation | None:
        """Return the operation with that id: of a volume's files, or of a container."""
        if job := self.jobs.get(operation_id):
            return job
        return await self.operations.find(operation_id) if _OPERATION_ID.fullmatch(operation_id) else None

    def holder_of(self, port: Port) -> str | None:
        """Return the container that holds ``port``, None if it is free. Raises ``NotVisible``."""
        entry = self.ports.state.entries.get(to_key(self.ports.state, port))
        if entry is None:
            raise port_not_visible()
        return entry.held_by


def to_key(pool: State, port: Port) -> Key:
    """Return the entry of ``pool`` that ``port`` means."""
    protocol = port.protocol
    if protocol is None:
        present = [each for each in ("tcp", "udp") if (port.ip, port.port, each) in pool.entries]
        protocol = present[0] if present else "tcp"
    return (port.ip, port.port, protocol)
