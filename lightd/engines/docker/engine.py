"""The Docker Engine as ``actors.container.engine`` wants it (Engine API 1.41 and later).

- Short calls go through ``calls``: those that change something with aiodocker, the others natively in Trio.
  Consoles, events, pulls and logs are streams of their own, natively in Trio as well.
- Names are deterministic and every container says in its labels whose it is, so what an interrupted call left
  behind is found again. What carries the name but not our journal's id isn't touched (``containers``).
- Create, start and remove run a few at a time (``containers``). Signals never wait in that line.
"""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlencode

import attrs
import trio

from actors.container.engine import (
    Backlog,
    EngineRefused,
    EngineUnavailable,
    Listed,
    Missing,
    Notice,
    Role,
    Sample,
    Snapshot,
)
from actors.container.spec import ContainerSpec, Limits, PortBinding
from actors.kernel.turns import Turns
from lightd.engines.container_networks import ContainerNetworks
from lightd.engines.docker import attach, bridge, calls, recipe, streams, translate
from lightd.engines.docker import pull as pulling
from lightd.engines.docker.containers import (
    CONFLICT,
    NOT_FOUND,
    Containers,
    Ownership,
    refusals,
    someone_elses,
)
from lightd.engines.docker.frames import Tail, Unframer
from lightd.engines.docker.images import Images
from lightd.engines.docker.interruptions import Interruptions
from lightd.engines.docker.layers import Layers
from lightd.engines.docker.logged import to_logged
from lightd.engines.docker.making import Maker
from lightd.engines.docker.network import Network
from lightd.engines.docker.policy import Policy
from lightd.engines.docker.running import Running
from lightd.engines.docker.sampler import Sampler
from lightd.engines.docker.starting import Starter
from lightd.engines.docker.translate import Refused
from lightd.engines.docker.user_files import UserFiles
from lightd.engines.host import folder, ports
from lightd.engines.signals import DELIVERED

TRIES: Final = 5  # to rename, while somebody else takes and leaves the name
BACKLOG_BOUND: Final = 1024 * 1024
BACKLOG_LINES: Final = 10_000

FAULT: Final = 500


@attrs.define(eq=False)
class Notices:
    """Follows the engine's events; see ``engine.Engine.notices``."""

    _messages: streams.Messages

    def __aiter__(self) -> "Notices":
        return self

    async def __anext__(self) -> Notice:
        async for message in self._messages:
            if notice := translate.to_notice(message):
                return notice
        raise EngineUnavailable("The engine's stream of events ended")


