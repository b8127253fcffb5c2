"""A lightd on the fake engine, in a process of its own, with as many containers as are asked for.

``write`` records a past for them; as a program this serves them, prints its address when it does, and then
answers an empty line on its stdin with what it holds by then, and one with a path by writing a profile there
of what it does until the next line. A word of ``DOOR`` switches authorization.
"""

import cProfile
import gc
import json
import logging
import os
import subprocess
import sys
import time
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from actors.container import events
from actors.container.engine import Engine, Role
from actors.container.fleet import stream_of
from actors.container.spec import ContainerSpec, Limits, PortBinding
from actors.container.state import Phase
from actors.kernel.journal import Append
from lightd import daemon
from lightd.config.sections import Authorization, Configuration, Docker, Server, Storage
from lightd.journal.codec import Codec
from lightd.journal.sqlite import open_sqlite_journal
from lightd.logs import output
from tests.bench import process
from tests.support.daemon import TOKEN
from tests.support.fake_engine import engine as fake

BEGAN = fake.EPOCH + 1
FAKES = ("*/tests/support/fake_engine/*.py",)
SETTLED = 0.5
DELAYS = "delays"
DOOR = {"open": False, "guarded": True}


class Nowhere:
    """An audit that keeps nothing: what the one that does is measured by."""

    async def write(self, begun: object, ended: object) -> None:
        await trio.lowlevel.checkpoint()

    async def prune(self, before: float, most: int, limit: int) -> int:
        return 0


@attrs.frozen
class Past:
    """What is recorded: so many containers that were run so many times before, and run now or don't."""

    containers: int
    runs: int = 0
    running: bool = False


def a_spec(number: int) -> ContainerSpec:
    return ContainerSpec(
        f"server-{number:05}",
        fake.RIG_IMAGE,
        str(uuid.UUID(int=number)),
        "java -Xms128M -Xmx1024M -jar server.jar nogui",
        r"\)! For help, type ",
        (PortBinding("0.0.0.0", 20_000 + number, "tcp", 25_565),),
        Limits(1024**3, 1.5, 512),
        environment=(("SERVER_NAME", f"Server {number}"), ("EULA", "true")),
    )


def to_events(number: int, past: Past) -> tuple[events.Event, ...]:
    emitted: list[events.Event] = [
        events.Created(1, a_spec(number)),
        events.ImageEnsured(1),
        events.ScriptFinished(1),
        events.Installed(1, f"{number:012x}"),
    ]
    for run in range(1, past.runs + 1):
        began = BEGAN - 100_000 + run
        emitted += [
            events.StartRequested(run),
            events.Started(run, began),
            events.BecameReady(run),
            events.StopRequested(run, events.Follow.REST),
            events.Exited(run, 0, oom_killed=False, expected=True, at=began + 0.5, started_at=began),
        ]
    if past.running:
        run = past.runs + 1
        emitted += [events.StartRequested(run), events.Started(run, BEGAN), events.BecameReady(run)]
    return tuple(emitted)


async def write(folder: Path, past: Past) -> None:
    """Record ``past`` in the journal of the installation in ``folder``."""
    async with open_sqlite_journal(folder / "lightd.db", Codec(), time.time) as journal:
        for number in range(1, past.containers + 1):
            spec = a_spec(number)
            await journal.commit([Append(stream_of(spec.internal_id), 0, to_events(number, past), "bench")])


async def idle(_process: object, _words: Sequence[str]) -> int:
    await trio.sleep_forever()
    return 0


@asynccontextmanager
async def open_filled(past: Past) -> AsyncIterator[Engine]:
    """A fake engine that has what ``past`` tells of."""
    async with fake.open_fake_engine(programs_too={a_spec(1).startup_command: idle}) as engine:
        for number in range(1, past.containers + 1):
            engine._create(Role.SERVER, a_spec(number), 1)
            container = engine._containers[f"{number:012x}"]
            if past.running:
                engine._start(container)
                container.started_at = BEGAN
        yield engine


