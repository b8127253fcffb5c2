"""The handles of a running daemon, and the operations that need more than one of them."""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import attrs
import trio

from actors.container import messages
from actors.container.fleet import Fleet, Member
from actors.container.spec import ContainerSpec
from actors.container.state import Stage
from actors.kernel.bus import Bus
from actors.kernel.decider import Rejection
from actors.kernel.ephemeral import Wake
from actors.kernel.handle import Handle
from actors.kernel.mailbox import Receipt
from actors.portpool.actor import PortPool
from actors.remotesync.status import RemoteStatus
from actors.sftp.decider import State as SftpCredentials
from actors.sftp.messages import Message as SftpMessage
from actors.tokens.decider import State as Tokens
from actors.tokens.grant import MASTER
from actors.tokens.messages import Message as TokenMessage
from actors.volumes.decider import State as Volumes
from actors.volumes.messages import Delete as DeleteVolume
from actors.volumes.messages import Message as VolumeMessage
from lightd.access.attempts import Attempts
from lightd.access.directory import NodeDirectory
from lightd.access.rates import Rates
from lightd.access.sessions import OpenSockets
from lightd.access.sftp_sessions import SftpSessions
from lightd.api.commands import settle
from lightd.api.operations import Operations
from lightd.api.panel_exchange import PanelExchange
from lightd.audit.trail import Trail
from lightd.config import certificate
from lightd.config import file as config_file
from lightd.config.certificate import Certificate
from lightd.config.reload import Reloaded, merge
from lightd.config.sections import Configuration, ConfigurationError
from lightd.eggs.store import EggStore
from lightd.engines.container_networks import ContainerNetworks
from lightd.engines.docker.policy import Policy
from lightd.engines.host.description import Node, to_node
from lightd.files.jail import Owner
from lightd.files.janitor import Janitor
from lightd.files.jobs import Jobs
from lightd.files.quota.quotas import Quotas
from lightd.files.volumes import VolumeFolders
from lightd.games.queries import GameQueries
from lightd.journal.inventory import Inventory
from lightd.leasing import Leasing
from lightd.logs.loop_delay import Delays
from lightd.preparation import Preparation


def _to_node(system: "System") -> Node:
    storage = system.config.storage
    return to_node(system.fleet.engine, {"data": storage.base_path, "volumes": storage.volumes_path})


async def _claim_nothing(_engine_id: str) -> None:
    """Do nothing: the engine knows of no other journals."""


