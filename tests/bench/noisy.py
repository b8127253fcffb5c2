"""Four containers that print as fast as they can: what that takes from the others, beside the quiet node.

Each offender has a quarter of a core, a start pattern that never matches, and one viewer. Measured are a
ping, a recorded POST, the age of a quiet neighbour's lines, the kill of an offender, and how fast the
offenders print beside the same containers that nobody is attached to.

As a program this is the offenders' viewers, who read until its stdin ends.
"""

import http.client
import os
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import attrs

from actors.container.spec import ContainerSpec, Limits
from tests.bench import docker, figures
from tests.bench.audience import Viewer as Watched
from tests.bench.audience import connect
from tests.bench.clients import Api, Viewer
from tests.bench.hostile import Times, undisturbed
from tests.bench.installation import open_daemon
from tests.rig import engine
from tests.support.daemon import HEADERS, TOKEN, Daemon

PING = "/api/v1/public/ping"

LONG = "x" * 193
OFFENDERS = (
    ("yes", False),
    ("yes ''", False),
    (f"awk 'BEGIN {{ for (;;) for (n = 0; n < 500000; n++) printf \"%06d {LONG}\\n\", n }}'", False),
    ("awk 'BEGIN { for (;;) printf \"\\r\\033[K\\033[32m%d%%\\033[0m\", n++ }'", True),
)
"""A command, and whether it has a terminal. The third prints 500,000 lines of 200 characters, repeatedly."""
CPU = 0.25
NEVER = "^Done \\(\\d+s\\)! This is never printed$"
PACE = 0.02
"""Seconds between two pings. Each ``POSTS``-th is followed by a recorded POST."""
POSTS = 5
LINES = 0.02
"""Seconds between two lines of the neighbour."""
WORST = 0.99
WARM = 2.0
SPEED_GOAL, AGE_GOAL = 0.9, 3.0
KILL_GOAL, KILL_RATIO = 1000.0, 1.2
"""Milliseconds, or so many times what Docker alone needs: it logs a megabyte of lines before it is done."""


@attrs.define
class Measured:
    """What was measured in a while, in seconds; ``speeds`` are bytes a second, one for each offender."""

    pings: list[float] = attrs.field(factory=list)
    posts: list[float] = attrs.field(factory=list)
    ages: list[float] = attrs.field(factory=list)
    bare_ages: list[float] = attrs.field(factory=list)
    speeds: list[float] = attrs.field(factory=list)
    kills: list[float] = attrs.field(factory=list)


@attrs.define(eq=False)
class Neighbour:
    """A quiet container that prints what is written into a pipe, and a viewer who looks at the clock."""

    pipe: Path
    viewer: Watched
    bare: Watched
    """The same lines as Docker gives them to whoever is attached to the container."""
    over: bool = False

    def print(self) -> None:
        with self.pipe.open("w") as pipe:
            while not self.over:
                pipe.write(f"@{time.monotonic_ns():020d}\n")
                pipe.flush()
                time.sleep(LINES)

    def look(self, watched: Watched) -> None:
        with suppress(AssertionError, OSError):  # it is closed at the end
            while not self.over:
                watched.read()


