"""A daemon that serves the web console, with local processes as servers; and a way to it that can be cut."""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import httpx

from tests.support.daemon import free_port
from tests.support.sftp import end_servers

TOKEN = "lightd_browser_tests_master_token"
PROGRAM = Path(__file__).with_name("program.py")
PYTHON = shutil.which("python3", path="/usr/local/bin:/usr/bin") or sys.executable
"""Servers run as another user, who may not reach the Python of this environment."""
PATIENCE = 60.0


@attrs.define(eq=False)
class Relay:
    """Connects clients to the daemon, at an address of its own; ``prefix`` is the path that it adds."""

    target: int
    prefix: str = ""
    port: int = attrs.field(factory=free_port)
    sent: int = 0
    """Bytes that clients have sent."""
    _pairs: list[tuple[socket.socket, socket.socket]] = attrs.field(factory=list)
    _listener: socket.socket | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            # What waits in accept() is only woken by this.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.cut()

    def cut(self) -> int:
        """End all connections, as a network does that is lost; returns how many there were."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for each in pair:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        return len(pairs)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                daemon = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            self._pairs.append((client, daemon))
            ends = [threading.Barrier(2)]
            threading.Thread(target=self._pump, args=(client, daemon, True, ends), daemon=True).start()
            threading.Thread(target=self._pump, args=(daemon, client, False, ends), daemon=True).start()

    def _pump(self, source, sink, is_client, ends) -> None:
        wanted = f" {self.prefix}/".encode()
        with suppress(OSError):
            while data := source.recv(65536):
                if is_client:
                    self.sent += len(data)
                    if self.prefix:
                        data = data.replace(wanted, b" /", 1)  # of the request line
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        ends[0].wait()
        source.close()


@attrs.define(eq=False)
class Served:
    """A served daemon and its API, with the master token."""

    port: int
    folder: Path
    relay: Relay
    client: httpx.Client
    _next: int = 25_600

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method, path, body=None, /, **params):
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/vnd.pkglatv1+json"}
        options = {} if body is None else {"json": body}
        answer = self.client.request(method, self.url + path, headers=headers, params=params, **options)
        assert answer.is_success, answer.text
        return answer

    def get(self, path, /, **params):
        return self.call("GET", path, **params).json()

    def create(self, name, *, start=True, **fields):
        """A server that runs ``program.py``; returns its volume."""
        volume = self.call("POST", "/volumes").json()["volume_id"]
        self._next += 1
        port = {"ip": "127.0.0.1", "port": self._next}
        self.call("POST", "/network/ports", port)
        body = {
            "internal_id": name,
            "image": "host",
            "volume_id": volume,
            "startup_command": f"exec {PYTHON} -u {self.folder / PROGRAM.name}",
            "start_pattern": "Ready",
            "stop": {"type": "command", "value": "stop", "timeout": 20},
            "ports": [port],
            **fields,
        }
        self.call("POST", "/containers", body, wait=PATIENCE)
        if start:
            self.call("POST", f"/containers/{name}/start", wait=PATIENCE)
        return volume

    def say(self, name, command):
        self.call("POST", f"/containers/{name}/command", {"command": command})

    def wait_line(self, name, text):
        """Wait until a line of the console is ``text``."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if any(text in each["text"] for each in self.get(f"/containers/{name}/logs", lines=5)["lines"]):
                return
            time.sleep(0.1)
        raise TimeoutError(text)

    def mint(self, containers=None, permissions=None):
        limits = {"containers": containers, "permissions": permissions}
        body = {"ttl": "1h", **{name: value for name, value in limits.items() if value is not None}}
        return self.call("POST", "/auth/tokens", body).json()["token"]


@contextmanager
def open_served(folder):
    """A daemon in a process of its own, with engine ``process``."""
    port = free_port()
    config = {
        "node": "node-1",
        "server": {"host": "127.0.0.1", "port": port},
        "authorization": {"enabled": True, "token": TOKEN},
        "docker": {"engine": "process"},
        "sftp": {"enabled": True, "host": "127.0.0.1", "port": 0},
        "storage": {
            "base_path": str(folder / "storage"),
            "containers_path": str(folder / "storage/containers"),
            "volumes_path": str(folder / "storage/volumes"),
        },
    }
    shutil.copy(PROGRAM, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    command = [sys.executable, "-m", "lightd", "serve", "--config", str(path)]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        relay = Relay(port)
        try:
            _wait_served(port, process)
            relay.open()
            with httpx.Client(timeout=PATIENCE + 10) as client:
                served = Served(port, folder, relay, client)
                yield served
                for row in served.get("/containers")["containers"]:  # they would run on without the daemon
                    served.call("POST", f"/containers/{row['internal_id']}/kill")
                    served.call("DELETE", f"/containers/{row['internal_id']}", wait=PATIENCE)
        finally:
            relay.close()
            process.terminate()
            process.wait(PATIENCE)
            end_servers(folder)


def _wait_served(port, process):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the daemon ended with {process.returncode}")
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/api/v1/public/ping").status_code == 200:
                return
        time.sleep(0.05)
    raise TimeoutError("the daemon does not answer")