@attrs.define(eq=False)
class System:
    """The handles of a running daemon.

    ``delays`` measures how long the event loop is blocked. ``path`` is the file of ``config``, None without
    one; ``reloaded`` is notified when another configuration replaces it. ``certificate`` is None for
    plain HTTP. ``inventory`` is None if the engine is not Docker or the journal could not be read at the
    start. ``claim`` records that a container of the engine, which another journal's daemon made, is this
    one's. ``reserved`` are users of volumes that the journal may not know. ``node`` has facts
    about the machine and the engine. ``sftp_addresses`` are those at which SFTP is served now.
    """

    config: Configuration
    version: str
    bus: Bus
    fleet: Fleet
    ports: PortPool
    leasing: Leasing
    tokens: Handle[Tokens, TokenMessage]
    sftp: Handle[SftpCredentials, SftpMessage]
    volumes: Handle[Volumes, VolumeMessage]
    folders: VolumeFolders
    quotas: Quotas
    jobs: Jobs
    janitor: Janitor
    operations: Operations
    eggs: EggStore
    preparation: Preparation
    audit: Trail
    inside: ContainerNetworks
    policy: Policy
    clock: Callable[[], float]
    delays: Delays
    games: GameQueries
    inventory: Inventory | None = None
    claim: Callable[[str], Awaitable[None]] = _claim_nothing
    reserved: frozenset[int] = frozenset()
    started_at: float = attrs.field(default=attrs.Factory(lambda self: self.clock(), takes_self=True))
    node: Node = attrs.field(default=attrs.Factory(_to_node, takes_self=True))
    path: Path | None = None
    certificate: Certificate | None = None
    remote_status: RemoteStatus = attrs.field(factory=RemoteStatus)
    exchanged: PanelExchange = attrs.field(factory=PanelExchange)
    sockets: OpenSockets = attrs.field(factory=OpenSockets)
    rates: Rates = attrs.field(factory=Rates)
    attempts: Attempts = attrs.field(factory=Attempts)
    sftp_sessions: SftpSessions = attrs.field(factory=SftpSessions)
    sftp_addresses: tuple[str, ...] = ()
    reloaded: Wake = attrs.field(factory=Wake)
    _reloading: trio.Lock = attrs.field(factory=trio.Lock)
    _filling: Counter[str] = attrs.field(factory=Counter)  # volumes of containers being created
    _emptying: set[str] = attrs.field(factory=set)  # volumes being deleted

    @property
    def directory(self) -> NodeDirectory:
        """What authorization looks up: see ``lightd.access.visibility.check``."""
        return NodeDirectory(self.fleet, self.ports, self.jobs, self.operations)

    def users_of_egg(self, egg_id: str) -> dict[str, list[str]]:
        """Return the containers that were created from an egg, by its versions."""
        found: dict[str, list[str]] = {}
        for member in self.fleet:
            spec = member.state.spec
            if spec is not None and spec.egg is not None and spec.egg.id == egg_id:
                found.setdefault(spec.egg.version, []).append(member.internal_id)
        return found

    async def create_container(self, spec: ContainerSpec, cause: str) -> Receipt:
        """Lease the ports of ``spec`` and begin its installation; both happen or neither.

        Raises ``Rejection`` (``already_exists``, ``volume_not_found``, ``egg_not_found``), else as
        ``Leasing.decide``. A crash between the two leaves a lease without a container; the next start,
        creation or change releases it.
        """
        internal_id = spec.internal_id
        self._check_unused(internal_id)
        if spec.volume_id in self._emptying or spec.volume_id not in self.volumes.view.state.volumes:
            raise Rejection("volume_not_found", "no such volume")
        held = ExitStack()
        if spec.egg is not None:
            held.enter_context(self.eggs.hold(spec.egg.id, spec.egg.version))
        self._filling[spec.volume_id] += 1
        held.callback(self._filling.subtract, [spec.volume_id])
        return await self.leasing.decide(
            internal_id, spec.ports, cause, lambda: self.fleet.create(spec, cause), held
        )

    def _check_unused(self, internal_id: str) -> None:
        """Raise ``Rejection`` if there is a container with this id, or one is being created."""
        member = self.fleet.get(internal_id)
        if member is None and internal_id not in self.leasing.claims:
            return
        message = f"container {internal_id} exists already"
        if member is not None and member.state.stage is Stage.FAILED:
            message += (
                f"; its installation failed: {member.state.error}. To create it with other settings, delete"
                f" it first: DELETE /containers/{internal_id} (the volume and its files are kept). To repeat"
                " the installation, perhaps with another image or install_script:"
                f" POST /containers/{internal_id}/reinstall"
            )
        raise Rejection("already_exists", message)

    async def adopt_container(
        self, spec: ContainerSpec, cause: str, decide: Callable[[], Awaitable[Receipt]]
    ) -> Receipt:
        """Lease the ports of ``spec`` and adopt it with ``decide``; both happen or neither.

        Ports that are missing in the pool are added to it. Raises as ``create_container``.
        """
        self._check_unused(spec.internal_id)
        if spec.volume_id in self._emptying:
            raise Rejection("volume_not_found", "no such volume")
        held = ExitStack()
        self._filling[spec.volume_id] += 1
        held.callback(self._filling.subtract, [spec.volume_id])
        return await self.leasing.decide(spec.internal_id, spec.ports, cause, decide, held, add=True)

    async def change_container(
        self, member: Member, command: messages.Reinstall | messages.Rebind, cause: str
    ) -> Receipt:
        """Lease the ports that ``command`` needs and have its actor decide it; both happen or neither.

        Raises as ``Leasing.decide``. The ports of the old container are released when the new one has
        replaced it.
        """
        ports = command.ports if isinstance(command, messages.Rebind) else member.state.known_spec.ports
        return await self.leasing.decide(
            member.internal_id, ports, cause, lambda: member.handle.ref.ask(command, cause)
        )

    async def delete_volume(self, volume_id: str, cause: str) -> None:
        """Delete the volume and free its path; the janitor removes its content later.

        Raises ``Rejection`` (``volume_in_use``, ``volume_not_found``), else as ``Ref.ask``. No container can
        be created on it meanwhile. If the journal does not answer in time, the volume is inaccessible until
        the next start, which reads the outcome from the journal.
        """
        users = {member.state.spec.volume_id for member in self.fleet if member.state.spec is not None}
        if volume_id in users or self._filling[volume_id] > 0:
            raise Rejection("volume_in_use", "a container uses this volume: delete the container first")
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

    async def reload(self) -> Reloaded:
        """Apply what the configuration file says now; raises ``ConfigurationError`` if it is not valid."""
        if self.path is None:
            raise ConfigurationError("this daemon was started without a configuration file")
        async with self._reloading:
            file = await trio.to_thread.run_sync(config_file.load, self.path)
            pair = await trio.to_thread.run_sync(certificate.read, file.server.tls)
            reloaded = merge(self.config, file)
            if pair is not None and self.certificate is not None:
                self.certificate.put(pair)
            self._apply(reloaded.running)
            return reloaded

    def _apply(self, running: Configuration) -> None:
        before, self.config = self.config, running
        self.policy.take_on(running.docker)
        self.quotas.owner = Owner(running.docker.user.uid, running.docker.user.gid)
        if before.authorization != running.authorization:
            self.sockets.revoke(MASTER)
        self.reloaded.notify()
