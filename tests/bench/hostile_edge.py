"""Strangers and tokens at the edge: what blocks the event loop longest, and what memory they take."""

import contextlib
import random
import resource
import socket
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from lightd.http.routes.table import ROUTES
from tests.bench import figures
from tests.bench.node import Node, Past, open_node, write
from tests.support.daemon import TOKEN

MIB = 1024 * 1024
STRANGERS = 2048
SOCKETS = 10
BLOCK = 0.005
"""Seconds that no request may hold the loop."""
AGAIN = 3
RUNS = 16_000
"""Five events each."""
SIZES = (15 * 1024, 60 * 1024, MIB - 1024)
SHAPES = {
    "lists": ("[", "[],", "[]]"),
    "numbers": ("[", "1,", "1]"),
    "long numbers": ("[", "9" * 390 + ",", "1]"),
    "objects": ('{"a":[', '{"b":0},', "{}]}"),
    "one name": ("{", '"a":1,', '"a":1}'),
    "ports": ('{"ports":[', '{"ip":"127.0.0.1","port":1},', '{"ip":"127.0.0.1","port":0}]}'),
    "paths": ('{"paths":[', '"a/b/../c",', '"x"]}'),
    "text": ('{"path":"a","content":"', "x", '"}'),
    "escapes": ('{"path":"a","content":"', "\\n", '"}'),
    "halves": ('{"path":"', "\\ud83d", '"}'),
    "depth": ("", "[", ""),
    "blanks": ("", " ", "{}"),
}
HEADS = {
    "range": "Range: bytes=" + " " * 30_000 + "x",
    "nothing": "X: " + " " * 30_000 + "\0",
    "accept": "Accept: " + "a/b;q=0.1," * 3000,
    "etags": "If-None-Match: " + '"a" ' * 7000,
    "fields": "\r\n".join(["x:"] * 8000),
    "cookies": "Cookie: " + "a=b;" * 7000,
}
QUERIES = ("token=a&" * 4000, "%41" * 10_000, "a&" * 15_000, "path=" + "a/" * 15_000)


def to_requests(*, quick: bool) -> Iterator[tuple[str, bytes]]:
    """Hostile requests to every route, each with what it is."""
    for each in ROUTES:
        method, rule = each.method, each.rule
        route = f"{method} {rule}"
        path = rule.replace("<ip>", "127.0.0.1").replace("<port>", "25565").replace("<volume_id>", str_uuid())
        path = (
            path.replace("<internal_id>", "server-00001")
            .replace("<operation_id>", "x")
            .replace("<token_id>", "x")
        )
        if method == "WS":
            continue
        shapes = random.Random(route).sample(sorted(SHAPES), 2) if quick else sorted(SHAPES)
        for shape in shapes if method != "GET" else ():
            for size in SIZES:
                begin, middle, end = SHAPES[shape]
                body = f"{begin}{middle * (size // len(middle))}{end}".encode()
                yield f"{route}: {shape}", head(method, path, f"Content-Length: {len(body)}") + body
        if method == "GET" and "<" in rule:
            yield from ((f"{route}: {name}", head(method, path, each)) for name, each in HEADS.items())
            yield from ((f"{route}: a query", head(method, f"{path}?{each}", "X: y")) for each in QUERIES)
    yield "a path", head("GET", "/a" * 15_000, "X: y")


def str_uuid() -> str:
    return "00000000-0000-0000-0000-000000000001"


def head(method: str, path: str, line: str) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Accept: application/vnd.pkglatv1+json\r\n{line}\r\n\r\n"
    ).encode("latin-1")


def send(address: tuple[str, int], data: bytes) -> None:
    with socket.create_connection(address, timeout=60) as client, contextlib.suppress(OSError):
        client.sendall(data)
        while client.recv(65536):
            pass


def run(report: figures.Report, *, quick: bool) -> None:
    """Add the figures of the edge to ``report``."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    runs = RUNS // 10 if quick else RUNS
    with TemporaryDirectory() as name:
        folder = Path(name)
        trio.run(write, folder, Past(1, runs))
        with open_node(folder, Past(1, runs)) as node:
            url = urllib.parse.urlsplit(node.url)
            address = (url.hostname or "", url.port or 0)
            _replay(report, node, address, runs)
            _strangers(report, node, address)
            _fuzz(report, node, address, quick=quick)


def _fuzz(report: figures.Report, node: Node, address: tuple[str, int], *, quick: bool) -> None:
    """What is over the goal is sent again: a pause of the machine's own doesn't come back, a block does."""
    worst, what = 0.0, ""
    for name, data in to_requests(quick=quick):
        blocked = _blocked(node, address, data)
        for _ in range(AGAIN):
            if blocked > BLOCK:
                blocked = min(blocked, _blocked(node, address, data))
        if blocked > worst:
            worst, what = blocked, name
    report.add(
        figures.Figure(
            "hostile-tenants", f"worst block, {what}"[:40], worst * 1000, "ms", ceiling=BLOCK * 1000
        )
    )


def _blocked(node: Node, address: tuple[str, int], data: bytes) -> float:
    node.delays()
    send(address, data)
    return node.delays()


def _strangers(report: figures.Report, node: Node, address: tuple[str, int]) -> None:
    request = b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n"
    send(address, b"GET /docs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    before = node.resident()
    with contextlib.ExitStack() as stack:
        for _ in range(STRANGERS):
            client = stack.enter_context(socket.create_connection(address))
            client.sendall(request)
        time.sleep(2)
        grown = node.resident() - before
    report.add(
        figures.Figure(
            "hostile-tenants", f"{STRANGERS} strangers who don't read /docs", grown / MIB, "MiB", ceiling=64
        )
    )


def _replay(report: figures.Report, node: Node, address: tuple[str, int], runs: int) -> None:
    before = node.resident()
    with contextlib.ExitStack() as stack:
        for _ in range(SOCKETS):
            client = stack.enter_context(socket.create_connection(address))
            upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            client.sendall(
                f"GET /ws/server-00001?since=0&token={TOKEN} HTTP/1.1\r\nHost: localhost\r\n{upgrade}"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
        time.sleep(4)
        grown = node.resident() - before
    report.add(
        figures.Figure(
            "hostile-tenants", f"{SOCKETS} sockets since=0, {5 * runs} events", grown / MIB, "MiB", ceiling=40
        )
    )
