"""What a panel costs: one that hangs on every request, and one that has a long backlog to hear of."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import httpx
import trio

from actors.container import events
from actors.container.fleet import stream_of
from actors.container.spec import ContainerSpec
from actors.kernel.journal import Append
from actors.remotesync.actor import AT_ONCE, NAME
from lightd.journal.codec import Codec
from lightd.journal.cursors import SqliteCursorStore
from lightd.journal.sqlite import open_sqlite_journal
from tests.bench import figures, process
from tests.bench.clients import Api
from tests.bench.installation import open_daemon
from tests.bench.lifecycle import Lives, through_lightd
from tests.support.daemon import Daemon

TOKEN = "lightd_the_bench_panels_token"
SERVERS = 200
UPDATES_A_CYCLE = 3
SLOW = 0.02
"""Seconds that a panel takes which has a database behind it."""
MEBI = 1024 * 1024


def run(report: figures.Report, *, quick: bool) -> None:
    measure_hanging(report, rounds=3 if quick else 20)
    measure_backlog(report, cycles=8 if quick else 167)
    measure_patience(report, cycles=4 if quick else 20)


# A panel that hangs


def measure_hanging(report: figures.Report, rounds: int) -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=4096) as deaf,  # takes connections, and that is all
        open_daemon(remote=to_settings(deaf.getsockname()[1])) as with_panel,
        open_daemon() as without,
    ):
        lives = []
        for daemon in (with_panel, without):
            api = Api(daemon.url)
            lives.append(Lives(through_lightd(api, api.call("POST", "/volumes")["volume_id"])))
        figures.in_turns(1, *lives)
        for each in lives:
            each.laps.clear()
        figures.in_turns(rounds, *lives)
        totals = [[sum(lap) for lap in each.laps] for each in lives]
        waiting = Api(with_panel.url).call("GET", "/remote/status")["backlog"]
    assert waiting >= rounds, "the panel was told, so it did not hang"
    for name, choose in (
        ("a life, panel hangs", figures.median),
        ("the same, undisturbed", figures.quickest),
    ):
        own, beside = map(choose, totals)
        report.add(figures.Figure("panel", name, own, "ms", "no panel", beside, 1.1))


def to_settings(port: int) -> dict[str, object]:
    return {"enabled": True, "url": f"http://127.0.0.1:{port}/api", "token": TOKEN}


# A backlog


class Quick(asyncio.Protocol):
    """Answers every request with success, ``seconds`` later, or as fast as Python can."""

    accepted = 0
    seconds = 0.0
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"success":true}'

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head = self.rest[:end].lower()
            at = head.find(b"content-length: ")
            length = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.rest) < end + 4 + length:
                return
            self.rest = self.rest[end + 4 + length :]
            Quick.accepted += 1
            if self.seconds:
                asyncio.get_running_loop().call_later(self.seconds, self.transport.write, self.answer)
            else:
                self.transport.write(self.answer)


async def serve(seconds: float) -> None:
    """Be a panel; answer each line on stdin with how many requests came."""
    Quick.seconds = seconds
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Quick, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(Quick.accepted, flush=True)


@attrs.define
class Panel:
    """A panel in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def accepted(self) -> int:
        print(file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def open_panel(seconds: float = 0.0) -> Iterator[Panel]:
    command = [sys.executable, "-m", "tests.bench.panel", str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as panel:
        yield Panel(panel, int(panel.stdout.readline()))
        panel.stdin.close()


async def write_past(folder: Path, cycles: int) -> int:
    """Installations that went well and were deleted again; return how many updates the panel lacks."""
    async with open_sqlite_journal(folder / "lightd.db", Codec(), time.time) as journal:
        for cycle in range(cycles):
            appends = []
            for number in range(SERVERS):
                server = f"past-{number}"
                emitted = (
                    events.Created(cycle + 1, ContainerSpec(server, "image", "volume", "command")),
                    events.ImageEnsured(cycle + 1),
                    events.ScriptFinished(cycle + 1),
                    events.Installed(cycle + 1, "engine-id"),
                    events.DeletionRequested(),
                    events.Deleted(),
                )
                appends.append(Append(stream_of(server), cycle * len(emitted), emitted))
            await journal.commit(appends)
        await SqliteCursorStore(journal).save(NAME, 0, {})
    return cycles * SERVERS * UPDATES_A_CYCLE


def measure_backlog(report: figures.Report, cycles: int) -> None:
    with open_panel() as panel:
        drain = drained(panel, cycles)
    report.add(
        figures.Figure(
            "panel",
            f"a backlog of {drain.updates:,}",
            drain.rate,
            "/s",
            "bare posts",
            drain.bare,
            1.0,
            more_is_better=True,
        )
    )
    report.add(figures.Figure("panel", "processor time of an update", drain.cpu * 1000, "ms"))
    report.add(figures.Figure("panel", "memory that it takes meanwhile", drain.growth, "MiB", goal=10))


def measure_patience(report: figures.Report, cycles: int) -> None:
    """A panel that takes its time: as many answers are waited for at once as may be."""
    with open_panel(SLOW) as panel:
        drain = drained(panel, cycles)
    name = f"a panel of {SLOW * 1000:g} ms, {AT_ONCE} at once"
    report.add(
        figures.Figure("panel", name, drain.rate, "/s", "bare posts", drain.bare, 0.8, more_is_better=True)
    )
    ideal = AT_ONCE / SLOW
    report.add(figures.Figure("panel", "the same", drain.rate, "/s", "no work at all", ideal, None, True))


@attrs.frozen
class Drain:
    """How a backlog went: updates a second, by lightd and by bare posts; seconds and MiB of the daemon."""

    updates: int
    rate: float
    bare: float
    cpu: float
    growth: float


def drained(panel: Panel, cycles: int) -> Drain:
    """Have a daemon tell all of a backlog; what its start takes is left out."""
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        bare = trio.run(post, panel.port, 2000)
        before = panel.accepted()
        storage = Path(folder) / "storage"
        storage.mkdir()
        updates = trio.run(write_past, storage, cycles)
        daemon = Daemon(Path(folder), settings={"remote": to_settings(panel.port)})
        held = []
        try:
            trio.run(daemon.start)
            while panel.accepted() - before < updates // 20:
                time.sleep(0.01)
            pid = daemon.process.pid
            began, at, spent = time.perf_counter(), panel.accepted(), process.cpu_seconds(pid)
            while panel.accepted() - before < updates:
                held.append(process.resident(pid))
                time.sleep(0.2)
            told = panel.accepted() - at
            rate = told / (time.perf_counter() - began)
            cpu = (process.cpu_seconds(pid) - spent) / told
        finally:
            daemon.kill()
    return Drain(updates, rate, bare, cpu, (max(held) - held[0]) / MEBI)


async def post(port: int, count: int) -> float:
    """Post updates as fast as the same client can, as many at once; return how many a second."""
    url = f"http://127.0.0.1:{port}/api/update"
    body = {"event": "update", "server": "s1", "status": "ready"}
    async with httpx.AsyncClient(trust_env=False) as client, trio.open_nursery() as nursery:

        async def work() -> None:
            for _ in range(count // AT_ONCE):
                (await client.post(url, json=body)).raise_for_status()

        began = time.perf_counter()
        for _ in range(AT_ONCE):
            nursery.start_soon(work)
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
