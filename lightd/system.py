"""The handles that the edge may touch, and the few things that take more than one of them."""

import logging
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from actors.container import messages
from actors.container.fleet import Fleet, Member
from actors.container.spec import ContainerSpec, PortBinding
from actors.kernel.bus import Bus
from actors.kernel.decider import Rejection
from actors.kernel.ephemeral import Wake
from actors.kernel.handle import Handle
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded, Receipt
from actors.portpool.actor import PortPool
from actors.portpool.messages import Keep, Key, Lease
from actors.remotesync.actor import RemoteStatus
from actors.tokens.decider import State as Tokens
from actors.tokens.messages import Message as TokenMessage
from actors.volumes.decider import State as Volumes
from actors.volumes.messages import Delete as DeleteVolume
from actors.volumes.messages import Message as VolumeMessage
from lightd.access.rates import Rates
from lightd.access.sessions import OpenSockets
from lightd.api.operations import Operations
from lightd.api.panel_exchange import PanelExchange
from lightd.audit.trail import Trail, note_operation
from lightd.certificate import Certificate
from lightd.config.sections import Configuration
from lightd.engines.container_networks import ContainerNetworks
from lightd.engines.docker.policy import Policy
from lightd.files.janitor import Janitor
from lightd.files.jobs import Jobs
from lightd.files.quota.quotas import Quotas
from lightd.files.volumes import VolumeFolders
from lightd.loop_delay import Delays

logger = logging.getLogger(__name__)

T = TypeVar("T")

DECISION_TIMEOUT = 10.0
CATCH_UP_TIMEOUT = 2.0
EXPECTED = (Rejection, JournalUnavailable, Overloaded, ActorGone)


