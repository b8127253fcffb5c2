"""Nginx as a yardstick, where there is one: one process, on a port of its own, gone at the end."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

PATIENCE = 10.0
MISSING = "there is no nginx here"

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; server_tokens off; sendfile on; keepalive_requests 1000000; client_max_body_size 0;
    default_type application/json;
    client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/1; fastcgi_temp_path {folder}/2;
    uwsgi_temp_path {folder}/3; scgi_temp_path {folder}/4;
    server {{ listen 127.0.0.1:{port}; {server} }}
}}
"""


@attrs.frozen
class Nginx:
    pid: int
    url: str


def find() -> str | None:
    """The program; it is where only root's PATH leads on some systems."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def open_nginx(folder: Path, server: str) -> Iterator[Nginx]:
    """An nginx whose one server has the directives ``server``; its own files are in ``folder``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, server=server))
    command = [find(), "-p", folder, "-c", configuration]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if child.poll() is not None or time.monotonic() > until:
                    text = (folder / "error.log").read_text()
                    raise RuntimeError(f"nginx did not start: {text}") from None
                time.sleep(0.02)
        yield Nginx(child.pid, f"http://127.0.0.1:{port}")
    finally:
        child.kill()
        child.wait()


@contextmanager
def open_answering(path: str, body: bytes) -> Iterator[Nginx]:
    """An nginx that answers a GET of ``path`` with ``body``, from a file."""
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        answer = Path(folder) / "answer.json"
        answer.write_bytes(body)
        Path(folder).chmod(0o755)
        with open_nginx(Path(folder), f"location = {path} {{ alias {answer}; }}") as nginx:
            yield nginx
