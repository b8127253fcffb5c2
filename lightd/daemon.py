"""The daemon: one stack of contexts, which are closed in reverse order at the shutdown.

The server is closed first, so that no requests arrive; then the fleet with its actors, the engine, the bus,
which commits its pending records, and the journal. Containers keep running: the next start finds them again.
"""

import gc
import importlib
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from actors.container.fleet import Fleet, open_fleet
from actors.container.stats_sampler import measure
from actors.kernel.bus import Bus, open_bus
from actors.kernel.handle import Handle
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import ActorGone, Overloaded
from actors.kernel.supervisor import Supervisor, open_supervisor
from actors.portpool.actor import open_portpool
from actors.sftp.actor import open_sftp
from actors.tokens.actor import open_tokens
from actors.tokens.retirement import retire
from actors.volumes.actor import open_volumes
from actors.volumes.decider import State as Volumes
from actors.volumes.messages import Message as VolumeMessage
from lightd.access.gate import Gate
from lightd.access.sessions import OpenSockets
from lightd.access.sftp_sessions import SftpSessions
from lightd.adoption import Keeper, to_reserved
from lightd.api.operations import Operations
from lightd.api.panel_logins import PanelGrant, PanelLogin
from lightd.audit.trail import open_trail
from lightd.config.certificate import open_certificate
from lightd.config.folders import prepare, settle_shared
from lightd.config.sections import Configuration, ConfigurationError, Remote
from lightd.config.version import version
from lightd.consoles.log import DiskConsoleLog
from lightd.eggs.store import EggStore, open_egg_store
from lightd.engines.container_networks import ContainerNetworks
from lightd.engines.docker.policy import Policy
from lightd.engines.opening import OpenEngine, open_engine
from lightd.engines.patterns import compile_pattern
from lightd.files.denying import DenyList
from lightd.files.jail import Owner
from lightd.files.janitor import Janitor
from lightd.files.jobs import open_jobs
from lightd.files.quota.probing import probe
from lightd.files.quota.quotas import Quotas
from lightd.files.quota.surveyor import open_surveyor
from lightd.files.quota.watch import Watch
from lightd.files.volumes import VolumeFolders
from lightd.games.queries import GameQueries
from lightd.http.app import make_app
from lightd.http.live.hub import open_hub
from lightd.http.panel_import import to_adopt
from lightd.http.transport.server import Address, open_server
from lightd.journal import identity
from lightd.journal.audit import SqliteAudit
from lightd.journal.codec import Codec
from lightd.journal.compaction import Compactor, forget
from lightd.journal.cursors import SqliteCursorStore
from lightd.journal.inventory import Inventory, open_inventory
from lightd.journal.sqlite import SqliteJournal, open_sqlite_journal
from lightd.leasing import Claims, Leasing
from lightd.logs.container_states import open_states_log
from lightd.logs.loop_delay import open_delays
from lightd.preparation import Preparation
from lightd.system import System

if TYPE_CHECKING:
    from lightd.eggs.egg import Egg

logger = logging.getLogger(__name__)

LEAVING: Final = 9.0
"""Seconds for the whole shutdown: systemd and Docker kill after 10 at the earliest. A shutdown takes at most
5, unless something hangs that cannot be cancelled, such as a thread on a broken disk."""

LOCALHOST: Final = "127.0.0.1"
"""The host, for servers that share its network."""

Started = Callable[[Sequence[str]], None]


async def run(config: Configuration, *, path: Path | None = None, started: Started | None = None) -> None:
    """Serve until SIGTERM or SIGINT; ``started`` is called with the addresses once requests are answered.

    ``path`` is the file that ``config`` came from: it is read again on SIGHUP.
    """
    _settle_process()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with open_system(config, path=path) as system, open_front(system) as addresses:
            if started is not None:
                started(addresses)
            async for number in signals:
                if number == signal.SIGHUP:
                    await _reload(system)
                    continue
                logger.info("stopping on %s; containers keep running", signal.Signals(number).name)
                _leave_in(LEAVING)
                break


