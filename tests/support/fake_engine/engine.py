"""An engine in Trio's virtual time: deterministic, without threads, sockets or images.

It passes the same contract checks as Docker (``tests/contracts``). Containers run the programs of
``tests.support.fake_engine.programs``.

Faults are scripted in three ways. ``faults`` is awaited before and after each call: it can sleep (delay),
sleep for ever (hang) or raise; if it raises *after* the call, the call had its effect and the caller does
not know. ``go_down`` makes every call raise ``EngineUnavailable`` and ends every stream until ``come_back``.
``exit`` and ``vanish`` change a container without a request.
"""

import itertools
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import Final

import attrs
import trio

from actors.container import engine
from actors.container.spec import ContainerSpec, Limits, PortBinding
from actors.kernel.ephemeral import Wake
from lightd.eggs.environment import to_environment
from lightd.engines.docker.recipe import NOT_IN_ENGINE
from tests.support.fake_engine import programs
from tests.support.fake_engine.container import MEMORY, FakeAttachment, FakeContainer, FakeNotices
from tests.support.fake_engine.faults import Call, Faults, Moment, no_faults

EPOCH: Final = 1_700_000_000.0
"""The engine's clock when it is opened (Unix seconds)."""

RIG_IMAGE: Final = "lightd-rig:latest"
BROKEN_IMAGE: Final = "lightd-rig:broken"
"""An image without a shell: its containers start and end at once."""

NO_SHELL: Final = "echo '[FATAL tini (7)] exec /bin/sh failed: No such file or directory'; exit 127"


