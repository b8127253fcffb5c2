"""A real daemon in a process of its own, as an operator runs it: started, asked, killed, started again."""

import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import attrs
import httpx
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from tests.contracts.api_checks import CHECKED, check_frame
from tests.rig import engine
from tests.support.fork_server import Copy, ForkServer

TOKEN = "lightd_live_tests_master_token"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Accept": "Application/vnd.pkglatv1+json"}
PATIENCE = 60.0
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: httpx would load all authorities for each client, which takes 40 ms of CPU."""
PORTS = iter(random.sample(range(20_000, 32_000), 12_000))  # below those that the system gives by itself
USER = "988:988" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"  # only root may give files away


def open_client(**options):
    """A client whose every answer is held against the document of the API; it waits long for one."""
    defaults = {"headers": HEADERS, "timeout": PATIENCE, "verify": NO_AUTHORITIES, "event_hooks": CHECKED}
    return httpx.AsyncClient(trust_env=False, **{**defaults, **options})


def free_port():
    """A port of 127.0.0.1 that nobody has, another one each time."""
    for port in PORTS:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("every port is taken")


class Console:
    """One WebSocket, and every frame that came so far."""

    def __init__(self, connection):
        self._connection = connection
        self.frames = []

    async def next(self):
        with trio.fail_after(PATIENCE):
            frame = json.loads(await self._connection.get_message())
        check_frame(frame)
        self.frames.append(frame)
        return frame

    async def until(self, event, data=None):
        """Read on to the next frame of ``event`` that holds ``data``."""
        with trio.fail_after(PATIENCE):  # the frames between, of statistics for one, come for ever
            while True:
                frame = await self.next()
                if frame["event"] == event and (data is None or data in frame["data"]):
                    return frame

    async def closed(self):
        """Read on to the end, and return the close code."""
        try:
            while True:
                await self.next()
        except ConnectionClosed as closed:
            return closed.reason.code

    async def send(self, event, **fields):
        await self._connection.send_message(json.dumps({"event": event, **fields}))

    @property
    def states(self):
        return [frame["data"] for frame in self.frames if frame["event"] == "event"]

    @property
    def text(self):
        return "".join(frame["data"] for frame in self.frames if frame["event"] == "console")


@attrs.define
class Daemon:
    """One installation of lightd, through all the lives of its process."""

    fork_server: ClassVar[ForkServer | None] = None
    """Where there is one, the process needs not be loaded."""

    folder: Path
    node: str = attrs.field(factory=lambda: f"live-{uuid.uuid4().hex[:12]}")
    settings: dict = attrs.field(factory=dict)
    process: subprocess.Popen | Copy | None = None
    url: str = ""

    def __attrs_post_init__(self):
        config = {
            "version": "0.1.0",
            "node": self.node,
            "server": {"host": "127.0.0.1", "port": 0},
            "authorization": {"enabled": True, "token": TOKEN},
            "docker": {"socket_path": engine.socket_path(), "allowed_mounts": [], "user": USER},
            "storage": {
                "base_path": "./storage",
                "containers_path": "./storage/containers",
                "volumes_path": "./storage/volumes",
            },
            "monitoring": {"enabled": True, "interval_ms": 500},
            **self.settings,
        }
        self.config.write_text(json.dumps(config))
        self.config.chmod(0o600)

    @property
    def config(self):
        return self.folder / "config.json"

    @property
    def log(self):
        return self.folder / "log.jsonl"

    async def start(self):
        """Start the process, and wait until it serves."""
        arguments = ["serve", "--config", self.config, "--log-format", "json"]
        self.log.touch()
        offset = self.log.stat().st_size
        self.process = self._begin(arguments)
        with trio.fail_after(PATIENCE):
            while not (found := self._address(offset)):
                assert self.process.poll() is None, self.log.read_text()[-4000:]
                await trio.sleep(0.02)
        self.url = found

    def _begin(self, arguments):
        if self.fork_server is not None:
            return self.fork_server.start(arguments, log=self.log, folder=self.folder)
        command = [sys.executable, "-m", "lightd", *arguments]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stderr=log, stdout=log, cwd=self.folder)

    def _address(self, offset):
        for line in self.log.read_bytes()[offset:].splitlines():
            message = json.loads(line).get("message", "") if line.startswith(b"{") else ""
            if message.startswith("listening on "):
                return message.removeprefix("listening on ").split(",")[0]
        return None

    def kill(self):
        """End the process as a power loss does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self):
        """End the process, in its own way where it has one."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.kill()

    def stop(self):
        """End the process as an operator does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    async def call(self, method, path, body=None, status=200, **params):
        """Return the answer to one call, which has to be ``status``."""
        async with open_client() as client:
            response = await client.request(method, self.url + path, json=body, params=params)
        assert status in (None, response.status_code), response.text
        return response.json()

    async def get(self, path, **params):
        return await self.call("GET", path, **params)

    async def post(self, path, body=None, status=200, **params):
        return await self.call("POST", path, body, status, **params)

    @asynccontextmanager
    async def console(self, internal_id="s1", query="", *, token=TOKEN) -> AsyncIterator[Console]:
        url = self.url.replace("http", "ws", 1) + f"/ws/{internal_id}?token={token}{query}"
        async with open_websocket_url(url) as connection:
            try:
                yield Console(connection)
            finally:
                await connection.aclose()
                # The library leaves the socket to the garbage collector where the server closed first.
                await trio.aclose_forcefully(connection._stream)

    async def engine_up(self):
        """Wait until the daemon has found the engine."""
        with trio.fail_after(PATIENCE):
            while True:
                async with open_client() as client:
                    response = await client.post(self.url + "/containers/no-such/start")
                if response.status_code == 404 and await self._probe():
                    return
                await trio.sleep(0.05)

    async def _probe(self):
        async with open_client() as client:
            response = await client.post(
                self.url + "/containers",
                json={
                    "internal_id": "probe",
                    "image": "x",
                    "volume_id": str(uuid.UUID(int=0)),
                    "startup_command": "x",
                },
            )
        return response.json()["code"] == "volume_not_found"

    async def volume(self):
        return (await self.post("/volumes", status=201))["volume_id"]

    async def create(self, internal_id="s1", command="stdin-echo", wait=True, **fields):
        """Have a container installed; ready unless ``wait`` is false."""
        body = {
            "internal_id": internal_id,
            "image": fields.pop("image", engine.IMAGE),
            "volume_id": fields.pop("volume_id", None) or await self.volume(),
            "startup_command": command,
            **fields,
        }
        answer = await self.post("/containers", body, **({"wait": 60} if wait else {}))
        if wait:
            assert answer["status"] == "succeeded", answer
        return answer

    async def power(self, action, internal_id="s1", wait=60, status=200):
        return await self.post(f"/containers/{internal_id}/{action}", status=status, wait=wait)

    async def show(self, internal_id="s1"):
        return await self.get(f"/containers/{internal_id}")

    def in_docker(self):
        """Every container of this node that the engine has, by name, its state perhaps a moment old."""
        rows = engine.call("GET", "/containers/json", all=1, filters={"label": [f"lightd.node={self.node}"]})
        rows = rows if isinstance(rows, list) else [rows] if rows else []
        return {row["Names"][0].lstrip("/"): row["State"] for row in rows}


@asynccontextmanager
async def serving(folder, **settings):
    """Yield a daemon that serves and has found its engine; nothing of it is left afterwards."""
    daemon = Daemon(folder, settings=settings)
    try:
        await daemon.start()
        await daemon.engine_up()
        yield daemon
    finally:
        daemon.end()
        engine.remove_labelled(daemon.node)


def inspect(internal_id):
    """What Docker says of a container."""
    return engine.call("GET", f"/containers/lightd-{internal_id}/json")


async def settled(daemon, internal_id="s1", *, state):
    """Wait until the container is in ``state``, and return what is shown of it."""
    with trio.fail_after(60):
        while (shown := await daemon.show(internal_id))["state"] != state:
            await trio.sleep(0.05)
    return shown
