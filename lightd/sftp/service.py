"""The daemon's side of SFTP: it has a server running, says who may log in, and ends sessions.

1. The server (``lightd.sftp.server``) is started if none runs. One that was started by an earlier process of
   the daemon is taken on if its settings are the same; else it is told to leave, and ends with its last
   connection.
2. Every connection of the server's processes is a task here (``Conversation``). A login is checked, and
   checked again when it is opened.
3. A session lasts as long as what it was opened with: every ``LOOK`` seconds all are looked at, and those
   whose token or credential is gone, or whose container or volume is another one, are ended.
4. A session goes on while the daemon is restarted. What it may do is in its *ticket*, which only this node
   can have signed, and is looked at as above.
"""

import hashlib
import json
import logging
import os
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import Any, Final

import attrs
import trio

from actors.kernel.backoff import Backoff
from lightd.config.version import version
from lightd.sftp import wire
from lightd.sftp.conversation import Conversation, receive
from lightd.sftp.logins import Logins
from lightd.sftp.places import Places
from lightd.sftp.processes import is_locked, prepare, spawn
from lightd.system import System

logger = logging.getLogger(__name__)

LOOK: Final = 0.5
CONNECTIONS: Final = 200
PER_ADDRESS: Final = 32
STRANGERS: Final = 64
STRANGERS_PER_ADDRESS: Final = 10
"""Connections whose clients have not logged in."""
HELLO: Final = 10.0
"""Seconds that a server has to say hello."""
PATIENCE: Final = 60.0
"""Seconds that a process may take from its connection to its first message: longer than a login may take."""
BACKOFF: Final = Backoff(0.5, 30.0)
_CREDENTIALS: Final = struct.Struct("3i")


@attrs.define(eq=False)
class Service:
    """See the module."""

    system: System
    logins: Logins
    places: Places
    _server: Any = None  # the connection of the server, once it has said hello
    _started: "subprocess.Popen[bytes] | None" = None
    _changed: trio.Event = attrs.field(factory=trio.Event)
    _live: dict[str, Conversation] = attrs.field(factory=dict)

    async def run(self) -> None:
        """Serve until cancelled."""
        self.logins.secret = await trio.to_thread.run_sync(prepare, self.places)
        sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_SEQPACKET)
        with sock:
            await sock.bind(str(self.places.socket))
            sock.listen(64)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._supervise)
                nursery.start_soon(self._look)
                while True:
                    client, _ = await sock.accept()
                    nursery.start_soon(self._talk, client)

    async def _talk(self, sock: Any) -> None:  # noqa: ANN401 - Trio has no public name for it
        with sock:
            raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            if _CREDENTIALS.unpack(raw)[1] not in (0, os.geteuid()):
                return
            first = None
            try:
                with trio.move_on_after(PATIENCE):
                    first = await receive(sock)
                if isinstance(first, wire.Hello):
                    await self._hear_server(sock, first)
                elif first is not None:
                    await Conversation(self.logins, self._live, sock).hold(first)
            except (wire.Malformed, OSError) as error:
                logger.warning("a process of the SFTP server was disconnected: %s", error)
            except Exception:
                # One connection must not end the others.
                logger.exception("the conversation with a process of the SFTP server crashed")

    # The server

    @property
    def settings(self) -> dict[str, object]:
        """What the server is started with."""
        sftp = self.system.config.sftp
        settings: dict[str, object] = {
            "host": sftp.host,
            "port": sftp.port,
            "most": CONNECTIONS,
            "most_per_address": PER_ADDRESS,
            "strangers": STRANGERS,
            "strangers_per_address": STRANGERS_PER_ADDRESS,
        }
        made = json.dumps([settings, version(), sys.version], sort_keys=True)
        return {**settings, "identity": hashlib.sha256(made.encode()).hexdigest()[:16]}

    async def _hear_server(self, sock: Any, hello: wire.Hello) -> None:  # noqa: ANN401 - as above
        if hello.settings != self.settings["identity"]:
            logger.info("the SFTP server has other settings: another one takes over")
            await sock.send(wire.to_bytes(wire.Leave()))
            return
        logger.info("SFTP is served on %s", ", ".join(hello.addresses))
        self.system.sftp_addresses = hello.addresses
        self._server = sock
        self._notify()
        try:
            await receive(sock)  # it says nothing more: this is its end
        finally:
            if self._server is sock:
                self._server = None
                self.system.sftp_addresses = ()
                self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _supervise(self) -> None:
        failures = 0
        while True:
            if self._server is not None:
                failures = 0
                await self._changed.wait()
                continue
            if await trio.to_thread.run_sync(is_locked, self.places):
                with trio.move_on_after(LOOK):  # it says hello, or leaves
                    await self._changed.wait()
                continue
            failures += 1
            reason = await self._start()
            if reason is not None:
                logger.warning("the SFTP server ended: %s", reason)
                await trio.sleep(BACKOFF.delay(failures))

    async def _start(self) -> str | None:
        """Start a server; return when it has said hello, or why it has not."""
        command = [
            sys.executable,
            "-P",  # its working directory has no modules
            "-m",
            "lightd.sftp.server",
            str(self.places.root),
            json.dumps(self.settings),
        ]
        started = await trio.to_thread.run_sync(partial(spawn, command, self.places))
        deadline = trio.current_time() + HELLO
        while self._server is None:
            if started.poll() is not None:
                said = await trio.to_thread.run_sync(self.places.trouble.read_text)
                return said.strip()[-500:] or f"exit code {started.returncode}"
            if trio.current_time() > deadline:
                started.kill()
                return f"it did not begin within {HELLO:g} seconds"
            with trio.move_on_after(0.05):
                await self._changed.wait()
        self._started = started
        return None

    async def _look(self) -> None:
        while True:
            await trio.sleep(LOOK)
            if self._started is not None and self._started.poll() is not None:
                self._started = None  # collected
            for conversation in list(self._live.values()):
                if conversation.look() and self._server is not None:
                    # It may have ended; it is started again then.
                    with suppress(OSError), trio.move_on_after(LOOK):
                        await self._server.send(wire.to_bytes(wire.Kill(conversation.pid)))
