"""``lightd demo``: one server's whole life on this machine, through the real HTTP and WebSocket API.

The server is a Docker container where an engine answers, and a local process where none does. Each call is
shown as the line for a shell that makes it.

A daemon of its own is started in a scratch folder, on a free port of the loopback, under a node name of its
own, so that it touches nothing of any other lightd here. All it made is removed at the end.
"""

import argparse
import json
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from lightd import config, config_file, daemon, logs
from lightd.demo_screen import Screen
from lightd.http.auth import MEDIA_TYPE
from lightd.leaves import leaves
from lightd.system import System

IMAGE = "busybox:stable"
HOST = "host"
DOCKER = "/var/run/docker.sock"
ANSWER = 3.0
LOCAL = "Without Docker: the server is a local process, and nothing isolates it."
PATIENCE = 120.0
FIRST_SIGHT = 10.0

STARTUP = (
    "echo Ready for players; cat motd.txt; "
    'while read -r line; do [ "$line" != stop ] || { echo Stopping; exit 0; }; echo "you said: $line"; done'
)


class Trouble(Exception):  # noqa: N818 - what the demo ends with, told to a person
    """The demo can't go on; the sentence says why."""


def main(args: argparse.Namespace) -> int:
    """Run the demo; return 0 where all of it was seen, else 1."""
    troubles: list[str] = []
    try:
        with (
            logs.configure("console", logging.ERROR),
            tempfile.TemporaryDirectory(prefix="lightd-demo-") as scratch,
        ):
            engine = args.engine or _choose()
            os.chmod(scratch, 0o711)  # noqa: S103, PTH101 - a server without Docker goes the host's way to its volume
            image = HOST if engine == "process" else args.image or IMAGE
            trio.run(_demo, Path(scratch), engine, image, args.keep)
    except* (Trouble, httpx.HTTPError, OSError) as trouble:
        troubles = [str(leaf) or repr(leaf) for leaf in leaves(trouble)]
    for line in troubles:
        print(f"lightd demo: {line}", file=sys.stderr)
    return 1 if troubles else 0


