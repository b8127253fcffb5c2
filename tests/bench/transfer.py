"""Files through the daemon: a large one up and down beside nginx, many names beside ``ls``, and the memory.

nginx (with its DAV module) stores and sends the same file on the same disk in the same run. Where it isn't
installed, a bare server with ``sendfile`` and ``recv`` stands in, and the line says so.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import attrs
import httpx

from tests.bench import figures, process
from tests.bench.node import Past, open_node
from tests.support.daemon import HEADERS

SIZE = 256 << 20
LARGE = 5 << 30
NAMES = 10_000
MANY = 100_000
ROUNDS = 7
GOAL = 1 / 0.6
"""So many times the seconds of nginx, at most."""

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log /dev/null; worker_rlimit_nofile 1024;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; client_max_body_size 0; client_body_temp_path {folder}/temp;
  proxy_temp_path {folder}/t1; fastcgi_temp_path {folder}/t2;
  uwsgi_temp_path {folder}/t3; scgi_temp_path {folder}/t4;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; location / {{ dav_methods PUT; }} }}
}}
"""


@attrs.frozen
class Server:
    """Where a file is sent to and taken from."""

    name: str
    url: str
    options: tuple[str, ...] = ()
    pid: int = 0


def run(report: figures.Report, *, quick: bool) -> None:
    rounds = 1 if quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as name:
        folder = Path(name)
        with (
            open_node(folder / "node", Past(0)) as node,
            httpx.Client(headers=HEADERS, trust_env=False) as client,
        ):
            volume = client.post(f"{node.url}/volumes").json()
            options = tuple(word for each in HEADERS.items() for word in ("-H", ": ".join(each)))
            url = f"{node.url}/volumes/{volume['id']}/files/content?path=file"
            lightd = Server("lightd", url, options, node.process.pid)
            source = folder / "source"
            _fill(source, SIZE)
            with _open_yardstick(folder) as beside:
                _compare(report, lightd, beside, source, rounds)
            _list(report, lightd, node.url, volume, rounds)
            _page(report, client, node.url, volume)
            _remember(report, lightd, folder, LARGE if not quick else SIZE)


def _fill(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())


def _compare(report: figures.Report, lightd: Server, beside: Server, source: Path, rounds: int) -> None:
    for name, work in (("upload", partial(_upload, source=source)), ("download", _download)):
        for server in (lightd, beside):
            work(server)  # both warm
        before = process.cpu_seconds(lightd.pid)
        ours, theirs = figures.in_turns(rounds, partial(work, lightd), partial(work, beside))
        cpu = (process.cpu_seconds(lightd.pid) - before) / rounds
        report.add(
            figures.Figure(
                "transfer",
                f"{name} of {SIZE >> 20} MiB",
                figures.quickest(ours) * 1000,
                "ms",
                beside.name,
                figures.quickest(theirs) * 1000,
                GOAL,
            )
        )
        report.add(figures.Figure("transfer", f"{name}: processor time of lightd", cpu * 1000, "ms"))


def _upload(server: Server, source: Path) -> float:
    return _curl(server, "-T", str(source))


def _download(server: Server) -> float:
    return _curl(server)


def _curl(server: Server, *more: str) -> float:
    """Seconds from the connection to the last byte of the answer."""
    command = [
        "curl",
        "-sSf",
        "-o",
        "/dev/null",
        "-w",
        "%{time_total}",
        "-H",
        "Expect:",
        *server.options,
        *more,
    ]
    done = subprocess.run([*command, server.url], check=True, capture_output=True, text=True)
    return float(done.stdout)


@contextmanager
def _open_yardstick(folder: Path) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if nginx := shutil.which("nginx") or shutil.which("/usr/sbin/nginx"):
        home = folder / "nginx"
        (home / "files").mkdir(parents=True)
        home.chmod(0o755)
        folder.chmod(0o755)
        (home / "conf").write_text("user root;" + NGINX.format(folder=home, port=port))
        command, name = [nginx, "-c", str(home / "conf"), "-e", "/dev/null"], "nginx"
    else:
        print("transfer: nginx is not installed; a bare server with sendfile stands in for it")
        home = folder
        command, name = (
            [sys.executable, "-m", "tests.bench.bare", str(folder / "bare"), str(port)],
            "bare server",
        )
    child = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        _wait_listening(port)
        yield Server(name, f"http://127.0.0.1:{port}/file")
    finally:
        child.kill()
        child.wait()


def _wait_listening(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the server beside does not listen")


def _list(report: figures.Report, lightd: Server, url: str, volume: dict[str, str], rounds: int) -> None:
    folder = Path(volume["path"], "many")
    folder.mkdir()
    for number in range(NAMES):
        (folder / f"file-{number:05}.dat").write_text("x")
    asked = attrs.evolve(lightd, url=f"{url}/volumes/{volume['id']}/files?path=many&limit={NAMES}")

    def theirs() -> float:
        begun = time.perf_counter()
        subprocess.run(["ls", "-l", folder], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun

    mine, others = figures.in_turns(3 * rounds, partial(_curl, asked), theirs)
    beside = figures.quickest(others)
    ours = figures.quickest(mine) * 1000
    goal = (beside + 0.05) / beside
    report.add(
        figures.Figure("transfer", f"listing of {NAMES:,} names", ours, "ms", "ls -l", beside * 1000, goal)
    )


def _page(report: figures.Report, client: httpx.Client, url: str, volume: dict[str, str]) -> None:
    folder = Path(volume["path"], "crowd")
    folder.mkdir()
    for number in range(MANY):
        os.close(os.open(folder / f"file-{number:06}.dat", os.O_CREAT | os.O_WRONLY))
    begun = time.perf_counter()
    subprocess.run(["ls", "-l", folder], check=True, stdout=subprocess.DEVNULL)
    theirs = time.perf_counter() - begun
    pages, names, cursor = [], 0, {}
    while cursor is not None:
        begun = time.perf_counter()
        asked = {"path": "crowd", "limit": NAMES, **cursor}
        page = client.get(f"{url}/volumes/{volume['id']}/files", params=asked, timeout=60).json()
        pages.append(time.perf_counter() - begun)
        names += len(page["files"])
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert names == MANY
    report.add(
        figures.Figure(
            "transfer",
            f"all of {MANY:,} names, {NAMES:,} a page",
            sum(pages) * 1000,
            "ms",
            "ls -l",
            theirs * 1000,
        )
    )
    report.add(figures.Figure("transfer", "the slowest of these pages", max(pages) * 1000, "ms"))


def _remember(report: figures.Report, lightd: Server, folder: Path, size: int) -> None:
    """How much more memory the daemon has at most while a file goes up, and comes down."""
    source = folder / "large"
    with source.open("wb") as file:
        file.truncate(size)  # all of it a hole: no disk is needed to read it
    for name, more in (("upload", ["-T", str(source)]), ("download", [])):
        before = highest = process.resident(lightd.pid)
        command = ["curl", "-sSf", "-o", "/dev/null", *lightd.options, *more, lightd.url]
        with subprocess.Popen(command) as child:
            while child.poll() is None:
                highest = max(highest, process.resident(lightd.pid))
                time.sleep(0.02)
        assert child.returncode == 0
        more_by = (highest - before) / 2**20
        report.add(
            figures.Figure(
                "transfer", f"memory more in {name} of {size >> 20:,} MiB", more_by, "MiB", goal=16
            )
        )