async def settle(work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` returns; a client that leaves meanwhile doesn't stop it half-way.

    Raises ``Overloaded`` after ``DECISION_TIMEOUT`` seconds; then nobody knows how far it came.
    """
    with trio.move_on_after(DECISION_TIMEOUT, shield=True):
        return await work()
    raise Overloaded("timeout, try again later")


@attrs.define(eq=False)
class Claims:
    """Which ports each container has, is about to have, or is just being given."""

    _fleet: Fleet
    _leasing: dict[str, tuple[Key, ...]] = attrs.field(factory=dict)

    async def at(self, internal_id: str, position: int) -> tuple[Key, ...] | None:
        """Return what a container claims once it knows of the record at ``position``; nothing without one.

        None where its actor has broken: nobody can tell, so it may keep what it has.
        """
        member = self._fleet.get(internal_id)
        if member is not None:
            with trio.move_on_after(CATCH_UP_TIMEOUT):
                await member.wait_until(lambda view: view.position >= position)
            if member.place.quarantined:
                return None
            member = self._fleet.get(internal_id)
        has = () if member is None else tuple(map(to_key, member.state.claimed))
        return (*has, *self._leasing.get(internal_id, ()))

    @contextmanager
    def leasing(self, internal_id: str, ports: Iterable[PortBinding]) -> Iterator[tuple[Key, ...]]:
        """Have ``ports`` claimed for a container whose wish for them is not recorded yet."""
        if internal_id in self._leasing:
            raise Rejection("changing", f"the ports of container {internal_id} are being changed")
        keys = self._leasing[internal_id] = tuple(map(to_key, ports))
        try:
            yield keys
        finally:
            del self._leasing[internal_id]

    def __contains__(self, internal_id: str) -> bool:
        return internal_id in self._leasing


@attrs.define(eq=False)
class _Answer:
    """What came of a change. A bug that nobody waits for any longer is logged: it would be lost else."""

    cause: str
    given: trio.Event = attrs.field(factory=trio.Event)
    receipt: Receipt | None = None
    error: Exception | None = None
    left: bool = False

    async def wait(self) -> None:
        """Wait until it is given."""
        try:
            await self.given.wait()
        except trio.Cancelled:
            self.left = True
            self._log()
            raise

    def give(self) -> None:
        """Let whoever waits have it."""
        self.given.set()
        self._log()

    def _log(self) -> None:
        if self.left and self.given.is_set() and self.error and not isinstance(self.error, EXPECTED):
            logger.error("%s failed after its client had disconnected", self.cause, exc_info=self.error)


@attrs.define(eq=False)
class System:
    """A running daemon, as the edge sees it.

    ``delays`` tells how long the event loop has kept others waiting.
    ``path`` is the file of ``config``, None without one; ``reloaded`` rings when another has taken its place.
    ``certificate`` is what it is served under, None where that is plain HTTP.
    """

    config: Configuration
    version: str
    bus: Bus
    fleet: Fleet
    ports: PortPool
    claims: Claims
    tokens: Handle[Tokens, TokenMessage]
    volumes: Handle[Volumes, VolumeMessage]
    folders: VolumeFolders
    quotas: Quotas
    jobs: Jobs
    janitor: Janitor
    operations: Operations
    audit: Trail
    inside: ContainerNetworks
    policy: Policy
    clock: Callable[[], float]
    nursery: trio.Nursery
    delays: Delays
    path: Path | None = None
    certificate: Certificate | None = None
    standing: RemoteStatus = attrs.field(factory=RemoteStatus)
    exchanged: PanelExchange = attrs.field(factory=PanelExchange)
    sockets: OpenSockets = attrs.field(factory=OpenSockets)
    rates: Rates = attrs.field(factory=Rates)
    reloaded: Wake = attrs.field(factory=Wake)
    reloading: trio.Lock = attrs.field(factory=trio.Lock)
    _filling: Counter[str] = attrs.field(factory=Counter)  # the volumes of those that are being created
    _emptying: set[str] = attrs.field(factory=set)  # the volumes that are being deleted

    async def create_container(self, spec: ContainerSpec, cause: str) -> Receipt:
        """Lease the ports of ``spec`` and begin its installation; both or neither.

        Raises ``Rejection`` (``already_exists``, ``volume_not_found``, ``port_not_found``, ``port_in_use``),
        else as ``Ref.ask``.
        A crash between the two leaves a lease without a container, which the next start gives back; so does
        a journal that can't be written just then, and the next creation or change gives that one back.
        """
        internal_id = spec.internal_id
        if internal_id in self.claims or self.fleet.get(internal_id) is not None:
            raise Rejection("already_exists", f"container {internal_id} exists already")
        if spec.volume_id in self._emptying or spec.volume_id not in self.volumes.view.state.volumes:
            raise Rejection("volume_not_found", "no such volume")
        held = ExitStack()
        self._filling[spec.volume_id] += 1
        held.callback(self._filling.subtract, [spec.volume_id])
        return await self._with_ports(
            internal_id, spec.ports, cause, lambda: self.fleet.create(spec, cause), held
        )

    async def change_container(
        self, member: Member, command: messages.Reinstall | messages.Rebind, cause: str
    ) -> Receipt:
        """Lease the ports that ``command`` needs and have it decided; both or neither.

        Raises ``Rejection`` (``changing``, ``port_not_found``, ``port_in_use`` …), else as ``Ref.ask``. The
        ports of the old container are given back once the new one has its place.
        """
        ports = command.ports if isinstance(command, messages.Rebind) else member.state.asked.ports
        return await self._with_ports(
            member.internal_id, ports, cause, lambda: member.place.ref.ask(command, cause), ExitStack()
        )

    async def _with_ports(
        self,
        internal_id: str,
        ports: Iterable[PortBinding],
        cause: str,
        work: Callable[[], Awaitable[Receipt]],
        held: ExitStack,
    ) -> Receipt:
        """Return what ``work`` returns, with ``ports`` leased for it.

        They stay claimed, and what is ``held`` is held, until it is decided, however long whoever asked has
        waited for that.
        """
        answer = _Answer(cause)
        with held as stack:
            keys = stack.enter_context(self.claims.leasing(internal_id, ports))
            claim = stack.pop_all()
            self.nursery.start_soon(self._answer, claim, answer, internal_id, keys, cause, work)
        with trio.move_on_after(DECISION_TIMEOUT):
            await answer.wait()
            if answer.error is not None:
                raise answer.error
            assert answer.receipt is not None  # noqa: S101 - an answer is a receipt or an error
            return answer.receipt
        raise Overloaded("timeout, try again later")

    async def _answer(
        self,
        claim: ExitStack,
        answer: "_Answer",
        internal_id: str,
        keys: tuple[Key, ...],
        cause: str,
        work: Callable[[], Awaitable[Receipt]],
    ) -> None:
        with claim:
            try:
                answer.receipt = await self._lease_and(internal_id, keys, cause, work)
            except Exception as error:  # noqa: BLE001 - it is raised again where it was asked for
                answer.error = error
        answer.give()

    async def _lease_and(
        self, internal_id: str, keys: tuple[Key, ...], cause: str, work: Callable[[], Awaitable[Receipt]]
    ) -> Receipt:
        await self.ports.wait_followed()
        await self._release_unclaimed(cause)
        if keys:
            await self.ports.ref.ask(Lease(internal_id, keys), cause)
        try:
            return await work()
        except (Rejection, JournalUnavailable, Overloaded):
            await self._let_go(internal_id, cause)
            raise
        except ActorGone:
            if self.fleet.get(internal_id) is None:  # else it may come back and claim them
                await self._let_go(internal_id, cause)
            raise

    async def _let_go(self, internal_id: str, cause: str) -> None:
        member = self.fleet.get(internal_id)
        claimed = () if member is None else tuple(map(to_key, member.state.claimed))
        await self.ports.ref.tell(Keep(internal_id, claimed), cause)

    async def delete_volume(self, volume_id: str, cause: str) -> None:
        """The volume is no more, and its path is free; what was in it goes soon after.

        Raises ``Rejection`` (``volume_in_use``, ``volume_not_found``), else as ``Ref.ask``. No container can
        be created on it meanwhile. Where the journal takes too long, the volume is out of reach until the
        next start, which finds out what became of it.
        """
        users = {member.state.spec.volume_id for member in self.fleet if member.state.spec is not None}
        if volume_id in users or self._filling[volume_id] > 0:
            raise Rejection("volume_in_use", "a container uses this volume")
        if volume_id in self._emptying:
            raise Rejection("volume_not_found", "no such volume")
        self._emptying.add(volume_id)
        await settle(lambda: self._delete_volume(volume_id, cause))
        self._emptying.discard(volume_id)

    async def _delete_volume(self, volume_id: str, cause: str) -> None:
        for job in self.jobs.of(volume_id):
            job.cancel()
        try:
            await self.folders.set_aside(volume_id)
            await self.volumes.ref.ask(DeleteVolume(volume_id), cause)
        except Exception:
            await self.folders.put_back(volume_id)
            self._emptying.discard(volume_id)
            raise
        self.janitor.call()

    async def _release_unclaimed(self, cause: str) -> None:
        """Have nobody hold what it doesn't claim: the journal may have refused the release."""
        for owner, held in self.ports.state.leases().items():
            claimed = await self.claims.at(owner, 0)
            if claimed is not None and not held <= set(claimed):
                await self.ports.ref.ask(Keep(owner, claimed), cause)


def to_key(port: PortBinding) -> Key:
    """Return the entry of the pool that ``port`` needs."""
    return (port.ip, port.port, port.protocol)


def new_operation_id(kind: str = "change") -> str:
    """Return a fresh id for one thing that somebody asked for; it says what ``kind`` of thing that is.

    The audit notes it beside who asked.
    """
    operation_id = f"{kind}-{uuid.uuid4().hex}"
    note_operation(operation_id)
    return operation_id
