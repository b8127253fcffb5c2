"""What the audit costs: small files and changes of the port pool through the API, with and without it.

Two nodes take turns with the same requests; one of them keeps its audit nowhere. The first kind of request
waits for the file's own way to the disk, the second for the journal's.
"""

import json
import tempfile
import urllib.request
from pathlib import Path

import trio

from tests.bench import figures
from tests.bench.node import Past, open_node, write
from tests.bench.requests import END, Load
from tests.support.daemon import HEADERS

MOST_TIMES = 2.0
CONTENT = "x" * 500


class Writes(Load):
    """As ``Load``, with a body."""

    body: dict

    @property
    def request(self) -> bytes:
        body = json.dumps(self.body).encode()
        headers = {**HEADERS, "Content-Length": len(body), "Host": "bench"}
        head = [f"{self.method} {self.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join(head).encode() + END + body


def _writes(url: str, pid: int, method: str, path: str, body: dict, count: int, clients: int) -> Writes:
    kind = type("Writing", (Writes,), {"body": body, "method": method})
    return kind(url, pid, path, count, clients=clients)


def _post(url: str, path: str, body: dict | None = None) -> dict:
    data = json.dumps(body or {}).encode()
    request = urllib.request.Request(url + path, data, HEADERS, method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def run(report: figures.Report, *, quick: bool) -> None:
    past = Past(0)
    with (
        tempfile.TemporaryDirectory(prefix="lightd-bench-") as first,
        tempfile.TemporaryDirectory() as second,
    ):
        for folder in (first, second):
            trio.run(write, Path(folder), past)
        with open_node(Path(first), past) as ours, open_node(Path(second), past, audited=False) as bare:
            volumes = [_post(node.url, "/volumes")["volume_id"] for node in (ours, bare)]
            for node in (ours, bare):
                _post(node.url, "/network/ports", {"ip": "127.0.0.1", "port": 1})
            for clients in (1, 8):
                files = [
                    _writes(
                        node.url, node.process.pid, "POST", f"/volumes/{volume}/files",
                        {"path": "a.txt", "content": CONTENT}, 200, clients,
                    )
                    for node, volume in zip((ours, bare), volumes, strict=True)
                ]  # fmt: skip
                _compare(report, f"small files, {clients} at once", files, 3 if quick else 15)
                marks = [
                    _writes(
                        node.url, node.process.pid, "PUT", "/network/ports/127.0.0.1/1/use",
                        {"in_use": True}, 200, clients,
                    )
                    for node in (ours, bare)
                ]  # fmt: skip
                _compare(report, f"changes of nothing, {clients} at once", marks, 3 if quick else 15)


def _compare(report: figures.Report, name: str, loads: list[Writes], rounds: int) -> None:
    with_it, without = figures.in_turns(rounds, *loads)
    own, beside = figures.median(with_it), figures.median(without)
    report.add(
        figures.Figure(
            "audit", name, own, "req/s", "without an audit", beside, 1 / MOST_TIMES, more_is_better=True
        )
    )
    own, beside = (figures.median(load.cpu) for load in loads)
    report.add(figures.Figure("audit", f"{name}, CPU for 1,000", own, "ms", "without an audit", beside))
