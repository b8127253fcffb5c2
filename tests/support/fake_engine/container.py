"""A container of the fake engine, and the readers of its console and of the engine's notices."""

from collections import deque
from collections.abc import Callable
from typing import Final

import attrs
import trio

from actors.container import engine
from actors.container.spec import ContainerSpec, Limits
from tests.support.fake_engine import programs

UNREAD_BOUND: Final = 1024 * 1024
"""Unread bytes of an attached reader after which the program's output blocks, as with Docker."""

LOG_BOUND: Final = 256 * 1024
"""Bytes of output that are kept for ``backlog``; the oldest are dropped."""

MEMORY: Final = 32 * 1024 * 1024
"""The memory that every running container uses, in bytes."""

HOST_MEMORY: Final = 16 * 1024**3


@attrs.define(eq=False)
class FakeContainer:
    engine_id: str
    role: engine.Role
    spec: ContainerSpec
    attempt: int
    build: int = 0
    limits: Limits = attrs.field(init=False)
    process: programs.Process | None = None
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    killed_for: str = ""
    interrupted: bool = False
    size: tuple[int, int] | None = None
    log: deque[tuple[float, bytes]] = attrs.field(factory=deque)
    log_size: int = 0
    log_cut: bool = False
    consoles: "list[FakeAttachment]" = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.limits = self.spec.limits

    @property
    def tty(self) -> bool:
        if self.role is engine.Role.INSTALLER:
            return self.spec.install is not None
        return self.spec.tty and self.role is engine.Role.SERVER

    def to_snapshot(self) -> engine.Snapshot:
        return engine.Snapshot(
            engine_id=self.engine_id,
            running=self.process is not None,
            started_at=self.started_at,
            finished_at=self.finished_at,
            exit_code=self.exit_code,
            oom_killed=self.oom_killed,
            killed_for=self.killed_for,
            interrupted=self.interrupted and self.process is None,
        )

    def to_listed(self) -> engine.Listed:
        return engine.Listed(self.engine_id, self.spec.internal_id, self.role, self.process is not None)

    def to_sample(self, now: float) -> engine.Sample:
        """Statistics that grow with the age of the process."""
        age = now - (self.started_at or now)
        return engine.Sample(
            at=trio.current_time(),
            cpu_time=age / 100,
            memory_usage=MEMORY,
            memory_limit=self.limits.memory or HOST_MEMORY,
            network_rx=int(age) * 1000,
            network_tx=int(age) * 500,
            block_read=4096,
            block_write=0,
            pids=2,
        )

    def emit(self, at: float, data: bytes) -> None:
        """Append ``data`` to the log and to every attached reader."""
        if self.tty:
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        self.log.append((at, data))
        self.log_size += len(data)
        while self.log_size > LOG_BOUND and len(self.log) > 1:
            self.log_size -= len(self.log.popleft()[1])
            self.log_cut = True
        for console in self.consoles:
            console.push(data)

    def to_backlog(self, since: float) -> engine.Backlog:
        """The logged lines that were complete at ``since`` or later."""
        lines: list[engine.Logged] = []
        rest, oldest = b"", self.log[0][0] if self.log else 0.0
        for at, data in self.log:
            *whole, rest = (rest + data).split(b"\n")
            lines.extend(engine.Logged(at, line) for line in whole if at >= since)
        if rest and self.process is None:
            lines.append(engine.Logged(self.log[-1][0], rest))
        return engine.Backlog(lines, cut=self.log_cut and since < oldest)

    def cut(self) -> None:
        """End the stream of every attached reader."""
        for console in self.consoles:
            console.finish()
        self.consoles.clear()


@attrs.define(eq=False)
class FakeAttachment:
    """See ``engine.Attachment``."""

    _container: FakeContainer
    _now: Callable[[], float]
    _unread: list[bytes] = attrs.field(factory=list)
    _size: int = 0
    _finished: bool = False
    _moved: trio.Event | None = None

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self._unread and not self._finished:
            await self.wait_moved()
        data = b"".join(self._unread)
        self._unread.clear()
        self._size = 0
        self._notify()
        return data

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self._finished:
            raise engine.EngineUnavailable("The console is closed")
        if self._container.process is None:
            return
        if self._container.tty and not self._container.process.raw:
            data = data.replace(b"\r", b"\n")
            self._container.emit(self._now(), data)
        await self._container.process.send(data)

    @property
    def full(self) -> bool:
        return self._size > UNREAD_BOUND

    async def wait_moved(self) -> None:
        if self._moved is None:
            self._moved = trio.Event()
        await self._moved.wait()

    def push(self, data: bytes) -> None:
        self._unread.append(data)
        self._size += len(data)
        self._notify()

    def finish(self) -> None:
        self._finished = True
        self._notify()

    def discard(self) -> None:
        """Stop waiting for this reader."""
        self._size = 0
        self.finish()

    def _notify(self) -> None:
        if self._moved is not None:
            self._moved.set()
            self._moved = None


@attrs.define(eq=False)
class FakeNotices:
    """See ``engine.Engine.notices``."""

    _receive: trio.MemoryReceiveChannel[engine.Notice]

    def __aiter__(self) -> "FakeNotices":
        return self

    async def __anext__(self) -> engine.Notice:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise engine.EngineUnavailable("The engine's stream of events ended") from None
