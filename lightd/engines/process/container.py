"""A container of the process engine: a folder and its files.

| file | written by | contents |
|---|---|---|
| ``made`` | the engine, once | the specification |
| ``limits`` | the engine | the limits of the next run, if they were changed |
| ``plan`` | the engine, before each run | what to execute |
| ``life`` | the supervisor | number, start time, supervisor and program of the last run |
| ``exit`` | the supervisor, or the engine if it was killed | how the last run ended |
| ``log``, ``log.1`` | the supervisor | the output |
| ``lock`` | nothing | locked while a run is active |

A run is active while its lock is held by the supervisor; the kernel releases the lock when the supervisor
ends, for whatever reason. A pid is only used together with the start time of its process. Everything here
blocks for as long as small files take.
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
from actors.container.spec import ContainerSpec, EggUse, Limits, PortBinding
from lightd.engines.docker.recipe import to_fingerprint
from lightd.engines.host.start_times import SETTLING, booted_at
from lightd.engines.process.atomic_file import process_start, record

FORMAT: Final = 1

_LOCK: Final = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""A ``struct flock`` for the whole file (fcntl(2)); the lock belongs to the open file description."""


@attrs.frozen
class Run:
    """One run of a program, as recorded by its supervisor."""

    number: int
    started_at: float
    supervisor: int
    supervisor_began: str
    program: int


@attrs.frozen
class Exit:
    """How a run ended; ``code`` is None if it is unknown."""

    number: int
    code: int | None
    oom_killed: bool
    finished_at: float


@attrs.define(eq=False)
class Container:
    """One container; its ``role`` changes when a candidate replaces the server.

    ``living`` is true from the notice of its start to the notice of its end.
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

    # ---- current state

    def running(self) -> bool:
        """Whether a run is active; one whose supervisor was killed is not."""
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
        """Whether it was made from this spec; for installers only the attempt is compared."""
        if self.role is Role.INSTALLER:
            return self.attempt == attempt
        return self.fingerprint == to_fingerprint(spec, attempt)

    def last_run(self) -> Run | None:
        words = _read(self.folder / "life")
        if words is None:
            return None
        number, at, supervisor, begin, program = words.split()
        return Run(int(number), float(at), int(supervisor), begin, int(program))

    def exit(self) -> Exit | None:
        words = _read(self.folder / "exit")
        if words is None:
            return None
        number, code, oom, at = words.split()
        return Exit(int(number), None if code == "?" else int(code), oom == "1", float(at))

    def snapshot(self) -> Snapshot:
        """The current state. A run whose supervisor was killed is recorded as ended."""
        under_way = self.running()  # first: an exit is recorded before the lock is released
        with self._looking:
            run, end = self.last_run(), self.exit()
            if run is None:
                return Snapshot(self.engine_id, running=False)
            if end is None or end.number != run.number:
                if under_way:
                    return Snapshot(self.engine_id, running=True, started_at=run.started_at)
                end = self._note_loss(run)
        return Snapshot(
            self.engine_id,
            running=False,
            started_at=run.started_at,
            finished_at=end.finished_at,
            exit_code=end.code,
            oom_killed=end.oom_killed,
            interrupted=run.started_at < booted_at() and end.finished_at < booted_at() + SETTLING,
        )

    def _note_loss(self, run: Run) -> Exit:
        end = Exit(run.number, None, oom_killed=False, finished_at=max(time.time(), run.started_at))
        if not self.gone:
            with contextlib.suppress(OSError):  # for example a full disk: the exit code is lost in any case
                record(str(self.folder / "exit"), f"{run.number} ? 0 {end.finished_at!r}".encode())
        return end

    def limits(self) -> Limits:
        words = _read(self.folder / "limits")
        return self.spec.limits if words is None else Limits(**json.loads(words))

    def change_limits(self, limits: Limits) -> None:
        """Store ``limits`` for future runs; a limit of None is not changed."""
        given = {key: value for key, value in attrs.asdict(limits).items() if value is not None}
        record(str(self.folder / "limits"), json.dumps({**attrs.asdict(self.limits()), **given}).encode())

    def lock(self) -> int | None:
        """A descriptor that holds the run's lock; None if a run is active."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _LOCK)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    # ---- creation and removal

    def keep(self) -> None:
        """Write the specification to the folder."""
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
        """Remove the folder. It is not a container any more as soon as this begins."""
        with self._looking:  # otherwise an exit that is being recorded would keep the folder
            self.gone = True
            with contextlib.suppress(FileNotFoundError):
                (self.folder / "made").unlink()
            shutil.rmtree(self.folder, ignore_errors=True)


def make(path: Path, engine_id: str, spec: ContainerSpec, role: Role, attempt: int) -> Container:
    """Create a container in its own folder in ``path``."""
    folder = path / engine_id
    folder.mkdir(mode=0o700)
    fingerprint = to_fingerprint(spec, attempt)
    made = Container(engine_id, folder, spec.internal_id, role, attempt, fingerprint, spec)
    made.keep()
    return made


def load(path: Path) -> list[Container]:
    """The containers in ``path``; incomplete and half removed ones are removed."""
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
    """The spec without what the engine does not need: the stop and restart policies are used by the actor."""
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
        egg=_to_egg(fields.get("egg")),
    )


def _to_egg(fields: dict[str, Any] | None) -> EggUse | None:
    """The egg in a specification; None in one of an earlier version."""
    if fields is None:
        return None
    return EggUse(
        fields["id"], fields["version"], tuple((name, value) for name, value in fields["variables"])
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def is_alive(run: Run) -> bool:
    """Whether the process of the supervisor of ``run`` still exists."""
    try:
        return process_start(run.supervisor) == run.supervisor_began
    except OSError:
        return False
