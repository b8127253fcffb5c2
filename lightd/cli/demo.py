"""``lightd demo``: install, start, use, stop and delete one server on this machine, through the real API.

The server is a Docker container if an engine answers, and a local process otherwise. Each call is shown as
the ``curl`` line that makes it.

The demo starts its own daemon in a temporary folder, on a free loopback port, with its own node name, which
is also the name of the server; it touches nothing of another lightd on this machine. Everything is removed at
the end, also after a signal, a closed terminal or a closed pipe. Only ``SIGKILL`` leaves something behind.
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

from lightd import daemon
from lightd.cli import stdio
from lightd.cli.commands.trouble import FAILED, SIGNALLED
from lightd.cli.demo_screen import Screen
from lightd.cli.exception_groups import leaves
from lightd.config import file as config_file
from lightd.config import sections
from lightd.config.engines import ENGINES
from lightd.http.credentials import MEDIA_TYPE
from lightd.logs import output
from lightd.system import System

IMAGE = "busybox:stable"
HOST = "host"
DOCKER = "/var/run/docker.sock"
ANSWER = 3.0
LOCAL = "The demo server is a local process, without isolation; --engine docker makes it a container."
PATIENCE = 120.0  # seconds without any frame from the server
CALL = 30.0  # seconds for one response
FIRST_SIGHT = 10.0
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

STARTUP = (
    "echo Ready for players; cat motd.txt; "
    'while read -r line; do [ "$line" != stop ] || { echo Stopping; exit 0; }; echo "you said: $line"; done'
)


class Trouble(Exception):  # noqa: N818 - ends the demo with a message
    """The demo cannot continue; the message says why."""


def main(args: argparse.Namespace) -> int:
    """Run the demo; return 0 if it was completed, else 1, or 128 plus the number of the signal."""
    troubles: list[str] = []
    code = 0
    try:
        with (
            output.configure("console", logging.ERROR),
            tempfile.TemporaryDirectory(prefix="lightd-demo-") as scratch,
        ):
            engine = args.engine or _choose()
            os.chmod(scratch, 0o711)  # noqa: S103, PTH101 - a local process must be able to reach its volume
            image = (args.image or IMAGE) if ENGINES[engine].isolated else HOST
            code = trio.run(_demo, Path(scratch), engine, image, args.keep)
    except* stdio.Unwritten as unwritten:
        code = next(stdio.give_up(leaf) for leaf in leaves(unwritten) if isinstance(leaf, OSError))
    except* (Trouble, httpx.HTTPError, OSError) as trouble:
        troubles = [str(leaf) or repr(leaf) for leaf in leaves(trouble)]
        code = FAILED
    for line in troubles:
        print(f"lightd demo: {line}", file=sys.stderr)
    return code


async def _demo(scratch: Path, engine: str, image: str, keep: bool) -> int:  # noqa: FBT001 - a flag of the command line
    """Run the daemon and the demo. A signal ends the demo first: the daemon still has to clean up."""
    name = f"demo-{secrets.token_hex(4)}"
    configuration = _to_configuration(scratch, engine, name)
    token, file, screen = configuration.authorization.token, scratch / "token", Screen()
    file.touch(mode=0o600)
    file.write_text(token)
    show, seen, ended = trio.CancelScope(), False, 0

    async def mind(signals: AsyncIterator[int]) -> None:
        nonlocal ended
        async for number in signals:
            ended = ended or SIGNALLED + number
            show.cancel()

    with trio.open_signal_receiver(*ENDING) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mind, signals)
            async with (
                daemon.open_system(configuration) as system,
                daemon.open_front(system) as (url, *_),
                _open_client(url, token) as client,
            ):
                shown = _Show(client, url, token, name, image, screen)
                try:
                    with show:
                        screen.tell(f"lightd listens on {url}")
                        if not ENGINES[engine].isolated:
                            screen.tell(LOCAL)
                        screen.introduce(url, token, file)
                        await _wait_engine(system)
                        await shown.run()
                        seen = True
                        if keep:
                            screen.tell(
                                f"\nThe daemon keeps running at {url} until Ctrl-C. Its token: {token}"
                            )
                            screen.show_command("ps")
                            await trio.sleep_forever()
                finally:
                    await shown.clear()
            nursery.cancel_scope.cancel()
    return 0 if seen else ended


def _open_client(url: str, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}", "Accept": MEDIA_TYPE}
    return httpx.AsyncClient(
        base_url=url,
        headers=headers,
        timeout=CALL,
        trust_env=False,
        verify=False,  # noqa: S501 - http on the loopback; authorities would only take time to load
    )


async def _wait_engine(system: System) -> None:
    """Wait until the engine answers, for a limited time; without it, the API returns an error."""
    with trio.move_on_after(FIRST_SIGHT):
        while not system.fleet.engine_up.value:
            await system.fleet.engine_up.wake.wait()


def _choose() -> str:
    """The engine to use: ``docker`` if it answers, otherwise ``process``."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ANSWER)
            probe.connect(_socket())
            probe.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return "docker" if b" 200 " in probe.recv(100) else "process"
    except OSError:
        return "process"


