"""What one tenant's files take from the others: a folder of a million names, and archives that never end.

Measured beside the quiet node: the memory of a page, a ping, a neighbour's listing, a neighbour's archive. It
needs no Docker. ``TMPDIR`` is where the names are made: minutes on a disk, seconds in ``/dev/shm``.
"""

import http.client
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import trio

from tests.bench import figures
from tests.bench.clients import Api
from tests.bench.hostile import Times
from tests.bench.process import resident
from tests.support.daemon import HEADERS, Daemon

PING = "/api/v1/public/ping"

BENCH = "hostile-tenants"
NAMES, NAMES_QUICK = 1_500_000, 100_000
SECONDS, SECONDS_QUICK = 15.0, 4.0
CLIENTS = 4
PACE = 0.02
PAGE_GOAL = 8.0
"""MiB for a page of one name."""
ARCHIVES = 64
ARCHIVE_GOAL = 10.0


@attrs.define(eq=False)
class Stage:
    """A daemon on programs, with a tenant's volume and a neighbour's."""

    daemon: Daemon
    api: Api
    connection: http.client.HTTPConnection
    tenant: str
    neighbour: str

    def on_disk(self, volume: str) -> Path:
        return self.daemon.folder / "storage/volumes" / volume

    def measure(self, seconds: float) -> tuple[Times, Times]:
        """How long a ping takes, and a neighbour's listing, one after the other."""
        pings, listings = [], []
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            pings.append(self._timed(PING))
            listings.append(self._timed(f"/volumes/{self.neighbour}/files"))
            time.sleep(PACE)
        return Times(sorted(pings)), Times(sorted(listings))

    def _timed(self, path: str) -> float:
        begun = time.perf_counter()
        self.connection.request("GET", path, headers=HEADERS)
        self.connection.getresponse().read()
        return time.perf_counter() - begun


@contextmanager
def open_stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        daemon = Daemon(Path(folder), settings={"docker": {"engine": "process"}})
        try:
            trio.run(daemon.start)
            api = Api(daemon.url)
            volumes = [api.call("POST", "/volumes")["volume_id"] for _ in range(2)]
            where = urllib.parse.urlsplit(daemon.url).netloc
            yield Stage(daemon, api, http.client.HTTPConnection(where, timeout=600), *volumes)
        finally:
            daemon.kill()


def run(report: figures.Report, *, quick: bool) -> None:
    seconds = SECONDS_QUICK if quick else SECONDS
    with open_stage() as stage:
        stage.measure(1.0)
        quiet = stage.measure(seconds)
        _listing(report, stage, NAMES_QUICK if quick else NAMES, seconds, quiet)
        _archives(report, stage)


def _listing(
    report: figures.Report, stage: Stage, names: int, seconds: float, quiet: tuple[Times, Times]
) -> None:
    folder = stage.on_disk(stage.tenant)
    for number in range(names):
        os.close(os.open(f"{folder}/{number:07}", os.O_CREAT | os.O_WRONLY))
    stage.api = Api(stage.daemon.url)  # the old connection was idle for too long
    stage.connection.close()
    before = resident(stage.daemon.process.pid)
    path = f"/volumes/{stage.tenant}/files?limit=1"
    begun = time.perf_counter()
    stage.api.call("GET", path)
    took = time.perf_counter() - begun
    highest = 0
    with asking(stage.daemon.url, path):
        time.sleep(1.0)
        noisy = stage.measure(seconds)
        highest = max(resident(stage.daemon.process.pid) for _ in range(20))
    page = (highest - before) / CLIENTS / (1 << 20)
    report.add(figures.Figure(BENCH, f"listing: one of {names:,} names", took, "s"))
    report.add(
        figures.Figure(BENCH, f"listing: memory of each of {CLIENTS} pages", page, "MiB", ceiling=PAGE_GOAL)
    )
    for name, alone, beside in zip(("ping", "a neighbour's listing"), quiet, noisy, strict=True):
        _add(report, f"listing: {name}, p50", beside, alone, 0.5)
        _add(report, f"listing: {name}, p99", beside, alone, 0.99)


def _add(report: figures.Report, name: str, noisy: Times, quiet: Times, part: float) -> None:
    found, alone = noisy.at(part) * 1000, quiet.at(part) * 1000
    report.add(figures.Figure(BENCH, name, found, "ms", "the quiet one", alone, ceiling=2 * alone + 10))


def _archives(report: figures.Report, stage: Stage) -> None:
    endless = tarfile.TarInfo("f")
    endless.type, endless.size = b"Z", 2**62
    (stage.on_disk(stage.tenant) / "a").write_bytes(endless.tobuf(tarfile.GNU_FORMAT))
    (stage.on_disk(stage.neighbour) / "f").write_text("content")
    statuses = [
        _status(stage, "decompress", {"archive_path": "a", "destination": "b"}, stage.tenant)
        for _ in range(ARCHIVES)
    ]
    begun = time.perf_counter()
    body = {"format": "zip", "output_name": "a"}
    stage.api.call("POST", f"/volumes/{stage.neighbour}/compress", body)
    took = time.perf_counter() - begun
    report.add(
        figures.Figure(
            BENCH, "archives: a neighbour's, beside 64 that never end", took, "s", ceiling=ARCHIVE_GOAL
        )
    )
    report.add(figures.Figure(BENCH, "archives: refused of those 64", statuses.count(429), "answers"))
    begun = time.perf_counter()
    while any(each["status"] == "pending" for each in _operations(stage)):
        time.sleep(0.05)
    took = time.perf_counter() - begun
    report.add(figures.Figure(BENCH, "archives: until the last of them has ended", took, "s"))


def _status(stage: Stage, action: str, body: dict[str, object], volume: str) -> int:
    try:
        stage.api.call("POST", f"/volumes/{volume}/{action}", body, wait=0)
    except AssertionError:  # what the client says of all that isn't a success
        return 429
    return 200


def _operations(stage: Stage) -> list[dict[str, object]]:
    found: list[dict[str, object]] = stage.api.call("GET", f"/volumes/{stage.tenant}/operations")[
        "operations"
    ]
    return found


@contextmanager
def asking(url: str, path: str) -> Iterator[None]:
    """Within the block so many clients ask for ``path`` again and again, in processes of their own."""
    command = [sys.executable, "-m", "tests.bench.hostile_files", url, path]
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            child = subprocess.Popen(command, cwd=Path(__file__).parents[2])
            stack.callback(child.wait)
            stack.callback(child.kill)
        yield


def ask(url: str, path: str) -> None:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=600)
    while True:
        connection.request("GET", path, headers=HEADERS)
        connection.getresponse().read()


if __name__ == "__main__":
    ask(*sys.argv[1:])