def _leave_in(seconds: float) -> None:
    """End the process after ``seconds``, even if the shutdown is not finished.

    That is safe for the journal: everything acknowledged is on the disk. Child processes end with this one.
    """
    message = "shutdown not finished after %g seconds; exiting now"
    for after, last in ((0.0, partial(logger.error, message, seconds)), (0.5, partial(os._exit, 0))):
        timer = threading.Timer(seconds + after, last)  # two: nobody may read the log
        timer.daemon = True
        timer.start()


async def _reload(system: System) -> None:
    try:
        reloaded = await system.reload()
    except ConfigurationError as error:
        for mistake in error.mistakes:
            logger.error("the configuration was not reloaded: %s", mistake)  # noqa: TRY400 - a sentence says it
    else:
        logger.info(
            "reloaded the configuration; applied: %s; restart required for: %s",
            ", ".join(reloaded.applied) or "nothing",
            ", ".join(reloaded.restart_required) or "nothing",
        )


@asynccontextmanager
async def open_system(
    config: Configuration, open_engine: OpenEngine = open_engine, *, path: Path | None = None
) -> AsyncIterator[System]:
    """Yield the daemon without its HTTP server: its actors have replayed, the engine need not answer yet.

    ``path`` is the file that ``config`` came from.
    """
    await trio.to_thread.run_sync(partial(prepare, config.storage, mounts=config.docker.kind.isolated))
    inside, policy = ContainerNetworks(), Policy()
    policy.take_on(config.docker)
    log = DiskConsoleLog(config.storage.base_path / "consoles")
    async with (
        open_delays() as delays,
        open_journal(config.storage.base_path / "lightd.db") as journal,
        open_bus(journal) as bus,
        open_trail(SqliteAudit(journal), time.time) as trail,
        open_ownership(config, journal, policy) as inventory,
        open_engine(config, inside, policy) as engine,
        open_supervisor() as supervisor,
        open_states_log(bus, supervisor),
        open_store(config, bus, supervisor, inventory) as (volumes, folders, quotas),
        open_egg_store(config.storage.base_path, time.time) as eggs,
        open_fleet(
            *(bus, engine, supervisor, compile_pattern, time.time, log, lambda: policy.restore),
            preparer=(
                preparation := Preparation(folders, partial(_read_egg, eggs), partial(_to_host, inside))
            ),
        ) as fleet,
        open_jobs(time.time) as jobs,
        trio.open_nursery() as nursery,
    ):
        sftp_sessions = SftpSessions()
        quotas.threads = lambda volume_id: {*engine.threads(volume_id), *sftp_sessions.processes(volume_id)}
        folders.denied = partial(_to_denied, fleet)
        claims, sockets = Claims(fleet), OpenSockets()
        janitor = Janitor(folders, lambda: volumes.view.state.volumes, time.time, quotas.forget)
        ports = await open_portpool(bus, supervisor, claims.at)
        system = System(
            config=config,
            version=version(),
            bus=bus,
            fleet=fleet,
            ports=ports,
            leasing=Leasing(claims, fleet, ports, nursery),
            tokens=await open_tokens(
                *(bus, supervisor, time.time),
                lambda: sockets.token_ids() | sftp_sessions.credentials(),
                sockets.revoke_unknown,
            ),
            sftp=await open_sftp(bus, supervisor, time.time, fleet.endings),
            volumes=volumes,
            folders=folders,
            quotas=quotas,
            jobs=jobs,
            janitor=janitor,
            operations=Operations(bus, fleet, time.time, nursery),
            eggs=eggs,
            preparation=preparation,
            audit=trail,
            inside=inside,
            policy=policy,
            clock=time.time,
            delays=delays,
            games=GameQueries(time.time),
            inventory=inventory,
            claim=partial(_claim, journal, policy),
            path=path,
            sockets=sockets,
            sftp_sessions=sftp_sessions,
        )
        eggs.users = system.users_of_egg
        nursery.start_soon(_sweep_eggs, system)
        supervisor.start(
            "token retirement",
            partial(retire, bus, system.tokens, fleet.endings, time.time),
            outages=(JournalUnavailable, ActorGone, Overloaded),
        )
        nursery.start_soon(_monitor, system)
        if inventory is not None:
            system.reserved = await trio.to_thread.run_sync(to_reserved, inventory)
            keeper = Keeper(system, inventory)
            supervisor.start("inventory", keeper.run, outages=(JournalUnavailable, OSError))
        compactor = Compactor(journal, bus, Codec(), time.time)
        supervisor.start("compaction", compactor.run, outages=(JournalUnavailable,))
        nursery.start_soon(Watch(quotas, fleet).run)
        nursery.start_soon(janitor.run)
        nursery.start_soon(trail.keep, lambda: system.config.audit, system.reloaded)
        nursery.start_soon(_connect_panel, system, SqliteCursorStore(journal))
        if config.sftp.enabled:
            supervisor.start("sftp", partial(_serve_sftp, system), outages=(OSError,))
        try:
            yield system
        finally:
            engine.leave()
            nursery.cancel_scope.cancel()


