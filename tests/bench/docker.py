"""Docker asked directly, with as little in between as Python allows: the yardstick for what lightd adds."""

import http.client
import json
import socket
import time
import urllib.parse
from pathlib import Path
from typing import Any

import attrs

from actors.container.spec import ContainerSpec
from lightd.engines.docker import attach, recipe
from lightd.engines.host import entrypoint
from tests.rig import engine

PIECE = 256 * 1024


class Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(engine.socket_path())


class Console:
    """A bare attachment. ``text`` is the end of what came."""

    def __init__(self, engine_id: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(120)
        self._socket.connect(engine.socket_path())
        head = f"POST /v1.41/containers/{engine_id}/attach?{attach.QUERY} HTTP/1.1"
        self._socket.sendall(
            f"{head}\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(PIECE)
        head, _, self.text = answer.partition(b"\r\n\r\n")
        assert b" 101 " in head.splitlines()[0], head

    def until(self, pattern: bytes) -> None:
        while pattern not in self.text:
            piece = self._socket.recv(PIECE)
            assert piece, "the console ended"
            self.text = self.text[-1000:] + piece

    def drain(self) -> None:
        while piece := self._socket.recv(PIECE):
            self.text = self.text[-1000:] + piece

    def detach(self) -> socket.socket:
        """The connection itself, for others to read."""
        return self._socket

    def close(self) -> None:
        self._socket.close()


@attrs.define
class Docker:
    """The same containers that lightd makes, made by hand beneath ``folder``."""

    folder: Path
    node: str
    _connection: Connection = attrs.field(factory=lambda: Connection("docker"))

    def call(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        target = f"/v1.41{path}?{urllib.parse.urlencode(query)}"
        data = None if body is None else json.dumps(body)
        self._connection.request(method, target, data, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status < 400, text
        return json.loads(text) if text else None

    def prepare(self, spec: ContainerSpec) -> dict[str, Any]:
        """Make the folders that the container needs; return the body that creates it."""
        layout = recipe.Layout(self.node, str(self.folder / "containers"), str(self.folder / "volumes"))
        Path(layout.volume(spec)).mkdir(parents=True, exist_ok=True)
        own = Path(layout.folder(spec.internal_id))
        own.mkdir(parents=True, exist_ok=True)
        (own / entrypoint.PATH.rpartition("/")[2]).write_text(
            entrypoint.to_script(spec.startup_command, tty=spec.tty)
        )
        return recipe.to_server(spec, 1, layout)

    def create(self, name: str, body: dict[str, Any]) -> str:
        return self.call("POST", "/containers/create", body, name=name)["Id"]

    def start(self, engine_id: str) -> None:
        self.call("POST", f"/containers/{engine_id}/start")

    def signal(self, engine_id: str, name: str) -> None:
        self.call("POST", f"/containers/{engine_id}/kill", signal=name)

    def wait(self, engine_id: str) -> None:
        self.call("POST", f"/containers/{engine_id}/wait")

    def remove(self, engine_id: str) -> None:
        self.call("DELETE", f"/containers/{engine_id}", force="1", v="1")

    def running(self, engine_id: str) -> bool:
        return self.call("GET", f"/containers/{engine_id}/json")["State"]["Running"]

    def last_line(self, engine_id: str) -> str:
        """The last line that the container printed, whoever read its console."""
        self._connection.request("GET", f"/v1.41/containers/{engine_id}/logs?stdout=1&tail=1")
        return self._connection.getresponse().read().decode(errors="replace").strip()


def since(begun: float) -> float:
    """Milliseconds since ``begun``."""
    return (time.perf_counter() - begun) * 1000
