"""The Protocol of the engine that runs containers; the docstrings are the contract.

``tests/contracts/engine_checks.py`` checks every implementation against it. Every call may raise
``EngineUnavailable``; calls are idempotent: asking for what is already so succeeds and changes nothing.
A cancelled call has unwound when the cancellation is through, but what it asked for may still happen.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Protocol

import attrs

from actors.container.spec import ContainerSpec, Limits, PortBinding


class EngineUnavailable(Exception):  # noqa: N818 - a fault of the world, named like its siblings
    """The engine does not answer, or not as an engine does: try again later."""


class EngineRefused(Exception):  # noqa: N818 - names what the engine did
    """The engine answered, and said no; ``str()`` is one sentence for a person, without host paths."""


class Role(Enum):
    """What one of our containers is for."""

    SERVER = "server"
    INSTALLER = "installer"
    CANDIDATE = "candidate"


@attrs.frozen
class Snapshot:
    """One container as the engine saw it at one moment.

    ``started_at`` (Unix seconds, None before the first start) tells one life of its process from another.
    ``exit_code``, ``oom_killed`` and ``finished_at`` are those of the last life, and mean nothing while
    ``running``. ``killed_for`` is why lightd itself ended it, for a person: it took too much of the host.
    """

    engine_id: str
    running: bool
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    killed_for: str = ""


@attrs.frozen
class Listed:
    """A row of the engine's list of this node's containers."""

    engine_id: str
    internal_id: str
    role: Role
    running: bool


@attrs.frozen
class Notice:
    """Something happened to a container of this node: ``action`` is ``start``, ``die`` or ``destroy``."""

    action: str
    engine_id: str
    internal_id: str
    role: Role


@attrs.frozen
class Sample:
    """Counters of one running container. Times in seconds, the rest in bytes.

    ``cpu_time`` is the processor time used since the start, ``at`` a monotonic clock.
    """

    at: float
    cpu_time: float
    memory_usage: int
    memory_limit: int
    network_rx: int
    network_tx: int
    block_read: int
    block_write: int


@attrs.frozen
class Logged:
    """A line of the engine's log, as bytes without their end.

    ``at`` is when the engine took it down (Unix seconds): when it was printed, or a moment later.
    """

    at: float
    line: bytes


@attrs.frozen
class Backlog:
    """Lines of the engine's log, in their order. ``cut`` where older ones were asked for and left out."""

    lines: Sequence[Logged]
    cut: bool = False


class Attachment(Protocol):
    """The console of a container: what it prints, and its stdin."""

    async def receive(self) -> bytes:
        """Return what was printed since, waiting for it; ``b""`` at the end of the stream.

        The end of the stream is never evidence that the process has ended. Output of a container without
        a TTY has its stdout and stderr merged.
        """

    async def send(self, data: bytes) -> None:
        """Write ``data`` to stdin, waiting while the process doesn't read.

        After the end of the stream it is lost, or ``EngineUnavailable`` says so.
        """


class Engine(Protocol):
    """Runs containers. ``engine_id`` is the engine's own name of one, never used for another."""

    async def ensure_image(self, image: str, progress: Callable[[str], None]) -> None:
        """Make sure that ``image`` is there, pulling it when it is absent.

        ``progress`` is called with lines for a person, at most a few a second. Raises ``EngineRefused``
        where there is no such image.
        """

    async def create_installer(self, spec: ContainerSpec, attempt: int) -> str:
        """Make the container that runs the install script of this attempt; return its engine id.

        The one of the same attempt is found again, whatever its state; one of another is replaced.
        """

    async def create_server(self, spec: ContainerSpec, attempt: int) -> str:
        """Make the container of the server, not started; return its engine id.

        The files that it starts from are written first. One that was made from the same spec in the same
        attempt is found again, one made from another is removed and made anew. Raises ``EngineRefused``
        where it can't be made.
        """

    async def create_candidate(self, spec: ContainerSpec, attempt: int, fresh: Sequence[PortBinding]) -> str:
        """Make the container that is to take the server's place, beside it, not started; return its id.

        As ``create_server``, under another name. Raises ``EngineRefused`` where one of ``fresh``, the ports
        that the server doesn't have, can't be bound on the host now.
        """

    async def replace(self, internal_id: str, engine_id: str) -> None:
        """Have this candidate be the server; the one before it is removed, running or not.

        Nothing where it is the server. Raises ``Missing`` where there is no such container: the server
        stays then.
        """

    async def update(self, engine_id: str, limits: Limits) -> None:
        """Hold a container to ``limits``, running or not; a ceiling that is None stays as it was.

        Raises ``EngineRefused`` where they can't be had, ``Missing`` where there is no such container.
        """

    async def start(self, engine_id: str) -> None:
        """Start the process; nothing where it runs. Raises ``EngineRefused`` where it can't be started,
        ``Missing`` where there is no such container.
        """

    async def signal(self, engine_id: str, name: str) -> None:
        """Send a signal (``SIGTERM``) to the process; nothing where it doesn't run or isn't there."""

    async def remove(self, internal_id: str, role: Role) -> None:
        """Remove a container by what it is for, running or not; nothing where there is none."""

    async def remove_orphan(self, engine_id: str) -> None:
        """Remove one very container, running or not; nothing where it is gone."""

    async def inspect(self, engine_id: str) -> Snapshot | None:
        """Return what is true of a container now, None where there is no such one."""

    async def list(self) -> Sequence[Listed]:
        """Return every container of this node, whatever its state."""

    def attach(self, engine_id: str) -> AbstractAsyncContextManager[Attachment]:
        """Connect to the console. Attached before ``start``, every byte arrives.

        Raises ``Missing`` where there is no such container.
        """

    async def backlog(self, engine_id: str, since: float) -> Backlog:
        """Return the newest lines that were taken down since ``since`` (Unix seconds), a bounded amount.

        A line is there once it is whole: at its end, or at that of its process. Since the very ``started_at``
        of the last life, that is all of this life; the end of the one before may come with it. Raises
        ``Missing`` where there is no such container.
        """

    async def resize(self, engine_id: str, columns: int, rows: int) -> None:
        """Set the size of the terminal; nothing where it doesn't run or has none."""

    def notices(self) -> AbstractAsyncContextManager[AsyncIterator[Notice]]:
        """Follow what happens to this node's containers, from the moment that this is entered.

        Ends by ``EngineUnavailable`` only. Notices may be lost or repeated: they say where to look.
        """

    async def sample(self, engine_ids: Sequence[str]) -> Mapping[str, Sample]:
        """Return the counters of those containers that run."""

    def leave(self) -> None:
        """Keep a cancelled caller waiting no longer than a moment from now on: whoever asks is about to end.

        What was asked for may still happen, unseen.
        """


class Missing(Exception):  # noqa: N818 - names what was found
    """There is no container of that engine id."""