@attrs.define(eq=False)
class DockerEngine:
    """See ``engine.Engine``; made by ``open_docker_engine``."""

    _socket_path: str
    _layout: recipe.Layout
    _calls: calls.Calls
    _sampler: Sampler
    _network: Network
    _containers: Containers
    _images: Images
    _maker: Maker
    _starter: Starter
    _layers: Layers
    _interruptions: Interruptions
    _policy: Policy
    _running: Running = attrs.field(factory=Running)
    _turns: Turns = attrs.field(factory=Turns)

    async def ensure_image(self, image: str, pull: str, progress: Callable[[str], None]) -> None:
        with refusals():
            if pull != "always" and await self._has_image(image):
                return
            if pull == "never":
                raise EngineRefused(f"The image {image} is missing, and its pull policy is never")
            version = await self._calls.version()
            await pulling.pull(self._socket_path, version, image, progress, self._policy.registries)

    async def _has_image(self, image: str) -> bool:
        try:
            await self._calls.get(translate.to_image_path(image))
        except Refused as no:
            if no.status != NOT_FOUND:
                raise
            return False
        return True

    # ---- creation

    async def create_installer(self, spec: ContainerSpec, attempt: int) -> str:
        return await self._maker.installer(spec, attempt)

    async def create_server(self, spec: ContainerSpec, attempt: int) -> str:
        return await self._maker.server(spec, attempt, Role.SERVER)

    async def create_candidate(self, spec: ContainerSpec, attempt: int, fresh: Sequence[PortBinding]) -> str:
        await trio.to_thread.run_sync(ports.check_free, fresh)
        return await self._maker.server(spec, attempt, Role.CANDIDATE)

    # ---- change

    async def replace(self, internal_id: str, engine_id: str) -> None:
        name = recipe.to_name(internal_id, Role.SERVER)
        for _ in range(TRIES):
            if await self._containers.look(engine_id) is None:
                raise Missing(engine_id)
            found = await self._containers.look(name)
            if found is not None and found["Id"] == engine_id:
                return
            if found is not None:
                if not self._containers.is_ours(found):
                    raise someone_elses(name)
                await self._remove(found["Id"])
            try:
                await self._containers.change(
                    "POST", translate.to_container_path(engine_id, "rename"), name=name
                )
            except Refused as no:
                if no.status not in {NOT_FOUND, CONFLICT}:
                    raise translate.to_fault(no) from None
                await trio.sleep(0.05)  # the old one's name outlives it for a moment
        raise EngineUnavailable(f"The name {name} is taken by another program, again and again")

    async def update(self, engine_id: str, limits: Limits) -> None:
        ceilings = recipe.to_ceilings(limits.memory, limits.cpu, limits.pids)
        try:
            await self._containers.change("POST", translate.to_container_path(engine_id, "update"), ceilings)
        except Refused as no:
            if no.status == NOT_FOUND:
                raise Missing(engine_id) from None
            raise EngineRefused(translate.to_refusal(no.message)) from None

    # ---- life

    async def start(self, engine_id: str) -> None:
        labels = await self._starter.start(engine_id)
        if labels.get(translate.ROLE) == Role.INSTALLER.value:
            await self.inspect(engine_id)  # its limits are enforced from now on; a server is inspected anyway

    async def signal(self, engine_id: str, name: str) -> bool:
        if name not in DELIVERED:  # in the journal of a version that accepted it
            raise EngineRefused(f"Docker's init does not pass on {name}: choose another stop signal")
        try:
            await self._calls.post(translate.to_container_path(engine_id, "kill"), signal=name)
        except Refused as no:
            if no.status in {NOT_FOUND, CONFLICT}:
                return False
            raise translate.to_fault(no) from None
        return True

    async def remove(self, internal_id: str, role: Role) -> None:
        found = await self._containers.look(recipe.to_name(internal_id, role))
        if found is not None and self._containers.is_ours(found):
            await self._remove(found["Id"])
        if role is Role.SERVER:
            await trio.to_thread.run_sync(folder.clear, self._layout.folder(internal_id))
        elif role is Role.INSTALLER:
            await self._settle(internal_id)

    async def remove_orphan(self, engine_id: str) -> None:
        found = await self._containers.look(engine_id)
        await self._remove(engine_id)
        labels = {} if found is None else found["Config"]["Labels"]
        if labels.get(translate.ROLE) == Role.INSTALLER.value:
            await self._settle(labels[translate.INTERNAL_ID], int(labels[translate.ATTEMPT]))

    async def _remove(self, engine_id: str) -> None:
        await self._containers.remove(engine_id)
        self._layers.forget(engine_id)
        self._running.forget(engine_id)

    async def _settle(self, internal_id: str, attempt: int | None = None) -> None:
        """However the installer ended, the files that it left belong to the server's user (``folder``)."""
        own, volumes_path = self._layout.folder(internal_id), self._layout.volumes_path
        await trio.to_thread.run_sync(folder.settle_hand_over, own, volumes_path, attempt)

    async def resize(self, engine_id: str, columns: int, rows: int) -> None:
        with refusals(NOT_FOUND, CONFLICT, FAULT):
            await self._calls.post(
                translate.to_container_path(engine_id, "resize"), h=str(rows), w=str(columns)
            )

    # ---- sight

    async def inspect(self, engine_id: str) -> Snapshot | None:
        found = await self._containers.look(engine_id)
        if found is None or not found["State"]["Running"]:
            self._running.forget(engine_id)
        if found is None:
            return None
        if found["State"]["Running"]:
            self._layers.watch(found)
            self._running.learn(found)
            self._sampler.learn(engine_id, found["State"]["Pid"])
        snapshot = translate.to_snapshot(found)
        if not snapshot.running:
            snapshot = await self._interruptions.judge(snapshot)
        return attrs.evolve(snapshot, killed_for=self._layers.overgrown.get(engine_id, ""))

    async def wait_end(self, engine_id: str) -> Snapshot | None:
        while True:
            with refusals(NOT_FOUND):
                path = f"/{await self._calls.version()}/{translate.to_container_path(engine_id, 'wait')}"
                await streams.ask(self._socket_path, "POST", path)
            snapshot = await self.inspect(engine_id)
            if snapshot is None or not snapshot.running:
                return snapshot

    async def list(self) -> Sequence[Listed]:
        filters = json.dumps(recipe.EVERY_LIGHTD)
        try:
            rows = await self._calls.get("containers/json", all="1", filters=filters)
        except Refused as no:
            raise translate.to_fault(no) from None
        self._interruptions.keep({row["Id"] for row in rows})
        owned = [(row, self._containers.to_ownership(row["Labels"] or {}, row["Id"])) for row in rows]
        await self._images.sweep([row for row, ownership in owned if ownership is Ownership.OURS])
        return [
            attrs.evolve(listed, leftover=leftover)
            for row, ownership in owned
            if (leftover := self._containers.is_leftover(row["Labels"] or {}))
            or ownership is not Ownership.OTHERS
            if (listed := translate.to_listed(row, ours=ownership is Ownership.OURS))
        ]

    @asynccontextmanager
    async def notices(self) -> AsyncIterator[Notices]:
        filters = {
            **recipe.EVERY_LIGHTD,
            "type": ["container"],
            "event": [*translate.ACTIONS],
        }
        # From now on, by the clock that we share: the engine answers a moment before it listens.
        since = f"{time.time():.9f}"
        query = urlencode({"filters": json.dumps(filters), "since": since})
        await self._network.look()
        with refusals():
            async with self._body("GET", f"events?{query}") as body:
                try:
                    yield Notices(streams.Messages(body))
                finally:
                    self._interruptions.lost_at = time.time()

    # ---- consoles

    @asynccontextmanager
    async def attach(self, engine_id: str) -> AsyncIterator[attach.DockerAttachment]:
        tty = await self._containers.has_terminal(engine_id)
        prefix = "/" + await self._calls.version()
        async with attach.open_attachment(self._socket_path, prefix, engine_id, tty=tty) as attachment:
            yield attachment

    async def backlog(self, engine_id: str, since: float) -> Backlog:
        found = await self._containers.find(engine_id)
        unframer = None if found["Config"]["Tty"] else Unframer()
        begin = f"{translate.to_since(found, since):.9f}"
        asked = {"stdout": 1, "stderr": 1, "timestamps": 1, "since": begin, "tail": BACKLOG_LINES}
        query = urlencode(asked)
        tail = Tail(BACKLOG_BOUND)
        try:
            async with self._body("GET", f"{translate.to_container_path(engine_id, 'logs')}?{query}") as body:
                async for piece in body:
                    tail.add(piece if unframer is None else unframer.feed(piece))
        except Refused as no:
            gone = no.status in {NOT_FOUND, CONFLICT}  # a conflict with its removal
            raise (Missing(engine_id) if gone else translate.to_fault(no)) from None
        lines = await self._turns.run(to_logged(tail.take()))
        return Backlog(lines, cut=tail.cut or len(lines) >= BACKLOG_LINES)

    # ---- counters

    async def version(self) -> str:
        with refusals():
            return translate.to_engine_version(await self._calls.get("version"))

    async def sample(self, engine_ids: Sequence[str]) -> Mapping[str, Sample]:
        return await self._sampler.sample(engine_ids)

    def threads(self, volume_id: str) -> Sequence[int]:
        return self._running.threads(volume_id)

    def leave(self) -> None:
        self._calls.leave()

    # ---- the way to the engine

    @asynccontextmanager
    async def _body(
        self, method: str, path: str, patience: float = streams.HANDSHAKE_SECONDS
    ) -> AsyncIterator[streams.Body]:
        target = f"/{await self._calls.version()}/{path}"
        async with streams.open_body(self._socket_path, method, target, patience=patience) as body:
            yield body


