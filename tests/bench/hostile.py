"""What 500 hostile connections take from a client that means well: its requests' time, beside the quiet one.

The hostile ones are a process of their own: as a program this attacks the address that it is given, says
``attacking`` once all have begun, and goes on until it is killed. None has a token, each has a bounded rate,
and all come from an address that has no limit of its own, as behind a proxy.
"""

import http.client
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import trio

from tests.bench import figures, node
from tests.support.client import Client, request, upgrade
from tests.support.daemon import HEADERS

CONNECTIONS = 500
EVERY = 1.0
"""Seconds between two doings of one hostile connection."""
PACE = 0.01
"""Seconds between two requests of the client that means well: it has no queue of its own."""
WORST = 0.99
GOAL = 3.0


async def slow_head(client: Client) -> None:
    await client.send(b"GET / HTTP/1.1\r\n")
    while True:
        await trio.sleep(EVERY)
        await client.send(b"x: y\r\n")


async def idle(client: Client) -> None:
    await client.receive()


async def garbage(client: Client) -> None:
    await client.send(random.randbytes(200))
    await client.read_to_end()


async def bad_tokens(client: Client) -> None:
    while True:
        answer = await client.ask("/containers", authorization=f"Bearer lightd_{random.getrandbits(99)}")
        assert answer.status in (401, 429), answer
        await trio.sleep(EVERY)


async def half_upgrades(client: Client) -> None:
    await client.send(upgrade("/ws/server-00001")[:-2])
    await client.read_to_end()


async def bad_upgrades(client: Client) -> None:
    await client.send(upgrade(f"/ws/server-00001?token=lightd_{random.getrandbits(99)}") + b"\x81\xff" * 9)
    await client.read_to_end()


async def bad_requests(client: Client) -> None:
    while True:
        body = b"{" * 500
        await client.send(request("/containers", "POST", body) + request("/%00/..%2f", "PUT"))
        await client.read_answer()
        await client.read_answer()
        await trio.sleep(EVERY)


async def slow_body(client: Client) -> None:
    await client.send(request("/volumes", "POST", content_length="1000"))
    while True:
        await trio.sleep(EVERY)
        await client.send(b"x")


KINDS: tuple[Callable[[Client], Awaitable[None]], ...] = (
    *(slow_head, idle, garbage, bad_tokens, half_upgrades, bad_upgrades, bad_requests, slow_body),
)


async def attack(url: str) -> None:
    where = urllib.parse.urlsplit(url)

    async def connection(number: int, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(random.random() * EVERY)
        while True:
            with suppress(OSError, trio.BrokenResourceError, EOFError):
                async with await trio.open_tcp_stream(where.hostname, where.port) as stream:
                    task_status.started()
                    task_status = trio.TASK_STATUS_IGNORED
                    await KINDS[number % len(KINDS)](Client(stream))
            await trio.sleep(EVERY)

    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as beginning:
            for number in range(CONNECTIONS):
                beginning.start_soon(nursery.start, connection, number)
        print("attacking", flush=True)


@contextmanager
def attacked(url: str) -> Iterator[None]:
    """Within the block all hostile connections are at work."""
    command = [sys.executable, "-m", "tests.bench.hostile", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout.readline().strip() == "attacking"
        try:
            yield
        finally:
            child.kill()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within the block this process and its children come before all others, where that is allowed.

    Else a busy machine makes a queue of what lightd has to do, and the queue is what is measured.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@attrs.frozen
class Times:
    """What the requests of a client took, in seconds, from the quickest on."""

    sorted: list[float]

    def at(self, share: float) -> float:
        return self.sorted[min(int(len(self.sorted) * share), len(self.sorted) - 1)]


def ask(url: str, seconds: float) -> Times:
    """Ask again and again on one connection, at a pace that leaves the server idle."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    found, until = [], time.perf_counter() + seconds
    while (begun := time.perf_counter()) < until:
        connection.request("GET", "/containers/server-00001", headers=HEADERS)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        found.append(time.perf_counter() - begun)
        time.sleep(PACE)
    connection.close()
    return Times(sorted(found))


def run(report: figures.Report, *, quick: bool) -> None:
    rounds, seconds = (2, 4.0) if quick else (5, 8.0)
    past = node.Past(20)
    with undisturbed(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trio.run(node.write, folder, past)
        with node.open_node(folder, past) as served:
            ask(served.url, 1.0)
            quiet, hostile = [], []
            for _ in range(rounds):
                quiet.append(ask(served.url, seconds))
                with attacked(served.url):
                    hostile.append(ask(served.url, seconds))
                time.sleep(EVERY)
    for word, share, goal in (("median", 0.5, None), ("p99", WORST, GOAL)):
        under, beside = (figures.median(each.at(share) for each in found) for found in (hostile, quiet))
        report.add(
            figures.Figure(
                "hostile",
                f"a request's {word} under {CONNECTIONS} hostile connections",
                under * 1000,
                "ms",
                "the quiet one",
                beside * 1000,
                goal,
            )
        )


if __name__ == "__main__":
    trio.run(attack, sys.argv[1])