@attrs.define
class Stage:
    daemon: Daemon
    bare: docker.Docker
    volume_id: str
    neighbour: Neighbour

    def quiet(self, seconds: float) -> Measured:
        return self._measure(seconds)

    def alone(self, seconds: float) -> Measured:
        """Return what the offenders do where nobody is attached to them, nor lightd."""
        engine_ids = []
        for number, (command, tty) in enumerate(OFFENDERS):
            spec = ContainerSpec(
                f"alone{number}", engine.IMAGE, self.volume_id, command, tty=tty, limits=Limits(cpu=CPU)
            )
            engine_ids.append(self.bare.create(f"lightd-{uuid.uuid4().hex[:12]}", self.bare.prepare(spec)))
        try:
            for engine_id in engine_ids:
                self.bare.start(engine_id)
            time.sleep(WARM)
            found = Measured(speeds=self._speeds(engine_ids, seconds))
            for engine_id in engine_ids:
                begun = time.perf_counter()
                self.bare.signal(engine_id, "SIGKILL")
                self.bare.wait(engine_id)
                found.kills.append(time.perf_counter() - begun)
            return found
        finally:
            for engine_id in engine_ids:
                self.bare.remove(engine_id)

    def noisy(self, seconds: float) -> Measured:
        ids = [uuid.uuid4().hex[:12] for _ in OFFENDERS]
        api = Api(self.daemon.url)
        for internal_id, (command, tty) in zip(ids, OFFENDERS, strict=True):
            api.call("POST", "/containers", self._body(internal_id, command, tty=tty), wait=60)
        with ExitStack() as stack:
            stack.enter_context(looked_at(self.daemon.url, ids))
            for internal_id in ids:
                api.call("POST", f"/containers/{internal_id}/start")
            while not all(self.bare.running(f"lightd-{internal_id}") for internal_id in ids):
                time.sleep(0.1)
            time.sleep(WARM)
            found = self._measure(seconds, [f"lightd-{each}" for each in ids])
            for internal_id in ids:
                begun = time.perf_counter()
                api.call("POST", f"/containers/{internal_id}/kill")
                while self.bare.running(f"lightd-{internal_id}"):
                    time.sleep(0.005)
                found.kills.append(time.perf_counter() - begun)
        for internal_id in ids:
            api.call("DELETE", f"/containers/{internal_id}", wait=60)
        return found

    def _body(self, internal_id: str, command: str, *, tty: bool) -> dict[str, object]:
        return {
            "internal_id": internal_id,
            "image": engine.IMAGE,
            "volume_id": self.volume_id,
            "startup_command": command,
            "start_pattern": NEVER,
            "tty": tty,
            "limits": {"cpu": CPU},
        }

    def _measure(self, seconds: float, offenders: Sequence[str] = ()) -> Measured:
        found = Measured()
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.daemon.url).netloc, timeout=120)
        before, begun = self._printed(offenders), time.perf_counter()
        known, bare_known = len(self.neighbour.viewer.ages), len(self.neighbour.bare.ages)
        while time.perf_counter() - begun < seconds:
            found.pings.append(timed(connection, "GET", PING))
            if len(found.pings) % POSTS == 0:
                found.posts.append(timed(connection, "POST", "/volumes"))
            time.sleep(PACE)
        after, took = self._printed(offenders), time.perf_counter() - begun
        found.speeds = [(late - early) / took for early, late in zip(before, after, strict=True)]
        found.ages = [age / 1000 for age in self.neighbour.viewer.ages[known:]]
        found.bare_ages = [age / 1000 for age in self.neighbour.bare.ages[bare_known:]]
        connection.close()
        return found

    def _speeds(self, engine_ids: Sequence[str], seconds: float) -> list[float]:
        before, begun = self._printed(engine_ids), time.perf_counter()
        time.sleep(seconds)
        after, took = self._printed(engine_ids), time.perf_counter() - begun
        return [(late - early) / took for early, late in zip(before, after, strict=True)]

    def _printed(self, engine_ids: Sequence[str]) -> list[int]:
        return [self._written(engine_id) for engine_id in engine_ids]

    def _written(self, engine_id: str) -> int:
        """Bytes that a container's processes have written so far, as the kernel counts them."""
        top = self.bare.call("GET", f"/containers/{engine_id}/top")
        column = top["Titles"].index("PID")
        total = 0
        for row in top["Processes"]:
            counters = Path(f"/proc/{row[column]}/io").read_text().split()
            total += int(counters[counters.index("wchar:") + 1])
        return total


def timed(connection: http.client.HTTPConnection, method: str, path: str) -> float:
    begun = time.perf_counter()
    connection.request(method, path, headers=HEADERS)
    answer = connection.getresponse()
    answer.read()
    assert answer.status < 400, answer.status
    return time.perf_counter() - begun


@contextmanager
def looked_at(url: str, ids: Sequence[str]) -> Iterator[None]:
    """Within the block each of the containers has a viewer, in a process of their own."""
    command = [sys.executable, "-m", "tests.bench.noisy", url, *ids]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as child:
        assert child.stdout.readline().strip() == "looking"
        try:
            yield
        finally:
            child.kill()


