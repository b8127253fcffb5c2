"""What a fresh daemon takes: the time from the start of ``lightd serve`` to its first answer, and memory.

Its journal has ``CONTAINERS`` containers, and no engine is at its socket, so the time is the daemon's alone.
Beside it stands a Python that does nothing. All modules are compiled before, as pip does when it installs.
"""

import json
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import trio

from tests.bench import figures, process
from tests.bench.node import Past, write
from tests.support.daemon import HEADERS, TOKEN, free_port

CONTAINERS = 50
MOST_SECONDS = 0.4
MOST_MIB = 55
SOURCES = (sysconfig.get_path("purelib"), "lightd", "actors")
SETTLED = 2.0
PATIENCE = 60.0


@attrs.frozen
class Fresh:
    """A daemon that has just given its first answer, after ``seconds``, ``cpu`` of them on a processor."""

    pid: int
    seconds: float
    cpu: float


@contextmanager
def open_fresh(folder: Path) -> Iterator[Fresh]:
    """``lightd serve`` on what was written into ``folder``, once it has listed all containers."""
    config, port = folder / "config.json", free_port()
    config.write_text(
        json.dumps(
            {
                "version": "0.1.0",
                "node": "bench",
                "server": {"host": "127.0.0.1", "port": port},
                "authorization": {"enabled": True, "token": TOKEN},
                "docker": {
                    "socket_path": str(folder / "no-engine.sock"),
                    "user": f"{os.getuid() or 988}:988",
                },
                "storage": {"base_path": str(folder)},
            }
        )
    )
    config.chmod(0o600)
    begun = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "lightd", "serve", "--config", config, "--log-format", "json"],
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        _list_containers(port, begun + PATIENCE)
        yield Fresh(child.pid, time.perf_counter() - begun, process.cpu_seconds(child.pid))
    finally:
        child.terminate()
        child.wait()


def _list_containers(port: int, until: float) -> None:
    head = ["GET /containers HTTP/1.1", "Host: bench", "Connection: close"]
    head += [f"{name}: {value}" for name, value in HEADERS.items()]
    while time.perf_counter() < until:
        try:
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall("\r\n".join([*head, "\r\n"]).encode())
                answer = b"".join(iter(lambda: client.recv(65536), b""))
        except OSError:
            time.sleep(0.005)
            continue
        listed = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert len(listed["containers"]) == CONTAINERS
        return
    raise AssertionError("the daemon does not answer")


def _start_python() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return time.perf_counter() - begun


def run(report: figures.Report, *, quick: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        trio.run(write, Path(folder), Past(CONTAINERS))
        cpu: list[float] = []

        def start() -> float:
            with open_fresh(Path(folder)) as fresh:
                cpu.append(fresh.cpu)
                return fresh.seconds

        subprocess.run([sys.executable, "-m", "compileall", "-q", *SOURCES], check=False)
        start()  # fills the caches
        cpu.clear()
        ours, python = figures.in_turns(3 if quick else 10, start, _start_python)
        name = f"first answer, {CONTAINERS} containers"
        beside = figures.quickest(python)
        report.add(
            figures.Figure(
                "startup", name, figures.quickest(ours), "s", "python -c ''", beside, ceiling=MOST_SECONDS
            )
        )
        report.add(figures.Figure("startup", f"{name}, CPU", figures.quickest(cpu), "s", goal=MOST_SECONDS))
        with open_fresh(Path(folder)) as fresh:
            time.sleep(SETTLED)
            mib = process.resident(fresh.pid, "Rss") / 2**20
            report.add(figures.Figure("startup", "memory of a fresh daemon", mib, "MiB", goal=MOST_MIB))