@asynccontextmanager
async def open_docker_engine(
    socket_path: str,
    *,
    node: str,
    containers_path: str,
    volumes_path: str,
    inside: ContainerNetworks | None = None,
    policy: Policy | None = None,
) -> AsyncIterator[DockerEngine]:
    """The engine at a socket, which need not answer yet; ``node`` tells this daemon's containers apart.

    The paths are the host's, and absolute: each container's own folder is in ``containers_path``, the volumes
    are in ``volumes_path``. ``inside`` learns where the containers' addresses are; ``policy`` is what the
    configuration says of containers now.
    """
    held = policy or Policy()
    layout = recipe.Layout(node, containers_path, volumes_path, held.journal_id)
    async with bridge.open_bridge() as door, calls.open_calls(door, socket_path) as client:
        network, containers = (
            Network(client, inside or ContainerNetworks(), held),
            Containers(client, node, held),
        )
        files = UserFiles(socket_path, client)
        images = Images(socket_path, client, containers, layout, files)
        maker = Maker(layout, containers, network, held, images)
        starter, layers = Starter(layout, containers, network, held, files), Layers(client)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(layers.run)
            sampler = Sampler(client)
            yield DockerEngine(
                socket_path,
                layout,
                client,
                sampler,
                network,
                containers,
                images,
                maker,
                starter,
                layers,
                Interruptions(socket_path, client),
                held,
            )
            nursery.cancel_scope.cancel()