@attrs.define(eq=False)
class FakeEngine:
    """See ``engine.Engine``; opened by ``open_fake_engine``.

    ``images`` are present, those of ``registry`` can be pulled in ``pull_seconds``. ``bound`` are host
    ports, with their protocol, that another program uses. ``builds`` numbers the image that a name of the
    registry leads to now, ``pulled`` the one that it led to when it was pulled. ``table`` contains the
    programs. ``calls`` is the list of all calls so far.
    """

    _nursery: trio.Nursery
    images: set[str]
    registry: set[str]
    table: Mapping[str, programs.Program]
    faults: Faults
    latency: float = 0.0
    pull_seconds: float = 1.0
    bound: set[tuple[int, str]] = attrs.field(factory=set)
    builds: Counter[str] = attrs.field(factory=Counter)
    pulled: Counter[str] = attrs.field(factory=Counter)
    calls: list[Call] = attrs.field(factory=list)
    _down: bool = False
    _containers: dict[str, FakeContainer] = attrs.field(factory=dict)
    _names: dict[tuple[str, engine.Role], FakeContainer] = attrs.field(factory=dict)
    _held: dict[tuple[int, str], str] = attrs.field(factory=dict)
    _followers: set[trio.MemorySendChannel[engine.Notice]] = attrs.field(factory=set)
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))
    _ended: Wake = attrs.field(factory=Wake)
    _opened: float = attrs.field(factory=trio.current_time)
    _last: float = 0.0

    # ---- the Protocol

    async def ensure_image(self, image: str, pull: str, progress: Callable[[str], None]) -> None:
        async with self._call("ensure_image", image):
            if pull != "always" and image in self.images:
                return
            if pull == "never":
                raise engine.EngineRefused(f"The image {image} is missing, and its pull policy is never")
            if image not in self.registry:
                raise engine.EngineRefused(f"There is no image {image}")
            progress(f"Pulling {image}")
            await trio.sleep(self.pull_seconds)
            self._check_up()
            self.images.add(image)
            self.pulled[image] = self.builds[image]
            progress(f"Pulled {image}")

    async def create_installer(self, spec: ContainerSpec, attempt: int) -> str:
        async with self._call("create_installer", spec.internal_id):
            found = self._names.get((spec.internal_id, engine.Role.INSTALLER))
            if found is not None and found.attempt == attempt:
                return found.engine_id
            return self._create(engine.Role.INSTALLER, spec, attempt)

    async def create_server(self, spec: ContainerSpec, attempt: int) -> str:
        async with self._call("create_server", spec.internal_id):
            found = self._names.get((spec.internal_id, engine.Role.SERVER))
            if found is not None and self._is_of(found, spec, attempt):
                return found.engine_id
            return self._create(engine.Role.SERVER, spec, attempt)

    async def create_candidate(self, spec: ContainerSpec, attempt: int, fresh: Sequence[PortBinding]) -> str:
        async with self._call("create_candidate", spec.internal_id):
            self._check_free({(port.port, port.protocol) for port in fresh})
            found = self._names.get((spec.internal_id, engine.Role.CANDIDATE))
            if found is not None and self._is_of(found, spec, attempt):
                return found.engine_id
            return self._create(engine.Role.CANDIDATE, spec, attempt)

    async def replace(self, internal_id: str, engine_id: str) -> None:
        async with self._call("replace", internal_id):
            container = self._find(engine_id)
            if container.role is engine.Role.SERVER:
                return
            if old := self._names.get((internal_id, engine.Role.SERVER)):
                self._remove(old)
            del self._names[internal_id, container.role]
            container.role = engine.Role.SERVER
            self._names[internal_id, container.role] = container

    async def update(self, engine_id: str, limits: Limits) -> None:
        async with self._call("update", self._subject(engine_id)):
            container = self._find(engine_id)
            if limits.memory is not None and limits.memory < MEMORY and container.process is not None:
                raise engine.EngineRefused("The container uses more memory than that")
            container.limits = limits

    async def start(self, engine_id: str) -> None:
        async with self._call("start", self._subject(engine_id)):
            container = self._find(engine_id)
            if container.process is None:
                self._start(container)

    async def signal(self, engine_id: str, name: str) -> bool:
        async with self._call("signal", self._subject(engine_id)):
            container = self._containers.get(engine_id)
            if container is None or container.process is None:
                return False
            container.process.deliver(name)
            return True

    async def remove(self, internal_id: str, role: engine.Role) -> None:
        async with self._call("remove", internal_id):
            if container := self._names.get((internal_id, role)):
                self._remove(container)

    async def remove_orphan(self, engine_id: str) -> None:
        async with self._call("remove_orphan", self._subject(engine_id)):
            if container := self._containers.get(engine_id):
                self._remove(container)

    async def inspect(self, engine_id: str) -> engine.Snapshot | None:
        async with self._call("inspect", self._subject(engine_id)):
            container = self._containers.get(engine_id)
            return None if container is None else container.to_snapshot()

    async def wait_end(self, engine_id: str) -> engine.Snapshot | None:
        async with self._call("wait_end", self._subject(engine_id)):
            while (
                container := self._containers.get(engine_id)
            ) is not None and container.process is not None:
                await self._ended.wait()
                self._check_up()
            return None if container is None else container.to_snapshot()

    async def list(self) -> Sequence[engine.Listed]:
        async with self._call("list"):
            return [container.to_listed() for container in self._containers.values()]

    @asynccontextmanager
    async def attach(self, engine_id: str) -> AsyncIterator[FakeAttachment]:
        async with self._call("attach", self._subject(engine_id)):
            container = self._find(engine_id)
            console = FakeAttachment(container, self._now)
            container.consoles.append(console)
        try:
            yield console
        finally:
            console.discard()
            if console in container.consoles:
                container.consoles.remove(console)

    async def backlog(self, engine_id: str, since: float) -> engine.Backlog:
        async with self._call("backlog", self._subject(engine_id)):
            return self._find(engine_id).to_backlog(since)

    async def resize(self, engine_id: str, columns: int, rows: int) -> None:
        async with self._call("resize", self._subject(engine_id)):
            container = self._containers.get(engine_id)
            if container is not None and container.process is not None and container.tty:
                container.size = (columns, rows)

    @asynccontextmanager
    async def notices(self) -> AsyncIterator[FakeNotices]:
        send, receive = trio.open_memory_channel[engine.Notice](
            10_000
        )  # further ones are lost, as the interface allows
        async with self._call("notices"):
            self._followers.add(send)
        with send, receive:
            try:
                yield FakeNotices(receive)
            finally:
                self._followers.discard(send)

    async def version(self) -> str:
        async with self._call("version"):
            return "1.2.3"

    async def sample(self, engine_ids: Sequence[str]) -> Mapping[str, engine.Sample]:
        async with self._call("sample"):
            found = (self._containers.get(engine_id) for engine_id in engine_ids)
            return {c.engine_id: c.to_sample(self._now()) for c in found if c is not None and c.process}

    def threads(self, volume_id: str) -> Sequence[int]:
        return ()

    def leave(self) -> None:
        pass  # a cancelled caller never waits

    # ---- for tests

    def go_down(self, *, containers_too: bool = False) -> None:
        """Answer no calls from now on. Programs keep running, as with live-restore, or are killed."""
        self._down = True
        for container in self._containers.values():
            container.cut()
            if containers_too and container.process is not None:
                self._end(container, container.process, 137)
                container.interrupted = True
        for follower in self._followers:
            follower.close()
        self._followers.clear()
        self._ended.notify()

    def come_back(self) -> None:
        """Answer calls again."""
        self._down = False

    def exit(self, internal_id: str, code: int, *, oom_killed: bool = False) -> None:
        """End a server's process with ``code``; does nothing if it is not running."""
        container = self._names[internal_id, engine.Role.SERVER]
        if container.process is not None:
            container.process.out_of_memory = oom_killed
            self._end(container, container.process, code)

    def vanish(self, internal_id: str) -> None:
        """Remove a server as if it were removed by hand."""
        self._remove(self._names[internal_id, engine.Role.SERVER])

    def running(self) -> Sequence[str]:
        """The ids of the running servers, sorted."""
        servers = ((name, c) for (name, role), c in self._names.items() if role is engine.Role.SERVER)
        return sorted(name for name, container in servers if container.process is not None)

    def terminal_size(self, internal_id: str) -> tuple[int, int] | None:
        """Columns and rows of a server's terminal, None if they were never set."""
        return self._names[internal_id, engine.Role.SERVER].size

    # ---- internals

    @asynccontextmanager
    async def _call(self, name: str, subject: str = "") -> AsyncIterator[None]:
        call = Call(name, subject)
        self.calls.append(call)
        await trio.sleep(self.latency)
        await self.faults(call, Moment.BEFORE)
        self._check_up()
        yield
        await self.faults(call, Moment.AFTER)

    def _check_up(self) -> None:
        if self._down:
            raise engine.EngineUnavailable("The engine does not answer")

    def _subject(self, engine_id: str) -> str:
        container = self._containers.get(engine_id)
        return engine_id if container is None else container.spec.internal_id

    def _find(self, engine_id: str) -> FakeContainer:
        if engine_id not in self._containers:
            raise engine.Missing(engine_id)
        return self._containers[engine_id]

    def _now(self) -> float:
        # Strictly increasing, so that two runs that begin at the same virtual time can be distinguished.
        self._last = max(EPOCH + trio.current_time() - self._opened, self._last + 1e-5)
        return self._last

    def _is_of(self, container: FakeContainer, spec: ContainerSpec, attempt: int) -> bool:
        ignored = {name: getattr(spec, name) for name in NOT_IN_ENGINE}
        made = attrs.evolve(container.spec, **ignored), container.attempt, container.build
        return made == (spec, attempt, self.pulled[spec.image])

    def _create(self, role: engine.Role, spec: ContainerSpec, attempt: int) -> str:
        installer = spec.install if role is engine.Role.INSTALLER else None
        image = spec.image if installer is None else installer.image
        if image not in self.images:
            raise engine.EngineRefused(f"There is no image {image}")
        if existing := self._names.get((spec.internal_id, role)):
            self._remove(existing)
        container = FakeContainer(f"{next(self._numbers):012x}", role, spec, attempt, self.pulled[spec.image])
        self._containers[container.engine_id] = container
        self._names[spec.internal_id, role] = container
        return container.engine_id

    def _start(self, container: FakeContainer) -> None:
        if container.role is engine.Role.SERVER:
            wanted = {(port.port, port.protocol) for port in container.spec.ports}
            self._check_free(wanted)
            self._held |= dict.fromkeys(wanted, container.engine_id)
        environment = to_environment(container.spec)
        text = environment.command
        if container.role is engine.Role.INSTALLER:
            install = container.spec.install
            text = container.spec.install_script or "" if install is None else install.script
        if container.spec.image == BROKEN_IMAGE:
            text = NO_SHELL
        process = programs.Process(dict(environment.variables), lambda data: self._emit(container, data))
        container.process, container.started_at, container.interrupted = process, self._now(), False
        self._tell("start", container)
        self._nursery.start_soon(self._live, container, process, text)

    def _check_free(self, wanted: set[tuple[int, str]]) -> None:
        for port, protocol in sorted(wanted & (self.bound | self._held.keys())):
            raise engine.EngineRefused(f"Port {port}/{protocol} is in use on the host")

    async def _live(self, container: FakeContainer, process: programs.Process, text: str) -> None:
        code = await process.run(programs.to_program(text, self.table), ())
        self._end(container, process, code)

    async def _emit(self, container: FakeContainer, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        while full := [console for console in container.consoles if console.full]:
            await full[0].wait_moved()
        container.emit(self._now(), data)

    def _end(self, container: FakeContainer, process: programs.Process, code: int) -> None:
        if container.process is not process:
            return  # it was ended before it noticed
        process.end()
        container.process = None
        container.exit_code, container.oom_killed = code, process.out_of_memory
        container.finished_at = self._now()
        self._ended.notify()
        for port in [port for port, holder in self._held.items() if holder == container.engine_id]:
            del self._held[port]
        container.cut()
        self._tell("die", container)

    def _remove(self, container: FakeContainer) -> None:
        if container.process is not None:
            self._end(container, container.process, 137)
        container.cut()
        del self._containers[container.engine_id]
        del self._names[container.spec.internal_id, container.role]
        self._tell("destroy", container)

    def _tell(self, action: str, container: FakeContainer) -> None:
        notice = engine.Notice(action, container.engine_id, container.spec.internal_id, container.role)
        for follower in self._followers:
            try:
                follower.send_nowait(notice)
            except trio.WouldBlock:
                continue  # notices can be lost


@asynccontextmanager
async def open_fake_engine(
    *,
    images: Iterable[str] = (RIG_IMAGE, BROKEN_IMAGE),
    registry: Iterable[str] = (),
    programs_too: Mapping[str, programs.Program] | None = None,
    faults: Faults = no_faults,
    latency: float = 0.0,
) -> AsyncIterator[FakeEngine]:
    """Open an engine with ``images`` and without containers; all programs end when it is closed.

    ``programs_too`` adds programs, by name or by a whole command. Each call takes ``latency`` seconds.
    """
    table = {**programs.PROGRAMS, **(programs_too or {})}
    async with trio.open_nursery() as nursery:
        yield FakeEngine(nursery, set(images), set(registry), table, faults, latency)
        nursery.cancel_scope.cancel()
