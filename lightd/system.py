"""The handles that the edge may touch, and the few things that take more than one of them."""

import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import trio

from actors.container.fleet import Fleet
from actors.container.spec import ContainerSpec, PortBinding
from actors.kernel.bus import Bus
from actors.kernel.decider import Rejection
from actors.kernel.mailbox import Overloaded, Receipt
from actors.kernel.place import Place
from actors.portpool.actor import PortPool
from actors.portpool.messages import Key, Lease, Release
from actors.volumes.decider import State as Volumes
from actors.volumes.messages import Message as VolumeMessage
from lightd.config import Configuration
from lightd.files.quota.quotas import Quotas
from lightd.files.volumes import VolumeFolders

T = TypeVar("T")

DECIDING = 10.0


async def settle(work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` returns; a client that leaves meanwhile doesn't stop it half-way.

    Raises ``Overloaded`` where it takes more than ``DECIDING`` seconds; nobody knows then how far it came.
    """
    with trio.move_on_after(DECIDING, shield=True):
        return await work()
    raise Overloaded("this takes too long now, try again later")


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
    quotas: Quotas
    clock: Callable[[], float]
    _creating: set[str] = attrs.field(factory=set)

    async def create_container(self, spec: ContainerSpec, cause: str) -> Receipt:
        """Lease the ports of ``spec`` and begin its installation; both or neither.

        Raises ``Rejection`` (``already_exists``, ``port_not_found``, ``port_in_use``), else as ``Ref.ask``.
        A crash between the two leaves a lease without a container, which the next start gives back; so does
        a journal that can't be written just then, and the next creation gives that one back.
        """
        internal_id = spec.internal_id
        if internal_id in self._creating or self.fleet.get(internal_id) is not None:
            raise Rejection("already_exists", f"container {internal_id} exists already")
        self._creating.add(internal_id)
        try:
            return await settle(lambda: self._create_container(spec, cause))
        finally:
            self._creating.discard(internal_id)

    async def _create_container(self, spec: ContainerSpec, cause: str) -> Receipt:
        await self.ports.wait_followed()
        await self._release_strangers(cause)
        if keys := tuple(map(to_key, spec.ports)):
            await self.ports.ref.ask(Lease(spec.internal_id, keys), cause)
        try:
            return await self.fleet.create(spec, cause)
        except Exception:
            if self.fleet.get(spec.internal_id) is None:
                await self.ports.ref.tell(Release(spec.internal_id), cause)
            raise

    async def _release_strangers(self, cause: str) -> None:
        for owner in self.ports.state.owners() - self._creating:
            if self.fleet.get(owner) is None:
                await self.ports.ref.ask(Release(owner), cause)


def to_key(port: PortBinding) -> Key:
    """Return the entry of the pool that ``port`` needs."""
    return (port.ip, port.port, port.protocol)


def new_operation_id() -> str:
    """Return a fresh id for one thing that somebody asked for."""
    return uuid.uuid4().hex