def _socket() -> str:
    """The path of Docker's socket, as Docker's own client finds it."""
    scheme, _, path = os.environ.get("DOCKER_HOST", "").partition("://")
    return path if scheme == "unix" and path else DOCKER


def _to_configuration(scratch: Path, engine: str, name: str) -> sections.Configuration:
    file = sections.first_file(config_file.fresh_token())
    file["server"] = {"host": "127.0.0.1", "port": 0}
    file["docker"] |= {"engine": engine, "socket_path": _socket()}
    if os.geteuid() != 0:
        file["docker"]["user"] = f"{os.geteuid()}:{os.getegid()}"  # only root can change the owner of a file
    return sections.from_json(file, scratch, name)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@attrs.define(eq=False)
class _Show:
    """The steps of the demo, in order."""

    _client: httpx.AsyncClient
    _url: str
    _token: str = attrs.field(repr=False)
    _name: str
    _image: str
    _screen: Screen

    async def run(self) -> None:
        volume_id = (await self._call("POST", "/volumes"))["volume_id"]
        greeting = {"path": "motd.txt", "content": "Welcome to the demo\n"}
        await self._call("POST", f"/volumes/{volume_id}/files", greeting)
        port = {"ip": "127.0.0.1", "port": _free_port(), "protocol": "tcp"}
        await self._call("POST", "/network/ports", port)
        container = {
            "internal_id": self._name,
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
        await self._live()
        await self._call("DELETE", f"/containers/{self._name}")
        self._screen.tell("\nDone: the server was created, used and removed.")

    async def clear(self) -> None:
        """Remove all servers, also those created by hand; raises ``Trouble`` if one may be left."""
        self._screen.forgive()
        trouble = f"no answer within {CALL:g} seconds"
        with trio.move_on_after(CALL, shield=True):
            trouble = await self._remove_all()
        if trouble:
            raise Trouble(
                f"could not remove a server ({trouble}): look for {self._name} in docker ps -a and ps -ef"
            )

    async def _remove_all(self) -> str:
        """Return why a server could not be removed, or an empty string."""
        troubles: list[BaseException] = []
        try:
            for row in (await self._client.get("/containers")).json()["containers"]:
                await self._call("DELETE", f"/containers/{row['internal_id']}")
        except* (Trouble, httpx.HTTPError) as group:
            troubles = leaves(group)
        return str(troubles[0]) if troubles else ""

    async def _live(self) -> None:
        async with self._console() as console:
            await self._until(console, "event", "ready")
            await self._call("POST", f"/containers/{self._name}/start")
            await self._until(console, "event", "running")
            await self._say(console, "hello")
            await self._until(console, "console", "you said: hello")
            await self._call("POST", f"/containers/{self._name}/stop")
            ended = await self._until(console, "event", "exit")
            self._screen.tell(f"  the process ended with exit code {ended['code']}")
            if ended["code"] != 0:
                raise Trouble(f"the server ended with exit code {ended['code']} instead of 0")

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and show it. It is not cancelled, so that its result is always known."""
        self._screen.tell(f"\n{method} {path}")
        self._screen.show_call(method, path, body)
        async with self._screen.waiting():
            with trio.CancelScope(shield=True):
                response = await self._client.request(method, path, json=body)
        self._screen.tell(f"  {response.status_code} {response.text}")
        answer: dict[str, Any] = response.json()
        if response.is_error:
            raise Trouble(f"{method} {path} failed: {answer['error']}")
        return answer

    @asynccontextmanager
    async def _console(self) -> AsyncIterator[WebSocketConnection]:
        self._screen.tell(f"\nWebSocket /ws/{self._name}")
        self._screen.show_command(f"console {self._name}")
        url = self._url.replace("http", "ws", 1) + f"/ws/{self._name}"
        authorization = [(b"Authorization", f"Bearer {self._token}".encode())]
        async with open_websocket_url(url, extra_headers=authorization) as console:
            yield console

    async def _say(self, console: WebSocketConnection, command: str) -> None:
        self._screen.tell(f"  > {command}")
        await console.send_message(json.dumps({"event": "send_command", "command": command}))

    async def _until(self, console: WebSocketConnection, event: str, data: str) -> dict[str, Any]:
        """Show frames until one contains ``data``, and return that one."""
        with trio.move_on_after(PATIENCE) as patience:
            while True:
                async with self._screen.waiting():
                    frame: dict[str, Any] = json.loads(await console.get_message())
                if frame["event"] == "stats":
                    continue
                patience.deadline = trio.current_time() + PATIENCE
                for line in str(frame.get("data", "")).splitlines():
                    self._screen.tell(f"  {frame['event']:>14} | {line}")
                if frame["event"] == event and data in frame["data"]:
                    return frame
                if frame["event"] == "event" and frame["data"] == "failed":
                    detail = await self._call("GET", f"/containers/{self._name}")
                    raise Trouble(f"the installation failed: {detail['error']}")
        raise Trouble(f"no {event} {data!r} within {PATIENCE:g} seconds")
