"""The engine for machines without Docker: local processes behind ``actors.container.engine.Engine``.

There is no isolation. A container is a folder (``container``), and a run is a supervisor with the program as
its child (``shim``). Both survive this process and are found through their folder. Images, mounts and
networks are rejected (``plan.check``).

One change at a time is made for each ``internal_id``; signals never wait for it. Changes are shielded from
cancellation: they are short, and must not be left half done.
"""

import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import attrs
import trio

from actors.container.engine import (
    Backlog,
    EngineRefused,
    EngineUnavailable,
    Listed,
    Missing,
    Role,
    Sample,
    Snapshot,
)
from actors.container.spec import ContainerSpec, Limits, PortBinding
from lightd.config.version import version
from lightd.engines.host import folder, ports
from lightd.engines.process import (
    backlog,
    container,
    control_socket,
    counters,
    files,
    groups,
    orphans,
    plan,
    starting,
    threads,
)
from lightd.engines.process.attachment import ProcessAttachment
from lightd.engines.process.container import Container
from lightd.engines.process.notices import Notices, Publisher
from lightd.engines.process.program import Plan

LOOK: Final = 0.02
PATIENCE: Final = 20.0  # seconds to wait for the kernel
SETTLED: Final = 5.0  # seconds to wait for the supervisor of a run that begins or has ended


