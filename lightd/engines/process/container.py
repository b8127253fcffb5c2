"""A container of the process engine: a folder, and what its files say.

| file | written by | says |
|---|---|---|
| ``made`` | the engine, once | what it was made of |
| ``limits`` | the engine | the ceilings of the next life, where they were changed |
| ``plan`` | the engine, before each life | what is to be run |
| ``life`` | the supervisor | number, start, supervisor and program of the last life |
| ``exit`` | the supervisor, or the engine for one that was killed | how the last life ended |
| ``log``, ``log.1`` | the supervisor | what was printed |
| ``lock`` | nobody | locked for as long as a life is under way |

A life is under way while its lock is held: by the supervisor, with whom it goes, however that ends. A pid is
believed only along with when it began. Everything here blocks, for as long as small files take.
"""

import contextlib
import fcntl
import json
import os
import shutil
import struct
import threading
import time
from pathlib import Path
from typing import Any, Final

import attrs

from actors.container.engine import Role, Snapshot
from actors.container.spec import ContainerSpec, Limits, PortBinding
from lightd.engines.docker.recipe import to_fingerprint
from lightd.engines.process.atomic_file import began, record

FORMAT: Final = 1

_LOCK: Final = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""A ``struct flock`` over the whole file (fcntl(2)); of an open file description, so that it is handed on."""


@attrs.frozen
class Life:
    """One life of a program, as its supervisor wrote it down."""

    number: int
    started_at: float
    supervisor: int
    supervisor_began: str
    program: int


@attrs.frozen
class Exit:
    """How a life ended; ``code`` is None where nobody can tell."""

    number: int
    code: int | None
    oom_killed: bool
    finished_at: float


@attrs.define(eq=False)
class Container:
    """One container; its ``role`` changes when a candidate takes the server's place.

    ``living`` is true from when its start was told to when its end was.
    """

    engine_id: str
    folder: Path
    internal_id: str
    role: Role
    attempt: int
    fingerprint: str
    spec: ContainerSpec
    gone: bool = False
    living: bool = False
    _looking: threading.Lock = attrs.field(factory=threading.Lock)

    # ---- what is true of it

    def running(self) -> bool:
        """Whether a life is under way; one whose supervisor was killed is not."""
        try:
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            (found,) = struct.unpack_from("h", fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _LOCK))
        finally:
            os.close(descriptor)
        return bool(found != fcntl.F_UNLCK)

    def is_of(self, spec: ContainerSpec, attempt: int) -> bool:
        """Whether it is what would be made; of installers only the attempt counts."""
        if self.role is Role.INSTALLER:
            return self.attempt == attempt
        return self.fingerprint == to_fingerprint(spec, attempt)

    def life(self) -> Life | None:
        words = _read(self.folder / "life")
        if words is None:
            return None
        number, at, supervisor, begin, program = words.split()
        return Life(int(number), float(at), int(supervisor), begin, int(program))

    def exit(self) -> Exit | None:
        words = _read(self.folder / "exit")
        if words is None:
            return None
        number, code, oom, at = words.split()
        return Exit(int(number), None if code == "?" else int(code), oom == "1", float(at))

    def snapshot(self) -> Snapshot:
        """What is true now; a life that was lost is recorded as such."""
        under_way = self.running()  # first: an exit is recorded before the lock goes
        with self._looking:
            life, end = self.life(), self.exit()
            if life is None:
                return Snapshot(self.engine_id, running=False)
            if end is None or end.number != life.number:
                if under_way:
                    return Snapshot(self.engine_id, running=True, started_at=life.started_at)
                end = self._note_loss(life)
        return Snapshot(
            self.engine_id,
            running=False,
            started_at=life.started_at,
            finished_at=end.finished_at,
            exit_code=end.code,
            oom_killed=end.oom_killed,
        )

    def _note_loss(self, life: Life) -> Exit:
        end = Exit(life.number, None, oom_killed=False, finished_at=max(time.time(), life.started_at))
        if not self.gone:
            with contextlib.suppress(OSError):  # a full disk, say: it is lost all the same
                record(str(self.folder / "exit"), f"{life.number} ? 0 {end.finished_at!r}".encode())
        return end

    def limits(self) -> Limits:
        words = _read(self.folder / "limits")
        return self.spec.limits if words is None else Limits(**json.loads(words))

    def change_limits(self, limits: Limits) -> None:
        """Remember ``limits`` for lives to come; what is None stays."""
        given = {key: value for key, value in attrs.asdict(limits).items() if value is not None}
        record(str(self.folder / "limits"), json.dumps({**attrs.asdict(self.limits()), **given}).encode())

    def lock(self) -> int | None:
        """A descriptor that holds the lock of a life; None where one is under way."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _LOCK)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    # ---- its making and its end

    def keep(self) -> None:
        """Have the folder say what it was made of."""
        made = {
            "format": FORMAT,
            "engine_id": self.engine_id,
            "internal_id": self.internal_id,
            "role": self.role.value,
            "attempt": self.attempt,
            "fingerprint": self.fingerprint,
            "spec": attrs.asdict(self.spec),
        }
        (self.folder / "lock").touch(mode=0o600)
        record(str(self.folder / "made"), json.dumps(made).encode())

    def discard(self) -> None:
        """Remove the folder; it is no container any more from the first moment on."""
        with self._looking:  # else an end that is being recorded keeps it
            self.gone = True
            with contextlib.suppress(FileNotFoundError):
                (self.folder / "made").unlink()
            shutil.rmtree(self.folder, ignore_errors=True)


def make(path: Path, engine_id: str, spec: ContainerSpec, role: Role, attempt: int) -> Container:
    """Make a container in a folder of its own beneath ``path``."""
    folder = path / engine_id
    folder.mkdir(mode=0o700)
    fingerprint = to_fingerprint(spec, attempt)
    made = Container(engine_id, folder, spec.internal_id, role, attempt, fingerprint, spec)
    made.keep()
    return made


def load(path: Path) -> list[Container]:
    """The containers in ``path``; what was never whole, or is half removed, goes."""
    found = []
    for folder in sorted(path.iterdir()):
        words = _read(folder / "made")
        if words is None:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        made = json.loads(words)
        found.append(
            Container(
                made["engine_id"],
                folder,
                made["internal_id"],
                Role(made["role"]),
                made["attempt"],
                made["fingerprint"],
                _to_spec(made["spec"]),
            )
        )
    return found


def _to_spec(fields: dict[str, Any]) -> ContainerSpec:
    """The spec, as far as an engine needs it: how to stop and to restart is its actor's concern."""
    return ContainerSpec(
        fields["internal_id"],
        fields["image"],
        fields["volume_id"],
        fields["startup_command"],
        ports=tuple(PortBinding(**port) for port in fields["ports"]),
        limits=Limits(**fields["limits"]),
        install_script=fields["install_script"],
        environment=tuple((name, value) for name, value in fields["environment"]),
        user=fields["user"],
        tty=fields["tty"],
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def is_alive(life: Life) -> bool:
    """Whether the supervisor of ``life`` is that very process still."""
    try:
        return began(life.supervisor) == life.supervisor_began
    except OSError:
        return False
