"""What an answer costs: a container, and the list of a hundred.

Beside each stand, with the same clients in the same minute: Hypercorn and Quart as they come, which check the
same credentials and give the same answer; a bare asyncio server that sends the same bytes; nginx, where there
is one, with the same body from a file. Each is a process of its own. The clients are on the same two
processors, so the server's processor time tells more than requests a second.
"""

import base64
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import trio

from tests.bench import figures, nginx, process, profiles
from tests.bench.node import Past, a_spec, open_node, write
from tests.support.daemon import HEADERS

CONTAINERS = 100
CLIENTS = 8
BARE = 10
"""So many times the requests for a server that hardly notices one."""
STOCK, ECHO, NGINX = "stock", "bare", "nginx"
YARDSTICKS = {STOCK: "stock Hypercorn + Quart", ECHO: "bare asyncio", NGINX: "nginx"}
MOST_OF_STOCK = 0.7
MOST_CPU_MS = 0.35
"""Milliseconds of CPU for a GET of a container."""
PIECE = 256 * 1024
END = b"\r\n\r\n"


@attrs.define
class Load:
    """Requests for one path, by some kept connections, each sending the next after its answer.

    ``cpu`` has the server's processor milliseconds for a thousand of them, of every burst.
    """

    url: str
    pid: int
    path: str
    count: int
    headers: Mapping[str, str] = HEADERS
    answer: bytes = b""
    clients: int = CLIENTS
    cpu: list[float] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        with self._connected() as client:
            client.sendall(self.request)
            self.answer = b""
            while len(self.answer) < _size(self.answer):
                self.answer += client.recv(PIECE)
            assert b" 200 " in self.answer[:16], self.answer

    @property
    def request(self) -> bytes:
        head = [f"GET {self.path} HTTP/1.1", "Host: bench", *(f"{k}: {v}" for k, v in self.headers.items())]
        return "\r\n".join(head).encode() + END

    def _connected(self) -> socket.socket:
        where = urllib.parse.urlsplit(self.url)
        return socket.create_connection((where.hostname, where.port))

    def __call__(self) -> float:
        """Return how many were answered in a second."""
        before, begun = process.cpu_seconds(self.pid), time.perf_counter()
        self._send_all()
        taken = time.perf_counter() - begun
        self.cpu.append((process.cpu_seconds(self.pid) - before) * 1e6 / self.count)
        return self.count / taken

    def _send_all(self) -> None:
        request, size = self.request, len(self.answer)
        with selectors.DefaultSelector() as selector:
            due, sent = {}, 0
            for _ in range(self.clients):
                client = self._connected()
                selector.register(client, selectors.EVENT_READ)
                client.sendall(request)
                due[client] = size
                sent += 1
            while due:
                for key, _ in selector.select():
                    client = key.fileobj
                    due[client] -= len(client.recv(PIECE))
                    if due[client]:
                        continue
                    if sent < self.count:
                        client.sendall(request)
                        due[client] = size
                        sent += 1
                    else:
                        selector.unregister(client)
                        client.close()
                        del due[client]


def _size(answer: bytes) -> int:
    head, end, _ = answer.partition(END)
    if not end:
        return len(answer) + 1
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + len(END) + int(lengths[0].partition(b":")[2])


@contextmanager
def _beside(module: str, answer: bytes) -> Iterator[tuple[str, int]]:
    """The address and the process of a server that gives ``answer``."""
    child = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        child.stdin.write(base64.b64encode(answer).decode() + "\n")
        child.stdin.flush()
        yield child.stdout.readline().strip(), child.pid
    finally:
        child.kill()
        child.communicate()


def run(report: figures.Report, *, quick: bool) -> None:
    past = Past(CONTAINERS)
    one = f"/containers/{a_spec(7).internal_id}"
    routes = (("GET of a container", one, MOST_OF_STOCK), (f"list of {CONTAINERS}", "/containers", None))
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        trio.run(write, Path(folder), past)
        with open_node(Path(folder), past) as node:
            for name, path, goal in routes:
                load = Load(node.url, node.process.pid, path, 400)
                _compare(report, name, load, goal, 4 if quick else 25)
            if quick:
                report.skip("requests", "what is left of a GET, as a profile", "--quick")
            else:
                load, file = Load(node.url, node.process.pid, one, 2000), Path(folder) / "profile"
                with node.profiled(file):
                    load()
                profiles.show("what is left of a GET of a container", profiles.read(str(file)))


def _compare(report: figures.Report, name: str, ours: Load, goal: float | None, rounds: int) -> None:
    with ExitStack() as stack:
        body = ours.answer.partition(END)[2]
        loads = {}
        for yardstick, module, times in (
            (STOCK, "tests.bench.stock", 1),
            (ECHO, "tests.bench.echo", BARE),
        ):
            url, pid = stack.enter_context(_beside(module, ours.answer))
            loads[yardstick] = Load(url, pid, ours.path, ours.count * times)
        if nginx.find():
            found = stack.enter_context(nginx.open_answering(ours.path, body))
            loads[NGINX] = Load(found.url, found.pid, ours.path, ours.count * BARE)
        else:
            report.skip("requests", f"{name}, beside {NGINX}", nginx.MISSING)
        assert all(load.answer.partition(END)[2] == body for load in loads.values()), "the answers differ"
        figures.in_turns(1, ours, *loads.values())  # the first of each finds nothing in any cache
        for load in (ours, *loads.values()):
            load.cpu.clear()
        rates, *others = figures.in_turns(rounds, ours, *loads.values())
    for (yardstick, load), beside in zip(loads.items(), others, strict=True):
        _tell(report, name, yardstick, ours, load, goal if yardstick == STOCK else None)
        own, other = figures.median(rates), figures.median(beside)
        what, whose = f"{name} / {yardstick}", YARDSTICKS[yardstick]
        report.add(figures.Figure("requests", what, own, "req/s", whose, other, more_is_better=True))


def _tell(
    report: figures.Report, name: str, yardstick: str, ours: Load, load: Load, goal: float | None
) -> None:
    """The ratio is that of the medians, for bursts that took turns within the same seconds."""
    name, yardstick = f"{name}, CPU for 1,000 / {yardstick}", YARDSTICKS[yardstick]
    own, beside = figures.median(ours.cpu), figures.median(load.cpu)
    report.add(figures.Figure("requests", name, own, "ms", yardstick, beside, goal))
    if goal is not None:
        own, beside = figures.quickest(ours.cpu), figures.quickest(load.cpu)
        name = f"{name}, undisturbed"
        report.add(figures.Figure("requests", name, own, "ms", yardstick, beside, goal))
        each = min(ours.cpu) / 1000
        report.add(figures.Figure("requests", "GET of a container, CPU", each, "ms", goal=MOST_CPU_MS))