@attrs.define(eq=False)
class ProcessEngine:
    """See ``engine.Engine``; opened by ``host.open_process_engine``."""

    _nursery: trio.Nursery
    _path: Path
    _place: plan.Place
    _groups: groups.Groups
    _supervisor: Sequence[str]
    _containers: dict[str, Container]
    _publisher: Publisher = attrs.field(factory=Publisher)
    _consoles: dict[str, list[ProcessAttachment]] = attrs.field(factory=dict)
    _changing: dict[str, trio.Lock] = attrs.field(factory=dict)

    async def ensure_image(self, image: str, pull: str, progress: Callable[[str], None]) -> None:  # noqa: ARG002 - nothing is pulled
        plan.check_image(image)
        await trio.lowlevel.checkpoint()

    # ---- creation

    async def create_installer(self, spec: ContainerSpec, attempt: int) -> str:
        return await self._create(spec, Role.INSTALLER, attempt)

    async def create_server(self, spec: ContainerSpec, attempt: int) -> str:
        return await self._create(spec, Role.SERVER, attempt)

    async def create_candidate(self, spec: ContainerSpec, attempt: int, fresh: Sequence[PortBinding]) -> str:
        await trio.to_thread.run_sync(self._check_ports, fresh, None)
        return await self._create(spec, Role.CANDIDATE, attempt)

    async def _create(self, spec: ContainerSpec, role: Role, attempt: int) -> str:
        plan.check(spec, self._place.own)
        async with self._change(spec.internal_id):
            await trio.to_thread.run_sync(files.prepare, self._place.layout, spec, role, attempt)
            found = self._named(spec.internal_id, role)
            if found is not None and found.is_of(spec, attempt):
                return found.engine_id
            if found is not None:
                await self._discard(found)
            engine_id = secrets.token_hex(16)
            made = await threads.change(container.make, self._path, engine_id, spec, role, attempt)
            self._containers[engine_id] = made
            return engine_id

    # ---- changes

    async def replace(self, internal_id: str, engine_id: str) -> None:
        async with self._change(internal_id):
            candidate = self._found(engine_id)
            if candidate.role is Role.SERVER:
                return
            if old := self._named(internal_id, Role.SERVER):
                await self._discard(old)
            candidate.role = Role.SERVER
            await threads.change(candidate.keep)

    async def update(self, engine_id: str, limits: Limits) -> None:
        found = self._found(engine_id)
        wanted = {key for key, value in attrs.asdict(limits).items() if value is not None}
        if missing := sorted(wanted - self._groups.held):
            raise EngineRefused(f"limits: this node cannot enforce {', '.join(missing)} (no cgroups)")
        async with self._change(found.internal_id):
            self._found(engine_id)
            await threads.change(self._update, found, limits)

    def _update(self, found: Container, limits: Limits) -> None:
        run = found.last_run()
        if run is not None and found.snapshot().running:
            self._groups.limit(f"{found.engine_id}-{run.number}", limits)
        found.change_limits(limits)

    # ---- runs

    async def start(self, engine_id: str) -> None:
        async with self._change(self._found(engine_id).internal_id):
            found = self._found(engine_id)
            with _patience("The supervisor of the previous run does not end"):
                while (lock := await threads.change(self._make_ready, found)) is None:
                    if (await threads.inspect(found.snapshot)).running:
                        return
                    await trio.sleep(LOOK)
            try:
                await self._start(found, lock)
            finally:
                os.close(lock)
            self._tell_end(found)
            self._publisher.tell("start", found)
            found.living = True
        self._nursery.start_soon(self.follow, found)

    def _make_ready(self, found: Container) -> int | None:
        """Write the plan of the next run. Returns its lock, or None if a run is active."""
        spec = found.spec
        lock = found.lock()
        if lock is None:
            return None
        try:
            folder.check_there(self._place.layout.volume(spec))
            found.snapshot()  # records the end of a run whose supervisor was killed
            self._end_orphans(found)
            if found.role is not Role.INSTALLER:
                self._check_ports(spec.ports, found)
            run = found.last_run()
            number = 1 if run is None else run.number + 1
            paths = self._groups.make(f"{found.engine_id}-{number}", self._to_limits(found))
            fields = plan.to_fields(spec, found.role, self._place, found.engine_id, number, paths)
            (found.folder / "plan").write_bytes(plan.to_bytes(fields))
        except BaseException:
            os.close(lock)
            raise
        return lock

    def _to_limits(self, found: Container) -> Limits:
        limits = found.limits()
        return plan.to_installer_limits(limits) if found.role is Role.INSTALLER else limits

    async def _start(self, found: Container, lock: int) -> None:
        async with starting.open_supervisor(found.folder, lock, self._supervisor) as supervisor:
            for console in [each for each in self._consoles.get(found.engine_id, ()) if not each.connected]:
                console.connect(*await control_socket.connect(found.folder, "attach"))
            await supervisor.go()

    def _check_ports(self, wanted: Sequence[PortBinding], starting_: Container | None) -> None:
        """Raise ``EngineRefused`` if another container or program uses one of the ports."""
        for other in [each for each in self._containers.values() if each is not starting_]:
            held = [port for port in wanted if any(port.collides(theirs) for theirs in other.spec.ports)]
            if held and other.role is Role.SERVER and _is_active(other):
                raise EngineRefused(f"Port {held[0].port}/{held[0].protocol} is in use on the host")
        ports.check_free(wanted)

    async def signal(self, engine_id: str, name: str) -> bool:
        found = self._containers.get(engine_id)
        if found is None:
            return False
        number = signal.Signals[name].value
        with suppress(*control_socket.ABSENT):
            async with control_socket.open_command(found.folder, f"signal {number}"):
                return True
        return False

    async def resize(self, engine_id: str, columns: int, rows: int) -> None:
        found = self._containers.get(engine_id)
        if found is None:
            return
        with suppress(*control_socket.ABSENT):
            async with control_socket.open_command(found.folder, f"resize {columns} {rows}"):
                return

    # ---- ends

    async def remove(self, internal_id: str, role: Role) -> None:
        async with self._change(internal_id):
            if found := self._named(internal_id, role):
                await self._discard(found)
            if role is Role.SERVER:
                await trio.to_thread.run_sync(folder.clear, self._place.layout.folder(internal_id))

    async def remove_orphan(self, engine_id: str) -> None:
        if found := self._containers.get(engine_id):
            async with self._change(found.internal_id):
                if engine_id in self._containers:
                    await self._discard(found)

    async def _discard(self, found: Container) -> None:
        with _patience("The program does not end after SIGKILL"):
            while await threads.inspect(found.running):
                await self.signal(found.engine_id, "SIGKILL")
                await trio.sleep(LOOK)
        await trio.to_thread.run_sync(self._end_orphans, found)
        await trio.to_thread.run_sync(found.discard)
        del self._containers[found.engine_id]
        for console in self._consoles.pop(found.engine_id, []):
            console.end()
        self._tell_end(found)
        self._publisher.tell("destroy", found)

    def _end_orphans(self, found: Container) -> None:
        with suppress(FileNotFoundError):
            paths = Plan((found.folder / "plan").read_bytes()).all("group")
            orphans.end(found.engine_id, [os.fsdecode(path) for path in paths])
        self._groups.sweep(found.engine_id)

    async def follow(self, found: Container) -> None:
        """Publish the end of the active run when it has been recorded."""
        while not found.gone and (await threads.inspect_until_seen(found.snapshot)).running:
            found.living = True
            await self._watch(found)
        async with self._change(found.internal_id):
            if await threads.inspect_until_seen(self._clear_up, found):
                self._tell_end(found)

    async def _watch(self, found: Container) -> None:
        """Wait until the supervisor of the active run closes its streams, at its end, or a moment."""
        with suppress(*control_socket.ABSENT):
            async with control_socket.open_command(found.folder, "watch") as stream:
                while await stream.receive_some():
                    continue
                return
        await trio.sleep(LOOK)

    def _tell_end(self, found: Container) -> None:
        if found.living:
            found.living = False
            self._publisher.tell("die", found)

    def _clear_up(self, found: Container) -> bool:
        """Kill what the killed supervisor left running. Returns False if another run is active."""
        if found.gone or found.snapshot().running:
            return found.gone
        end = found.exit()
        if end is not None and end.code is None:
            self._end_orphans(found)
        return True

    # ---- inspection

    async def inspect(self, engine_id: str) -> Snapshot | None:
        found = self._containers.get(engine_id)
        if found is None:
            await trio.lowlevel.checkpoint()
            return None
        snapshot = await threads.inspect(found.snapshot)
        return None if found.gone else snapshot

    async def wait_end(self, engine_id: str) -> Snapshot | None:
        while (snapshot := await self.inspect(engine_id)) is not None and snapshot.running:
            await self._watch(self._containers[engine_id])
        return snapshot

    async def list(self) -> Sequence[Listed]:
        return await threads.inspect(self._list, tuple(self._containers.values()))

    def _list(self, containers: Sequence[Container]) -> Sequence[Listed]:
        return [
            Listed(each.engine_id, each.internal_id, each.role, each.snapshot().running)
            for each in containers
            if not each.gone
        ]

    @asynccontextmanager
    async def notices(self) -> AsyncIterator[Notices]:
        with self._publisher.followed() as notices:
            yield notices

    async def version(self) -> str:
        await trio.lowlevel.checkpoint()
        return version()

    async def sample(self, engine_ids: Sequence[str]) -> Mapping[str, Sample]:
        known = {name: self._containers[name] for name in engine_ids if name in self._containers}
        return await trio.to_thread.run_sync(counters.read_samples, known)

    def threads(self, volume_id: str) -> Sequence[int]:
        return counters.read_threads(
            [each for each in tuple(self._containers.values()) if each.spec.volume_id == volume_id]
        )

    # ---- consoles

    @asynccontextmanager
    async def attach(self, engine_id: str) -> AsyncIterator[ProcessAttachment]:
        found, console = self._found(engine_id), ProcessAttachment()
        waiting = self._consoles.setdefault(engine_id, [])
        waiting.append(console)  # first: a start that happens now connects it
        try:
            with suppress(*control_socket.ABSENT):
                console.connect(*await control_socket.connect(found.folder, "attach"))
            self._found(engine_id)
            yield console
        finally:
            with suppress(ValueError):
                waiting.remove(console)
            await console.close()

    async def backlog(self, engine_id: str, since: float) -> Backlog:
        found = self._found(engine_id)
        ended = not (await threads.inspect(found.snapshot)).running
        return await threads.inspect(lambda: backlog.read(found.folder / "log", since, ended=ended))

    def leave(self) -> None:
        pass  # a reader is waited for only briefly

    # ---- look-up

    @asynccontextmanager
    async def _change(self, internal_id: str) -> AsyncIterator[None]:
        lock = self._changing.setdefault(internal_id, trio.Lock())
        async with lock:
            with trio.CancelScope(shield=True):
                yield

    def _found(self, engine_id: str) -> Container:
        if engine_id not in self._containers:
            raise Missing(engine_id)
        return self._containers[engine_id]

    def _named(self, internal_id: str, role: Role) -> Container | None:
        for each in self._containers.values():
            if (each.internal_id, each.role) == (internal_id, role):
                return each
        return None


@contextmanager
def _patience(trouble: str) -> Iterator[None]:
    """Limit the time of a change; if it takes too long, raise ``EngineUnavailable``."""
    try:
        with trio.fail_after(PATIENCE):
            yield
    except trio.TooSlowError:
        raise EngineUnavailable(trouble) from None


def _is_active(found: Container) -> bool:
    """Whether a run is active. Waits until one that has ended or begins now is over or running."""
    deadline = time.monotonic() + SETTLED
    while found.running():
        if found.snapshot().running or time.monotonic() > deadline:
            return True
        time.sleep(0.005)
    return False
