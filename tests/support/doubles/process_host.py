"""A machine without Docker: folders that a server's user reaches, and the rig's programs to run."""

import itertools
import os
import shutil
import sys
import tempfile
import traceback
import uuid
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs
import pytest
import trio

from actors.container.spec import ContainerSpec
from lightd.engines.process import groups, plan, shim
from lightd.engines.process.host import open_process_engine

NOBODY = 65534
ROOT = Path(__file__).parents[3]
PROGRAMS = [ROOT / "tests/rig/host", ROOT / "tests/rig/servers"]

# Measured supervisors need the packages of whoever measures.
OPTIONS = () if "COVERAGE_PROCESS_CONFIG" in os.environ else ("-I", "-S")
SUPERVISOR = (sys.executable, *OPTIONS, shim.__file__)

NEED_GROUPS = {
    "check_running_out_of_memory_is_told",
    "check_limits_hold_for_a_running_container_and_what_is_not_given_stays",
    "check_limits_of_a_container_at_rest_hold_once_it_runs",
    "check_samples_are_of_those_that_run",
}


@attrs.define
class ProcessHost:
    """Where one process engine after the other may live."""

    folder: Path
    node: str = attrs.field(factory=lambda: f"test-{uuid.uuid4().hex[:12]}")
    supervisor: tuple[str, ...] = SUPERVISOR
    state_path: Path | None = None
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def __attrs_post_init__(self):
        for folder in (self.volumes, self.containers, self.programs):
            folder.mkdir()
        for source in [path for folder in PROGRAMS for path in sorted(folder.iterdir())]:
            if not (self.programs / source.name).exists():
                shutil.copy(source, self.programs)
                (self.programs / source.name).chmod(0o755)

    @property
    def volumes(self):
        return self.folder / "volumes"

    @property
    def containers(self):
        return self.folder / "containers"

    @property
    def programs(self):
        return self.folder / "programs"

    @property
    def state(self):
        return self.state_path or self.folder / "processes"

    @property
    def path(self):
        return f"{self.programs}:{plan.PATH}"

    @property
    def user(self):
        return "988:988" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"

    def spec(self, command, **changes):
        """A spec of a new container, with a volume."""
        volume_id = str(uuid.uuid4())
        (self.volumes / volume_id).mkdir()
        made = ContainerSpec(f"host-{next(self._numbers)}", "host", volume_id, command, user=self.user)
        return attrs.evolve(made, **changes)

    def supervisor_of(self, engine_id):
        """The pid of the supervisor of a container's last life."""
        return int((self.state / engine_id / "life").read_text().split()[2])

    def resident(self, engine_id):
        """Bytes of memory that a container's supervisor has."""
        lines = Path(f"/proc/{self.supervisor_of(engine_id)}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024

    def check_can(self, name):
        """Skip what only a control group makes possible where none may be made."""
        if name in NEED_GROUPS and not groups.find(self.node).held:
            pytest.skip("no control group may be made here")

    @asynccontextmanager
    async def opened(self):
        async with open_process_engine(
            node=self.node,
            state_path=self.state,
            containers_path=str(self.containers),
            volumes_path=str(self.volumes),
            path=self.path,
            supervisor=self.supervisor,
        ) as engine:
            yield engine

    def run_as_nobody(self, story):
        """Run an async function in a process of its own that is no root; what it raises comes out here."""
        self.hand_to_nobody()
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                trio.run(story)
            except pytest.skip.Exception as skipped:
                os.write(tell, f"skip {skipped}".encode())
            except BaseException:  # noqa: BLE001 - told to the parent
                os.write(tell, traceback.format_exc().encode()[-60_000:])
            finally:
                os._exit(0)
        os.close(tell)
        with os.fdopen(told) as file:
            trouble = file.read()
        os.waitpid(pid, 0)
        if trouble.startswith("skip "):
            pytest.skip(trouble.removeprefix("skip "))
        assert not trouble, trouble

    def hand_to_nobody(self):
        """Have all of this belong to an ordinary user, who may not reach our interpreter and our packages."""
        package = self.folder / "package"
        for folder in ("lightd", "lightd/engines", "lightd/engines/process"):
            (package / folder).mkdir(parents=True)
            for source in (ROOT / folder).glob("*.py"):
                shutil.copy(source, package / folder)
        self.supervisor = (public_python(), "-I", "-S", str(package / "lightd/engines/process/shim.py"))
        for path in (self.folder, *self.folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)

    async def clear(self):
        """Remove every container there is."""
        async with self.opened() as engine:
            for row in await engine.list():
                await engine.remove_orphan(row.engine_id)


def public_python():
    """An interpreter that everybody may run."""
    for path in (sys.executable, "/usr/bin/python3"):
        interpreter = Path(path).resolve()  # a link to it may lie where only we can go
        if interpreter.exists() and all(folder.stat().st_mode & 1 for folder in interpreter.parents):
            return str(interpreter)
    pytest.skip("every Python here is out of an ordinary user's reach")


@contextmanager
def opened_host() -> Iterator[ProcessHost]:
    """A host of one's own; nothing of it is left at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lightd-host-"))
    folder.chmod(0o755)
    host = ProcessHost(folder)
    try:
        yield host
    finally:
        trio.run(host.clear)
        for top in groups.find(host.node).tops.values():
            for group in [path for path in top.iterdir() if path.is_dir()] + [top]:
                group.rmdir()
        shutil.rmtree(folder, ignore_errors=True)
