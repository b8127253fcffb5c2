"""A console that never rests: whether lightd, or a viewer that stopped reading, slows its container down.

The container says itself how long its lines took it, by its own clock. A kill has to come through meanwhile.
"""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from actors.container.spec import ContainerSpec
from tests.bench import docker, figures, process
from tests.bench.clients import Api, Viewer
from tests.bench.installation import open_daemon
from tests.rig import engine
from tests.support.daemon import Daemon

RATE = 50_000
SECONDS = 5
ON_TIME = 1.05
_FLOODED = re.compile(r"Flooded \d+ lines in ([\d.]+) s")
READS, STUCK = (True,), (False,)
"""The viewers of a console: each reads, or never does."""


@attrs.define
class Floods:
    """One way to have a console read; ``cpu`` has the daemon's processor time for each flood, in seconds."""

    flood: Callable[[], float]
    daemon: Daemon
    cpu: list[float] = attrs.field(factory=list)

    def __call__(self) -> float:
        before = process.cpu_seconds(self.daemon.process.pid)
        seconds = self.flood()
        self.cpu.append(process.cpu_seconds(self.daemon.process.pid) - before)
        return seconds


@attrs.define
class Site:
    """Where containers are made, through lightd or directly, and what it takes."""

    daemon: Daemon
    api: Api
    bare: docker.Docker
    volume_id: str

    @contextmanager
    def ours(self, command: str) -> Iterator[str]:
        """A container that lightd has started."""
        internal_id = uuid.uuid4().hex[:12]
        body = {
            "internal_id": internal_id,
            "image": engine.IMAGE,
            "volume_id": self.volume_id,
            "startup_command": command,
        }
        self.api.call("POST", "/containers", body, wait=60)
        self.api.power(internal_id, "start")
        yield internal_id
        self.api.call("DELETE", f"/containers/{internal_id}", wait=60)

    @contextmanager
    def theirs(self, command: str) -> Iterator[tuple[str, docker.Console]]:
        """The same container, started by hand, with a console attached."""
        spec = ContainerSpec(uuid.uuid4().hex[:12], engine.IMAGE, self.volume_id, command)
        engine_id = self.bare.create(f"lightd-{spec.internal_id}", self.bare.prepare(spec))
        console = docker.Console(engine_id)
        self.bare.start(engine_id)
        yield engine_id, console
        console.close()
        self.bare.remove(engine_id)

    def flood_ours(self, command: str, viewers: tuple[bool, ...]) -> float:
        with self.ours(command) as internal_id:
            sockets = [Viewer(self.daemon.url, internal_id, reads=reads) for reads in viewers]
            while self.api.call("GET", f"/containers/{internal_id}")["state"] != "offline":
                time.sleep(0.1)
            for socket in sockets:
                socket.close()
            return self.taken(f"lightd-{internal_id}")

    def flood_theirs(self, command: str) -> float:
        with self.theirs(command) as (engine_id, console):
            console.drain()
            return self.taken(engine_id)

    def taken(self, engine_id: str) -> float:
        line = self.bare.last_line(engine_id)
        found = _FLOODED.search(line)
        assert found, line
        return float(found[1])

    def kill_ours(self, command: str, viewers: tuple[bool, ...] = ()) -> float:
        with self.ours(command) as internal_id:
            sockets = [Viewer(self.daemon.url, internal_id, reads=reads) for reads in viewers]
            time.sleep(1)
            begun = time.perf_counter()
            self.api.power(internal_id, "kill")
            taken = docker.since(begun)
            for socket in sockets:
                socket.close()
            return taken

    def kill_theirs(self) -> float:
        with self.theirs("stdin-echo") as (engine_id, console):
            console.until(b"Ready")
            time.sleep(0.5)
            begun = time.perf_counter()
            self.bare.signal(engine_id, "SIGKILL")
            self.bare.wait(engine_id)
            return docker.since(begun)


def run(report: figures.Report, *, quick: bool) -> None:
    with open_daemon() as daemon:
        api = Api(daemon.url)
        volume_id = api.call("POST", "/volumes")["volume_id"]
        site = Site(daemon, api, docker.Docker(daemon.folder / "bare", daemon.node), volume_id)
        for flood in (site.flood_theirs, lambda command: site.flood_ours(command, ())):
            flood("flood 1000 100")  # the first of each finds nothing in any cache
        _steady(report, site, 1 if quick else 3)
        _unbridled(report, site, 1 if quick else 3)
        _kills(report, site, 2 if quick else 7)


def _steady(report: figures.Report, site: Site, rounds: int) -> None:
    command = f"flood {RATE} {RATE * SECONDS}"
    ways = {
        "nobody looks on": Floods(lambda: site.flood_ours(command, ()), site.daemon),
        "a viewer reads": Floods(lambda: site.flood_ours(command, READS), site.daemon),
        "a viewer stopped reading": Floods(lambda: site.flood_ours(command, STUCK), site.daemon),
    }
    *found, bare = figures.in_turns(rounds, *ways.values(), lambda: site.flood_theirs(command))
    for (name, way), seconds in zip(ways.items(), found, strict=True):
        report.add(
            figures.Figure(
                "flood",
                f"{RATE:,} lines/s, {name}",
                figures.median(seconds),
                "s",
                "a bare attach",
                figures.median(bare),
                ON_TIME,
            )
        )
        per_line = figures.median(way.cpu) / (RATE * SECONDS) * 1e6
        report.add(figures.Figure("flood", f"lightd's CPU a line, {name}", per_line, "us"))


def _unbridled(report: figures.Report, site: Site, rounds: int) -> None:
    command = f"flood 0 {RATE * SECONDS * 2}"
    ours, stuck, bare = figures.in_turns(
        rounds,
        lambda: site.flood_ours(command, READS),
        lambda: site.flood_ours(command, STUCK),
        lambda: site.flood_theirs(command),
    )
    for name, seconds in (("a viewer reads", ours), ("a viewer stopped reading", stuck)):
        report.add(
            figures.Figure(
                "flood",
                f"as fast as it goes, {name}",
                figures.median(seconds),
                "s",
                "a bare attach",
                figures.median(bare),
            )
        )


def _kills(report: figures.Report, site: Site, rounds: int) -> None:
    flooding = f"flood {RATE} 0"
    quiet, read, stuck, bare = figures.in_turns(
        rounds,
        lambda: site.kill_ours("stdin-echo"),
        lambda: site.kill_ours(flooding, READS),
        lambda: site.kill_ours(flooding, STUCK),
        site.kill_theirs,
    )
    yardstick = "a kill in a quiet one"
    for name, found in (("a viewer reads", read), ("a viewer stopped reading", stuck)):
        report.add(
            figures.Figure(
                "flood",
                f"kill, {name}",
                figures.median(found),
                "ms",
                yardstick,
                figures.median(quiet),
            )
        )
    report.add(
        figures.Figure(
            "flood",
            "kill in a quiet one",
            figures.median(quiet),
            "ms",
            "the bare calls",
            figures.median(bare),
        )
    )