@contextmanager
def open_neighbour(daemon: Daemon, api: Api) -> Iterator[Neighbour]:
    volume_id = api.call("POST", "/volumes")["volume_id"]
    pipe = daemon.folder / "storage/volumes" / volume_id / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    body = {"internal_id": "neighbour", "image": engine.IMAGE, "volume_id": volume_id, "tty": False}
    api.call("POST", "/containers", {**body, "startup_command": "exec cat <>pipe"}, wait=60)
    api.power("neighbour", "start")
    socket = connect(daemon.url, f"/ws/neighbour?token={TOKEN}", small=False)
    attached = docker.Console("lightd-neighbour").detach()
    found = Neighbour(pipe, Watched(socket, watch=True), Watched(attached, watch=True))
    works = (found.print, partial(found.look, found.viewer), partial(found.look, found.bare))
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.over = True
        for thread in threads:
            thread.join(10)


def run(report: figures.Report, *, quick: bool) -> None:
    rounds, seconds = (1, 5.0) if quick else (3, 15.0)
    with undisturbed(), open_daemon() as daemon:
        api = Api(daemon.url)
        bare = docker.Docker(daemon.folder / "bare", daemon.node)
        volume_id = api.call("POST", "/volumes")["volume_id"]
        with open_neighbour(daemon, api) as neighbour:
            stage = Stage(daemon, bare, volume_id, neighbour)
            stage.quiet(WARM)
            quiet, alone, noisy = [], [], []
            for _ in range(rounds):
                quiet.append(stage.quiet(seconds))
                alone.append(stage.alone(seconds))
                noisy.append(stage.noisy(seconds))
    _report(report, quiet, alone, noisy)


def _report(
    report: figures.Report, quiet: list[Measured], alone: list[Measured], noisy: list[Measured]
) -> None:
    def p99(found: list[Measured], field: str) -> float:
        return figures.median(Times(sorted(getattr(each, field))).at(WORST) for each in found) * 1000

    def add(name: str, value: float, unit: str, beside: float | None = None, **goals: object) -> None:
        yardstick = None if beside is None else goals.pop("yardstick", "the quiet one")
        report.add(figures.Figure("hostile-tenants", name, value, unit, yardstick, beside, **goals))

    for name, field in (("ping", "pings"), ("a recorded POST", "posts")):
        beside = p99(quiet, field)
        add(f"consoles: {name}, p99", p99(noisy, field), "ms", beside, ceiling=2 * beside + 10)
    add("consoles: a neighbour's line, p99", p99(noisy, "ages"), "ms", p99(quiet, "ages"), goal=AGE_GOAL)
    add(
        "consoles: a neighbour's line, p99, of that Docker alone",
        p99(noisy, "bare_ages"),
        "ms",
        p99(quiet, "bare_ages"),
    )
    for number, (command, _) in enumerate(OFFENDERS):
        own = figures.median(each.speeds[number] for each in noisy) / 1e6
        beside = figures.median(each.speeds[number] for each in alone) / 1e6
        name = f"consoles: speed of offender {number + 1} ({command.partition(' ')[0]})"
        add(name, own, "MB/s", beside, goal=SPEED_GOAL, more_is_better=True, yardstick="unattached")
        own = max(each.kills[number] for each in noisy) * 1000
        beside = max(each.kills[number] for each in alone) * 1000
        name = f"consoles: kill of offender {number + 1} ({command.partition(' ')[0]}), slowest"
        add(name, own, "ms", beside, ceiling=max(KILL_GOAL, beside * KILL_RATIO), yardstick="unattached")


def look(url: str, ids: Sequence[str]) -> None:
    viewers = [Viewer(url, internal_id, reads=True) for internal_id in ids]
    print("looking", flush=True)
    sys.stdin.read()
    for viewer in viewers:
        viewer.close()


if __name__ == "__main__":
    look(sys.argv[1], sys.argv[2:])