def _to_denied(fleet: Fleet, volume_id: str) -> DenyList:
    """Return what the containers on this volume deny, together, to its clients."""
    specs = (member.state.spec for member in fleet)
    return DenyList.of(
        spec.file_denylist for spec in specs if spec is not None and spec.volume_id == volume_id
    )


def _to_host(inside: ContainerNetworks) -> str:
    """Return the address at which a server finds the host."""
    return inside.gateway or LOCALHOST


async def _read_egg(eggs: EggStore, egg_id: str, version: str) -> "Egg":
    return (await eggs.read(egg_id, version)).egg


async def _sweep_eggs(system: System) -> None:
    """Remove the files of eggs that nobody uses any more, if all containers are known."""
    if all(member.state.spec is not None for member in system.fleet):
        with suppress(OSError):
            await system.eggs.sweep()


async def _connect_panel(system: System, cursors: SqliteCursorStore) -> None:
    """Be connected with the panel as the configuration says; the client is loaded when a panel is enabled."""
    while not system.config.remote.enabled:
        await system.reloaded.wait()
    await trio.to_thread.run_sync(importlib.import_module, "lightd.panel.connection")
    from lightd.panel.connection import Connection  # noqa: PLC0415 - a thread has loaded it

    await Connection(system, cursors, to_adopt(system)).run()


async def _serve_sftp(system: System) -> None:
    """Have an SFTP server running; what that needs is loaded only now."""
    await trio.to_thread.run_sync(importlib.import_module, "lightd.sftp.service")
    from lightd.sftp.logins import Logins  # noqa: PLC0415 - a thread has loaded it
    from lightd.sftp.places import Places  # noqa: PLC0415 - as above
    from lightd.sftp.service import Service  # noqa: PLC0415 - as above

    gate = Gate(
        *(lambda: system.config.authorization, system.tokens, system.clock),
        *(system.fleet.endings, system.attempts),
    )
    places = Places(system.config.storage.base_path / "sftp")
    await Service(system, Logins(system, gate, ask_panel=_ask_panel), places).run()


async def _ask_panel(settings: Remote, login: PanelLogin) -> PanelGrant | None:
    """Ask the panel about a login; its client is loaded at the first one."""
    await trio.to_thread.run_sync(importlib.import_module, "lightd.panel.sftp_logins")
    from lightd.panel.sftp_logins import ask  # noqa: PLC0415 - a thread has loaded it

    return await ask(settings, login)


async def _claim(journal: SqliteJournal, policy: Policy, engine_id: str) -> None:
    """Record that a container of another journal is this one's. Raises ``JournalUnavailable``."""
    await identity.adopt(journal, engine_id)
    policy.adopted.add(engine_id)


async def _monitor(system: System) -> None:
    """Collect the statistics of running containers as the configuration says; follow its changes."""
    while True:
        monitoring = system.config.monitoring
        async with trio.open_nursery() as nursery:
            if monitoring.enabled:
                nursery.start_soon(measure, system.fleet, monitoring.interval_ms / 1000)
            else:
                for member in system.fleet:
                    member.stats.set(None)
            while system.config.monitoring == monitoring:
                await system.reloaded.wait()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_journal(path: Path) -> AsyncIterator[SqliteJournal]:
    """Yield the journal at ``path``; the streams of containers that were deleted long ago are removed."""
    async with open_sqlite_journal(path, Codec(), time.time) as journal:
        with suppress(JournalUnavailable):  # a full disk: the next start tries again
            await journal.between_commits(lambda connection: forget(connection, Codec(), time.time()))
        yield journal