async def serve(folder: Path, past: Past, *, traced: bool, audited: bool) -> None:
    config = Configuration(
        server=Server("127.0.0.1", 0),
        authorization=Authorization(token=TOKEN),
        docker=Docker(),
        storage=Storage(folder, containers_path=folder / "containers", volumes_path=folder / "volumes"),
        node="bench",
    )
    async with (
        daemon.open_system(config, lambda *_: open_filled(past)) as system,
        daemon.open_front(system) as addresses,
    ):
        if not audited:
            system.audit._table = Nowhere()
        print(addresses[0], flush=True)
        while not system.fleet.engine_up.value:
            await system.fleet.engine_up.wake.wait()
        await trio.sleep(SETTLED)
        phase = Phase.RUNNING if past.running else Phase.OFFLINE
        states = [member.state.phase for member in system.fleet]
        assert states == [phase] * past.containers, set(states)
        while asked := await trio.to_thread.run_sync(sys.stdin.readline):
            if asked.strip() == DELAYS:
                print(system.delays.longest, flush=True)
                system.delays.reset()
                continue
            if asked.strip() in DOOR:
                authorization = attrs.evolve(system.config.authorization, enabled=DOOR[asked.strip()])
                system.config = attrs.evolve(system.config, authorization=authorization)
                print(asked.strip(), flush=True)
                continue
            if asked.strip():
                profile = await _profile_until_told(asked.strip())
                profile.dump_stats(asked.strip())
            gc.collect()
            print(tracemalloc_total() if traced else 0, flush=True)


async def _profile_until_told(path: str) -> cProfile.Profile:
    """What this process does until the next line of its stdin; says ``path`` once it looks."""
    profile = cProfile.Profile(time.thread_time)  # what else the machine does is no cost of ours
    profile.enable()
    print(path, flush=True)
    await trio.to_thread.run_sync(sys.stdin.readline)
    profile.disable()
    return profile


def tracemalloc_total() -> int:
    """Bytes of Python's own, without what makes the engine a fake."""
    fakes = [tracemalloc.Filter(inclusive=False, filename_pattern=pattern) for pattern in FAKES]
    snapshot = tracemalloc.take_snapshot().filter_traces(fakes)
    return sum(trace.size for trace in snapshot.traces)


@attrs.define
class Node:
    """A served node. ``ready`` is how many seconds it took from the start of the process."""

    process: subprocess.Popen
    url: str
    ready: float

    def resident(self) -> int:
        self._settle()
        return process.resident(self.process.pid)

    def traced(self) -> int:
        return self._settle()

    def ask_for_tokens(self, door: str) -> None:
        """Have it ask for tokens from now on, or not: ``guarded`` or ``open``."""
        self._tell(door)
        self.process.stdout.readline()

    def delays(self) -> float:
        """Seconds of its longest pass of the event loop since it was last asked."""
        self._tell(DELAYS)
        return float(self.process.stdout.readline())

    @contextmanager
    def profiled(self, path: Path) -> Iterator[None]:
        """What the node does within the block is in the profile at ``path`` afterwards."""
        self._tell(str(path))
        self.process.stdout.readline()
        yield
        self._tell("")
        self.process.stdout.readline()

    def _tell(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _settle(self) -> int:
        time.sleep(2 * SETTLED)
        self._tell("")
        return int(self.process.stdout.readline())


@contextmanager
def open_node(folder: Path, past: Past, *, traced: bool = False, audited: bool = True) -> Iterator[Node]:
    """A node that serves what was written into ``folder``."""
    arguments: dict[str, Any] = {
        "folder": str(folder),
        "past": attrs.asdict(past),
        "traced": traced,
        "audited": audited,
    }
    options = ["-X", "tracemalloc=1"] if traced else []
    begun = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *options, "-m", "tests.bench.node", json.dumps(arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        url = child.stdout.readline().strip()
        assert url, "the node did not start"
        yield Node(child, url, time.perf_counter() - begun)
    finally:
        child.kill()
        child.communicate()


def main() -> None:
    arguments = json.loads(sys.argv[1])
    past = Past(**arguments["past"])
    daemon._settle_process()
    with Path(os.devnull).open("w") as nowhere, output.configure("json", logging.INFO, nowhere):
        options = {name: arguments[name] for name in ("traced", "audited")}
        trio.run(lambda: serve(Path(arguments["folder"]), past, **options))


if __name__ == "__main__":
    main()
