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
    """The engine does not answer, or not as expected: try again later."""


class EngineFault(EngineUnavailable):
    """The engine answered, but failed at this one thing: try it again later, and go on with everything else.

    ``str()`` is one sentence for a person, without host paths.
    """


class EngineRefused(Exception):  # noqa: N818 - names what the engine did
    """The engine refused a call; ``str()`` is the reason in one sentence, without host paths."""


class Role(Enum):
    """The purpose of a container."""

    SERVER = "server"
    INSTALLER = "installer"
    CANDIDATE = "candidate"


@attrs.frozen
class Snapshot:
    """One container as the engine saw it at one moment.

    ``started_at`` (Unix seconds, None before the first start) identifies one life of its process.
    ``exit_code``, ``oom_killed`` and ``finished_at`` are those of the last life and have no meaning while
    ``running``. ``oom_killed`` is true if any process in it was killed because of the memory limit, not only
    the main one. ``killed_for`` is a sentence that says why lightd killed it: it used too much of the host.
    ``interrupted`` is true if the process did not end by itself: the engine or the host was shut down.
    """

    engine_id: str
    running: bool
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    killed_for: str = ""
    interrupted: bool = False


@attrs.frozen
class Listed:
    """A row of the engine's list of this node's containers.

    ``ours`` is false if the engine does not know that this journal's daemon made it: it may be the container
    of another daemon. ``leftover`` is true for an installer of a journal that this daemon had before.
    """

    engine_id: str
    internal_id: str
    role: Role
    running: bool
    ours: bool = True
    leftover: bool = False


@attrs.frozen
class Notice:
    """A container of this node changed: ``action`` is ``start``, ``die`` or ``destroy``."""

    action: str
    engine_id: str
    internal_id: str
    role: Role


@attrs.frozen
class Sample:
    """Counters of one running container. Times in seconds, the rest in bytes.

    ``cpu_time`` is the processor time used since the start, ``at`` a monotonic clock. ``pids`` is the
    number of processes (of threads, where the kernel counts them), None if it is not counted.
    """

    at: float
    cpu_time: float
    memory_usage: int
    memory_limit: int
    network_rx: int
    network_tx: int
    block_read: int
    block_write: int
    pids: int | None = None


@attrs.frozen
class Logged:
    """A line of the engine's log, as bytes without their end.

    ``at`` is when the engine logged it (Unix seconds): when it was printed, or a moment later.
    """

    at: float
    line: bytes


@attrs.frozen
class Backlog:
    """Lines of the engine's log, in order. ``cut`` is true if older requested lines are left out."""

    lines: Sequence[Logged]
    cut: bool = False


class Attachment(Protocol):
    """The output and the stdin of a container."""

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

    async def ensure_image(self, image: str, pull: str, progress: Callable[[str], None]) -> None:
        """Pull ``image``: if it is ``missing``, ``always``, or ``never``, as ``pull`` says.

        ``progress`` is called with lines to show, at most a few a second. Raises ``EngineRefused`` if the
        image can't be pulled, or is missing and must not be pulled.
        """

    async def create_installer(self, spec: ContainerSpec, attempt: int) -> str:
        """Create the container that runs the install script of this attempt; return its engine id.

        An existing one of the same attempt is reused in any state; one of another attempt is replaced.
        """

    async def create_server(self, spec: ContainerSpec, attempt: int) -> str:
        """Create the container of the server without starting it; return its engine id.

        The files that it starts from are written first. An existing one is reused if it was created from the
        same spec, in the same attempt and from the image that has the name now; any other is removed and
        created again. Raises ``EngineRefused`` if it can't be created.
        """

    async def create_candidate(self, spec: ContainerSpec, attempt: int, fresh: Sequence[PortBinding]) -> str:
        """Create the container that will replace the server, beside it, without starting it; return its id.

        As ``create_server``, under another name. Raises ``EngineRefused`` if one of ``fresh``, the ports
        that the server does not have, can't be bound on the host now.
        """

    async def replace(self, internal_id: str, engine_id: str) -> None:
        """Replace the server by this candidate; the previous server is removed, running or not.

        No effect if it is the server already. Raises ``Missing`` if there is no such container; the server
        stays then.
        """

    async def update(self, engine_id: str, limits: Limits) -> None:
        """Apply ``limits`` to a container, running or not; a limit that is None stays as it was.

        Raises ``EngineRefused`` if they can't be applied, ``Missing`` if there is no such container.
        """

    async def start(self, engine_id: str) -> None:
        """Start the process; no effect if it runs. Raises ``EngineRefused`` if it can't be started,
        ``Missing`` if there is no such container.
        """

    async def signal(self, engine_id: str, name: str) -> bool:
        """Send a signal (``SIGTERM``) to the process; return false if none runs."""

    async def remove(self, internal_id: str, role: Role) -> None:
        """Remove a container by its role, running or not; no effect if there is none."""

    async def remove_orphan(self, engine_id: str) -> None:
        """Remove exactly this container, running or not; no effect if it is gone."""

    async def inspect(self, engine_id: str) -> Snapshot | None:
        """Return the present state of a container, None if it does not exist.

        Raises ``EngineUnavailable`` while the engine shuts down and may itself have ended the process.
        """

    async def wait_end(self, engine_id: str) -> Snapshot | None:
        """Wait until the process does not run and the engine has finished with it; return its state then.

        Returns at once if it does not run, and None if there is no such container.
        """

    async def list(self) -> Sequence[Listed]:
        """Return every container of this node, whatever its state."""

    def attach(self, engine_id: str) -> AbstractAsyncContextManager[Attachment]:
        """Connect to the console. Attached before ``start``, every byte arrives.

        Raises ``Missing`` if there is no such container.
        """

    async def backlog(self, engine_id: str, since: float) -> Backlog:
        """Return the newest lines that were logged since ``since`` (Unix seconds), a bounded amount.

        A line is logged once it is complete: at its end, or when its process ends. With the ``started_at`` of
        the last life this returns all of that life, perhaps after the end of the one before. Raises
        ``Missing`` if there is no such container.
        """

    async def resize(self, engine_id: str, columns: int, rows: int) -> None:
        """Set the size of the terminal; no effect if it does not run or has none."""

    def notices(self) -> AbstractAsyncContextManager[AsyncIterator[Notice]]:
        """Follow the changes of this node's containers, from the moment that this is entered.

        Ends only with ``EngineUnavailable``. Notices can be lost or repeated: they say what to inspect.
        """

    async def version(self) -> str:
        """Return the engine's own version, as its users know it."""

    async def sample(self, engine_ids: Sequence[str]) -> Mapping[str, Sample]:
        """Return the counters of those of the containers that run."""

    def threads(self, volume_id: str) -> Sequence[int]:
        """Return the ids of the threads of all processes that use the volume, as the host numbers them.

        It includes installers. It is empty if nothing runs, or where the engine does not know. It blocks for
        a moment and can be called in any thread.
        """

    def leave(self) -> None:
        """From now on, let cancelled calls return within a moment: the daemon is shutting down.

        What they requested may still happen.
        """


class Missing(Exception):  # noqa: N818 - names what was found
    """There is no container of that engine id."""
