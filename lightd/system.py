"""The handles that the edge may touch, and the few things that take more than one of them."""

import uuid
from collections.abc import Callable, Iterable

import attrs

from actors.container.fleet import Fleet
from actors.container.spec import ContainerSpec, PortBinding
from actors.kernel.bus import Bus
from actors.kernel.decider import Rejection
from actors.kernel.mailbox import Receipt
from actors.kernel.place import Place
from actors.portpool.actor import PortPool
from actors.portpool.messages import Key, Lease, Release
from actors.volumes.decider import State as Volumes
from actors.volumes.messages import Message as VolumeMessage
from lightd.config import Configuration
from lightd.files.volumes import VolumeFolders


@attrs.define(eq=False)
class System:
    """A running daemon, as the edge sees it."""

    config: Configuration
    version: str
    bus: Bus
    fleet: Fleet
    ports: PortPool
    volumes: Place[Volumes, VolumeMessage]
    folders: VolumeFolders
    clock: Callable[[], float]
    _creating: set[str] = attrs.field(factory=set)

    async def create_container(self, spec: ContainerSpec, cause: str) -> Receipt:
        """Lease the ports of ``spec`` and begin its installation; both or neither.

        Raises ``Rejection`` (``already_exists``, ``port_not_found``, ``port_in_use``), else as ``Ref.ask``.
        A crash between the two leaves a lease without a container, which the next start gives back.
        """
        internal_id = spec.internal_id
        if internal_id in self._creating or self.fleet.get(internal_id) is not None:
            raise Rejection("already_exists", f"container {internal_id} exists already")
        self._creating.add(internal_id)
        try:
            await self.ports.wait_followed()
            await self._lease(internal_id, spec.ports, cause)
            try:
                return await self.fleet.create(spec, cause)
            finally:
                if self.fleet.get(internal_id) is None:
                    await self.ports.ref.tell(Release(internal_id), cause)
        finally:
            self._creating.discard(internal_id)

    async def _lease(self, owner: str, ports: Iterable[PortBinding], cause: str) -> None:
        keys = tuple(to_key(port) for port in ports)
        if keys:
            await self.ports.ref.ask(Lease(owner, keys), cause)


def to_key(port: PortBinding) -> Key:
    """Return the entry of the pool that ``port`` needs."""
    return (port.ip, port.port, port.protocol)


def new_operation_id() -> str:
    """Return a fresh id for one thing that somebody asked for."""
    return uuid.uuid4().hex
