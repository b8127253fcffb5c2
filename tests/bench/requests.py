"""What an answer costs: a container, the list of a hundred, and a bare server that sends the same bytes.

The clients are on the same two processors, so the server's processor time tells more than requests a second.
"""

import base64
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import trio

from tests.bench import figures, process
from tests.bench.node import Past, a_spec, open_node, write
from tests.live.daemon import HEADERS

CONTAINERS = 100
CLIENTS = 8
BARE = 10
"""So many times the requests for the bare server: the kernel counts processor time in hundredths."""
PIECE = 256 * 1024
END = b"\r\n\r\n"


@attrs.define
class Load:
    """Requests for one path, by ``CLIENTS`` kept connections, each sending the next after its answer.

    ``cpu`` has the server's processor milliseconds for a thousand of them, of every burst.
    """

    url: str
    pid: int
    path: str
    count: int
    answer: bytes = b""
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
        head = [f"GET {self.path} HTTP/1.1", "Host: bench", *(f"{k}: {v}" for k, v in HEADERS.items())]
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
            for _ in range(CLIENTS):
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
def _echo(answer: bytes) -> Iterator[subprocess.Popen]:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.echo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        child.stdin.write(base64.b64encode(answer).decode() + "\n")
        child.stdin.flush()
        yield child
    finally:
        child.kill()
        child.communicate()


def run(report: figures.Report, *, quick: bool) -> None:
    count = 400 if quick else 2000
    past = Past(CONTAINERS)
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        trio.run(write, Path(folder), past)
        with open_node(Path(folder), past) as node:
            one = f"/containers/{a_spec(7).internal_id}"
            for name, path in (("GET of a container", one), (f"list of {CONTAINERS}", "/containers")):
                _compare(report, name, Load(node.url, node.process.pid, path, count), 2 if quick else 9)


def _compare(report: figures.Report, name: str, ours: Load, rounds: int) -> None:
    yardstick = "bare asyncio"
    with _echo(ours.answer) as child:
        bare = Load(child.stdout.readline().strip(), child.pid, ours.path, ours.count * BARE)
        found, beside = map(figures.median, figures.in_turns(rounds, ours, bare))
    report.add(figures.Figure("requests", name, found, "req/s", yardstick, beside, more_is_better=True))
    cpu = figures.median(ours.cpu), figures.median(bare.cpu)
    report.add(figures.Figure("requests", f"{name}, server's CPU for 1,000", cpu[0], "ms", yardstick, cpu[1]))
