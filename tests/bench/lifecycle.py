"""What lightd adds to the life of a container: its own way from created to running, and the bare calls."""

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Sequence

import attrs

from actors.container.spec import ContainerSpec, StopPolicy
from tests.bench import docker, figures, process
from tests.bench.clients import Api, Viewer
from tests.bench.installation import open_daemon
from tests.rig import engine
from tests.support.daemon import Daemon

STAGES = ("create to ready", "start to running", "stop", "delete")
GOAL = 1.10
LATER = 10.0
"""Milliseconds after Docker has finished with a container, within which its end is told."""
MOST_CPU_MS = 15.0
"""Milliseconds of CPU of lightd for a start and a stop."""
SETTLED = 0.3


@attrs.define
class Lives:
    """Lives through one container a round, here or there; ``laps`` has the milliseconds of each stage."""

    live: Callable[[str], Sequence[float]]
    laps: list[Sequence[float]] = attrs.field(factory=list)

    def __call__(self) -> float:
        self.laps.append(self.live(uuid.uuid4().hex[:12]))
        return self.laps[-1][0] + self.laps[-1][1]

    def median(self, stage: int) -> float:
        return figures.median(lap[stage] for lap in self.laps)


def through_lightd(api: Api, volume_id: str) -> Callable[[str], Sequence[float]]:
    def live(internal_id: str) -> Sequence[float]:
        clock = [time.perf_counter()]
        body = {
            "internal_id": internal_id,
            "image": engine.IMAGE,
            "volume_id": volume_id,
            "startup_command": "stdin-echo",
            "start_pattern": "^Ready",
            "stop": {"type": "signal", "value": "SIGKILL"},
        }
        answer = api.call("POST", "/containers", body, wait=60)
        assert answer["status"] == "succeeded", answer
        clock.append(time.perf_counter())
        for action in ("start", "stop"):
            api.power(internal_id, action)
            clock.append(time.perf_counter())
        api.call("DELETE", f"/containers/{internal_id}", wait=60)
        clock.append(time.perf_counter())
        return to_laps(clock)

    return live


def _directly(client: docker.Docker, volume_id: str) -> Callable[[str], Sequence[float]]:
    def live(internal_id: str) -> Sequence[float]:
        clock = [time.perf_counter()]
        spec = ContainerSpec(
            internal_id, engine.IMAGE, volume_id, "stdin-echo", "^Ready", stop=StopPolicy("signal", "SIGKILL")
        )
        engine_id = client.create(f"lightd-{internal_id}", client.prepare(spec))
        clock.append(time.perf_counter())
        console = docker.Console(engine_id)
        client.start(engine_id)
        console.until(b"Ready")
        clock.append(time.perf_counter())
        client.signal(engine_id, "SIGKILL")
        client.wait(engine_id)
        clock.append(time.perf_counter())
        console.close()
        client.remove(engine_id)
        clock.append(time.perf_counter())
        return to_laps(clock)

    return live


def _to_cpu(daemon: Daemon, api: Api, volume_id: str, rounds: int) -> list[float]:
    """Milliseconds of lightd's CPU for each start and stop of one container, what follows them included."""
    body = {
        "internal_id": "started",
        "image": engine.IMAGE,
        "volume_id": volume_id,
        "startup_command": "stdin-echo",
        "start_pattern": "^Ready",
        "stop": {"type": "signal", "value": "SIGKILL"},
    }
    assert api.call("POST", "/containers", body, wait=60)["status"] == "succeeded"
    found = []
    for _ in range(rounds + 1):
        before = process.cpu_seconds(daemon.process.pid)
        for action in ("start", "stop"):
            api.power("started", action)
            time.sleep(SETTLED)
        found.append((process.cpu_seconds(daemon.process.pid) - before) * 1000)
    return found[1:]  # the first finds nothing in any cache


def _wait(client: docker.Docker, engine_id: str, finished: list[float]) -> None:
    client.wait(engine_id)
    finished.append(time.perf_counter())


def tell_ends(
    api: Api, daemon: Daemon, client: docker.Docker, volume_id: str, rounds: int
) -> Sequence[tuple[float, float]]:
    """Return after how many milliseconds Docker had finished with each end, and a viewer was told of it."""
    body = {"internal_id": "ends", "image": engine.IMAGE, "volume_id": volume_id}
    body |= {"startup_command": "stdin-echo", "start_pattern": "^Ready"}
    api.call("POST", "/containers", body, wait=60)
    engine_id = api.call("GET", "/containers/ends")["container_id"]
    ends = []
    for _ in range(rounds):
        api.power("ends", "start")
        viewer = Viewer(daemon.url, "ends", reads=False)
        viewer.until(b'"running"')
        finished: list[float] = []
        waiting = docker.Docker(daemon.folder / "bare", daemon.node)
        thread = threading.Thread(target=_wait, args=(waiting, engine_id, finished))
        begun = time.perf_counter()
        thread.start()
        client.signal(engine_id, "SIGTERM")
        viewer.until(b'"exit"')
        told = time.perf_counter()
        thread.join()
        viewer.close()
        ends.append(((finished[0] - begun) * 1000, (told - begun) * 1000))
    return ends


def to_laps(clock: Sequence[float]) -> Sequence[float]:
    return [(end - begin) * 1000 for begin, end in itertools.pairwise(clock)]


def run(report: figures.Report, *, quick: bool) -> None:
    with open_daemon() as daemon:
        api = Api(daemon.url)
        volume_id = api.call("POST", "/volumes")["volume_id"]
        bare = docker.Docker(daemon.folder / "bare", daemon.node)
        ours, theirs = Lives(through_lightd(api, volume_id)), Lives(_directly(bare, volume_id))
        figures.in_turns(1, ours, theirs)  # the first of each finds nothing in any cache
        ours.laps.clear()
        theirs.laps.clear()
        totals = figures.in_turns(5 if quick else 25, ours, theirs)
        ends = tell_ends(api, daemon, bare, volume_id, 5 if quick else 25)
        cpu = figures.quickest(_to_cpu(daemon, api, volume_id, 8 if quick else 20))
        report.add(figures.Figure("lifecycle", "start and stop, CPU", cpu, "ms", goal=MOST_CPU_MS))
    for name, choose in (("create to running", figures.median), ("the same, undisturbed", figures.quickest)):
        own, beside = map(choose, totals)
        report.add(figures.Figure("lifecycle", name, own, "ms", "the bare calls", beside, GOAL))
    finished, told = (figures.median(end[number] for end in ends) for number in (0, 1))
    report.add(
        figures.Figure("lifecycle", "end told to a viewer", told, "ms", "Docker's wait", finished, GOAL)
    )
    later = figures.median(told - finished for finished, told in ends)
    report.add(figures.Figure("lifecycle", "the same, after the wait", later, "ms", ceiling=LATER))
    for number, stage in enumerate(STAGES):
        report.add(
            figures.Figure(
                "lifecycle",
                stage,
                ours.median(number),
                "ms",
                "the bare calls",
                theirs.median(number),
                GOAL if stage == "stop" else None,
            )
        )