async def _demo(scratch: Path, engine: str, image: str, keep: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Serve and show. A signal ends the show, not the daemon: it has yet to remove what was made."""
    configuration = _to_configuration(scratch, engine)
    screen = Screen()
    token = configuration.authorization.token
    async with (
        daemon.open_system(configuration) as system,
        daemon.open_front(system) as addresses,
        trio.open_nursery() as nursery,
    ):
        show = trio.CancelScope()
        nursery.start_soon(_cancel_on_signal, show)
        with show:
            screen.tell(f"lightd listens on {addresses[0]}")
            if engine == "process":
                screen.tell(LOCAL)
            screen.introduce(addresses[0], token)
            await _wait_engine(system)
            headers = {"Authorization": f"Bearer {token}", "Accept": MEDIA_TYPE}
            client = httpx.AsyncClient(
                base_url=addresses[0], headers=headers, timeout=PATIENCE, trust_env=False
            )
            async with client:
                await _Show(client, addresses[0], token, image, screen).run()
            if keep:
                screen.tell(f"\nThe daemon stays until Ctrl-C, at {addresses[0]}. Its token: {token}")
                await trio.sleep_forever()
        nursery.cancel_scope.cancel()


async def _cancel_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()


async def _wait_engine(system: System) -> None:
    """Wait until the engine answers, or so long that it seems to be absent: the API will say so."""
    with trio.move_on_after(FIRST_SIGHT):
        while not system.fleet.engine_up.value:
            await system.fleet.engine_up.wake.wait()


def _choose() -> str:
    """The engine that there is: Docker where one answers, else none but ourselves."""
    scheme, _, path = os.environ.get("DOCKER_HOST", "").partition("://")
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ANSWER)
            probe.connect(path if scheme == "unix" and path else DOCKER)
            probe.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return "docker" if b" 200 " in probe.recv(100) else "process"
    except OSError:
        return "process"


def _to_configuration(scratch: Path, engine: str) -> config.Configuration:
    file = config.first_file(config_file.fresh_token())
    file["server"] = {"host": "127.0.0.1", "port": 0}
    file["docker"]["engine"] = engine
    if os.geteuid() != 0:
        file["docker"]["user"] = f"{os.geteuid()}:{os.getegid()}"  # only root may give files away
    return config.from_json(file, scratch, f"demo-{secrets.token_hex(4)}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@attrs.define(eq=False)
class _Show:
    """The steps, in their order."""

    _client: httpx.AsyncClient
    _url: str
    _token: str = attrs.field(repr=False)
    _image: str
    _screen: Screen

    async def run(self) -> None:
        volume_id = (await self._call("POST", "/volumes"))["volume_id"]
        greeting = {"path": "motd.txt", "content": "Welcome to the demo\n"}
        await self._call("POST", f"/volumes/{volume_id}/files", greeting)
        port = {"ip": "127.0.0.1", "port": _free_port(), "protocol": "tcp"}
        await self._call("POST", "/network/ports", port)
        container = {
            "internal_id": "demo",
            "image": self._image,
            "volume_id": volume_id,
            "startup_command": STARTUP,
            "start_pattern": "Ready",
            "ports": [port],
            "limits": {"memory": 128 * 1024 * 1024, "cpu": 1.0, "pids": 64},
            "install_script": "#!/bin/sh\necho installing into $(pwd)\n",
            "stop": {"type": "command", "value": "stop", "timeout": 10},
        }
        await self._call("POST", "/containers", container)
        try:
            await self._live()
        finally:
            with trio.move_on_after(30, shield=True):
                await self._call("DELETE", "/containers/demo")
        self._screen.tell("\nThat was a server's whole life. Nothing of it is left.")

    async def _live(self) -> None:
        async with self._console() as console:
            await self._until(console, "event", "ready")
            await self._call("POST", "/containers/demo/start")
            await self._until(console, "event", "running")
            await self._say(console, "hello")
            await self._until(console, "console", "you said: hello")
            await self._call("POST", "/containers/demo/stop")
            ended = await self._until(console, "event", "exit")
            self._screen.tell(f"  the process ended with exit code {ended['code']}")
            if ended["code"] != 0:
                raise Trouble("the server did not end as it should have")

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        self._screen.tell(f"\n{method} {path}")
        self._screen.show_call(method, path, body)
        async with self._screen.waiting():
            response = await self._client.request(method, path, json=body)
        self._screen.tell(f"  {response.status_code} {response.text}")
        answer: dict[str, Any] = response.json()
        if response.is_error:
            raise Trouble(f"{method} {path} was refused: {answer['error']}")
        return answer

    @asynccontextmanager
    async def _console(self) -> AsyncIterator[WebSocketConnection]:
        self._screen.tell("\nWebSocket /ws/demo")
        url = self._url.replace("http", "ws", 1) + "/ws/demo"
        authorization = [(b"Authorization", f"Bearer {self._token}".encode())]
        async with open_websocket_url(url, extra_headers=authorization) as console:
            yield console

    async def _say(self, console: WebSocketConnection, command: str) -> None:
        self._screen.tell(f"  > {command}")
        await console.send_message(json.dumps({"event": "send_command", "command": command}))

    async def _until(self, console: WebSocketConnection, event: str, data: str) -> dict[str, Any]:
        """Show what comes until the frame that holds ``data``, and return that one."""
        with trio.move_on_after(PATIENCE):
            while True:
                async with self._screen.waiting():
                    frame: dict[str, Any] = json.loads(await console.get_message())
                if frame["event"] == "stats":
                    continue
                for line in str(frame.get("data", "")).splitlines():
                    self._screen.tell(f"  {frame['event']:>14} | {line}")
                if frame["event"] == event and data in frame["data"]:
                    return frame
                if frame["event"] == "event" and frame["data"] == "failed":
                    detail = await self._call("GET", "/containers/demo")
                    raise Trouble(f"the installation failed: {detail['error']}")
        raise Trouble(f"waited {PATIENCE:g} seconds for {event} {data!r} in vain")
