"""One viewer of one console on Docker: what a line costs lightd, and how old it is when the viewer has it.

The server prints what comes out of a pipe in its volume; the bench writes lines into it that carry the time.
"""

import os
import threading
import time
from pathlib import Path

import attrs

from tests.bench import audience, figures, process
from tests.bench.clients import Api
from tests.bench.installation import open_daemon
from tests.rig import engine
from tests.support.daemon import TOKEN

QUIET, BUSY = 50, 1000
MOST_CPU_MS, MOST_AGE_MS, MOST_BUSY_AGE_MS = 0.4, 2.0, 5.0
WIDTH = 80
SETTLED = 0.5
MOST_PROMPT_AGE_MS, MOST_REDRAWS = 300.0, 10.0
PROGRESS = 100  # updates a second of a progress bar


@attrs.define
class Console:
    """A running server, and the pipe that it prints."""

    api: Api
    pid: int
    pipe: Path
    viewer: audience.Viewer
    cpu: list[float] = attrs.field(factory=list)

    def play(self, rate: int, seconds: float) -> float:
        """Print that many lines a second; return their median age, and note the CPU that a line took."""
        self.viewer.ages.clear()
        lines = int(rate * seconds)
        reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        reader.start()
        cpu, begun = process.cpu_seconds(self.pid), time.monotonic()
        with self.pipe.open("wb", buffering=0) as pipe:
            for number in range(lines):
                pipe.write(f"@{time.monotonic_ns():020} ".ljust(WIDTH - 1, ".").encode() + b"\n")
                time.sleep(max(0.0, begun + (number + 1) / rate - time.monotonic()))
            reader.join(audience.PATIENCE)
        assert len(self.viewer.ages) == lines, "lines are missing"
        self.cpu.append((process.cpu_seconds(self.pid) - cpu) * 1000 / lines)
        return audience.at(0.5, self.viewer.ages)

    def prompt(self, count: int) -> float:
        """Print prompts, each ended once it is there; return the 99th percentile of their age."""
        ages = []
        with self.pipe.open("wb", buffering=0) as pipe:
            for _ in range(count):
                self.viewer.ages.clear()
                pipe.write(f"@{time.monotonic_ns():020} ? ".encode())
                self._read(1)
                ages.append(self.viewer.ages[0])
                pipe.write(b"\n")
                self._read(2)
        return audience.at(0.99, ages)

    def progress(self, seconds: float) -> float:
        """Redraw a line ``PROGRESS`` times a second; return how many frames a second show it."""
        self.viewer.received = 0
        self.viewer.ages.clear()
        begun = time.monotonic()
        reader = threading.Thread(target=self._read_until, args=(begun + seconds,), daemon=True)
        reader.start()
        with self.pipe.open("wb", buffering=0) as pipe:
            for number in range(int(PROGRESS * seconds)):
                pipe.write(f"\r@{time.monotonic_ns():020} {number}".encode())
                time.sleep(max(0.0, begun + (number + 1) / PROGRESS - time.monotonic()))
            pipe.write(b"\n")
            reader.join(audience.PATIENCE)
        return self.viewer.received / seconds

    def _read_until(self, end: float) -> None:
        while time.monotonic() < end:  # the line that ends it comes later
            self.viewer.read()

    def _read(self, lines: int) -> None:
        while len(self.viewer.ages) < lines:
            self.viewer.read()


def run(report: figures.Report, *, quick: bool) -> None:
    with open_daemon(monitoring={"enabled": False, "interval_ms": 1000}) as daemon:
        api = Api(daemon.url)
        volume_id = api.call("POST", "/volumes")["volume_id"]
        pipe = daemon.folder / "storage" / "volumes" / volume_id / "pipe"
        os.mkfifo(pipe)
        pipe.chmod(0o666)
        body = {
            "internal_id": "viewed",
            "image": engine.IMAGE,
            "volume_id": volume_id,
            "startup_command": "while true; do cat pipe; done",
            "stop": {"type": "signal", "value": "SIGKILL"},
        }
        assert api.call("POST", "/containers", body, wait=60)["status"] == "succeeded"
        api.power("viewed", "start")
        socket = audience.connect(daemon.url, f"/ws/viewed?token={TOKEN}", small=False)
        console = Console(api, daemon.process.pid, pipe, audience.Viewer(socket, watch=True))
        for rate, age in ((QUIET, MOST_AGE_MS), (BUSY, MOST_BUSY_AGE_MS)):
            console.play(rate, 1.0)  # the first lines find nothing in any cache
            time.sleep(SETTLED)
            console.cpu.clear()
            ages = [console.play(rate, 2.0 if quick else 5.0) for _ in range(2 if quick else 5)]
            name = f"{rate:,} lines/s"
            goal = MOST_CPU_MS if rate == QUIET else None
            cpu = figures.quickest(console.cpu)
            report.add(figures.Figure("viewer", f"{name}, CPU a line", cpu, "ms", goal=goal))
            report.add(figures.Figure("viewer", f"{name}, age p50", figures.quickest(ages), "ms", goal=age))
        age, redraws = console.prompt(30 if quick else 200), console.progress(2.0 if quick else 10.0)
        name = "unfinished line, age p99"
        report.add(figures.Figure("viewer", name, age, "ms", ceiling=MOST_PROMPT_AGE_MS))
        name = f"progress bar of {PROGRESS} updates/s, frames"
        report.add(figures.Figure("viewer", name, redraws, "a second", ceiling=MOST_REDRAWS))
        socket.close()