@asynccontextmanager
async def open_ownership(
    config: Configuration, journal: SqliteJournal, policy: Policy
) -> AsyncIterator[Inventory | None]:
    """Let ``policy`` know which containers the journal owns, before an engine is opened.

    Yield the inventory, None if it cannot be opened or the engine needs none.
    """
    inventory = None
    try:
        found = await identity.load(journal)
    except JournalUnavailable:  # a full disk at the first start: the node's name decides, as it did before
        found = identity.Identity("", frozenset())
    else:
        if config.docker.kind.isolated:
            inventory = await trio.to_thread.run_sync(_open_inventory, config, found.journal_id)
    policy.journal_id, policy.adopted = found.journal_id, set(found.adopted)
    if inventory is not None:
        policy.earlier = inventory.earlier
    yield inventory


def _open_inventory(config: Configuration, journal_id: str) -> Inventory | None:
    try:
        return open_inventory(config.storage.base_path, journal_id)
    except OSError as error:
        logger.warning("nothing can be adopted: the inventory cannot be opened: %s", error.strerror)
        return None


@asynccontextmanager
async def open_store(
    config: Configuration, bus: Bus, supervisor: Supervisor, inventory: Inventory | None
) -> AsyncIterator[tuple[Handle[Volumes, VolumeMessage], VolumeFolders, Quotas]]:
    """Yield the volumes, their folders and their quotas, before the fleet may start a server on one.

    The folders are mounted, moved to their places and given their quotas, in this order: a quota is set on a
    folder in its place. What fails is logged or retried later.
    """
    volumes, storage = await open_volumes(bus, supervisor), config.storage
    image = storage.base_path / "volumes.img"
    found = await trio.to_thread.run_sync(probe, storage.volumes_path, image, storage.quota, storage.pool_mb)
    # A pool that was just mounted has its own top folder.
    await trio.to_thread.run_sync(partial(settle_shared, storage, mounts=config.docker.kind.isolated))
    folders = VolumeFolders(storage.volumes_path)
    await folders.restore(volumes.view.state.volumes)

    def sizes() -> Mapping[str, int | None]:
        return {key: volume.quota_mb for key, volume in volumes.view.state.volumes.items()}

    with open_surveyor() as surveyor:
        quotas = Quotas(storage.volumes_path, _owner(config), found, sizes, surveyor)
        if inventory is not None:
            stored = await trio.to_thread.run_sync(lambda: list(inventory.volumes()))
            quotas.kept = {volume.volume_id for volume in stored}
        await quotas.restore()
        folders.writing, quotas.open_files = quotas.writing, folders.open_files
        yield volumes, folders, quotas


@asynccontextmanager
async def open_front(system: System) -> AsyncIterator[Sequence[str]]:
    """Yield the URLs at which ``system`` is served, once the states of its containers are verified.

    Without an engine, or with one that hangs, they are those of the journal.
    """
    await system.fleet.wait_verified()
    server = system.config.server
    async with (
        open_hub(system.bus, system.fleet.name_of) as stations,
        open_certificate(lambda: system.config.server.tls) as certificate,
        open_server(
            make_app(system, stations),
            [Address(server.host, server.port)],
            to_context=None if certificate is None else certificate.to_context,
            refuses=system.inside.holds,
        ) as front,
    ):
        system.certificate = certificate
        yield [f"{'https' if front.encrypted else 'http'}://{address}" for address in front.addresses]


GIVE_WAY = 0.0005
"""The switch interval in seconds (Python's default: 0.005): for so long a busy thread delays the loop."""


def _settle_process() -> None:
    """Raise the limit of descriptors; let busy threads and garbage collections delay the loop less."""
    sys.setswitchinterval(GIVE_WAY)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.freeze()
    gc.set_threshold(20_000, 50, 1000)  # a full collection of a large heap blocks the loop


def _owner(config: Configuration) -> Owner:
    return Owner(config.docker.user.uid, config.docker.user.gid)
