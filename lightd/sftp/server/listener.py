"""Listens, and makes a process for each connection.

One thread, no event loop: what is imported and read once (asyncssh, the host keys) is shared by all
connections, which are forked from here. It is connected with the daemon, and connects again when the daemon
was restarted; for its connections, too, which cannot do that themselves. Without a daemon it refuses new
connections, and after ``ALONE`` seconds it stops listening.
"""

import array
import errno
import json
import logging
import os
import selectors
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, Final

import attrs

from lightd.access.addresses import to_key
from lightd.sftp import wire
from lightd.sftp.places import Places
from lightd.sftp.server.words import ENTERED, LOST

logger = logging.getLogger(__name__)

ALONE: Final = 60.0
RETRY: Final = 0.2
BACKLOG: Final = 128


@attrs.frozen
class Settings:
    """Where to listen, and how many connections to serve: in all, and from one address.

    ``strangers`` are those whose clients have not logged in, at most so many in all.
    """

    host: str
    port: int
    most: int
    most_per_address: int
    strangers: int
    strangers_per_address: int
    identity: str
    """Tells servers with other settings, or of another version, apart."""


@attrs.define(eq=False)
class Child:
    """The process of one connection. ``waits`` while it needs a connection with the daemon.

    ``entered`` once its client has logged in.
    """

    address: str
    control: socket.socket
    waits: bool = False
    entered: bool = False


@attrs.define(eq=False)
class Listener:
    """See the module. ``serve`` runs in the process of a connection."""

    settings: Settings
    places: Places
    serve: Callable[[socket.socket, socket.socket, socket.socket, str], None]
    sockets: Sequence[socket.socket] = ()
    lock: int = -1
    """A descriptor of the locked file; closed when no more connections are accepted."""
    _selector: selectors.BaseSelector = attrs.field(factory=selectors.DefaultSelector)
    _children: dict[int, Child] = attrs.field(factory=dict)
    _daemon: socket.socket | None = None
    _lost_at: float = attrs.field(factory=time.monotonic)
    _retry_at: float = 0.0
    _leaving: bool = False

    def run(self) -> None:
        """Listen until the daemon says that another server takes over, or is gone for good."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)  # noqa: FBT003 - the standard library's own
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._leave())
        self._selector.register(wake, selectors.EVENT_READ, lambda: wake.recv(4096))
        for sock in self.sockets:
            self._selector.register(sock, selectors.EVENT_READ, lambda sock=sock: self._accept(sock))
        while not self._leaving or self._children:
            self._reconnect()
            waits = self._daemon is None or any(child.waits for child in self._children.values())
            for key, _ in self._selector.select(RETRY if waits else None):
                key.data()
            self._reap()

    # The daemon

    def _reconnect(self) -> None:
        now = time.monotonic()
        if now < self._retry_at:
            return
        if self._daemon is None and not self._leaving:
            self._retry_at = now + RETRY
            self._daemon = connect(self.places)
            if self._daemon is None:
                if now - self._lost_at > ALONE:
                    self._leave()
                return
            addresses = tuple(_to_text(sock.getsockname()) for sock in self.sockets)
            try:
                self._daemon.send(wire.to_bytes(wire.Hello(self.settings.identity, os.getpid(), addresses)))
            except OSError:  # it ended just now
                self._daemon.close()
                self._daemon = None
                return
            self._selector.register(self._daemon, selectors.EVENT_READ, self._hear)
        for child in self._children.values():
            if child.waits:
                self._retry_at = now + RETRY
                link = connect(self.places)
                if link is None:
                    return
                with link, suppress(OSError):
                    descriptors = array.array("i", [link.fileno()])
                    child.control.sendmsg([b"!"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
                child.waits = False

    def _hear(self) -> None:
        daemon = self._daemon
        if daemon is None:
            return
        try:
            data = daemon.recv(wire.LONGEST)
        except OSError:
            data = b""
        message = wire.from_bytes(data) if data else None
        if isinstance(message, wire.Leave):
            self._leave()
        elif isinstance(message, wire.Kill) and message.pid in self._children:
            os.kill(message.pid, signal.SIGKILL)
        elif message is None:
            self._selector.unregister(daemon)
            daemon.close()
            self._daemon, self._lost_at = None, time.monotonic()

    def _leave(self) -> None:
        if self._leaving:
            return
        self._leaving = True
        for sock in self.sockets:
            self._selector.unregister(sock)
            sock.close()
        if self.lock >= 0:
            os.close(self.lock)

    # The clients

    def _accept(self, listening: socket.socket) -> None:
        try:
            client, address = listening.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                time.sleep(RETRY)
            return
        with client:
            link = None
            if self._admits(to_key(address[0])):
                link = connect(self.places)
            if link is not None:
                with link:
                    self._fork(client, link, address[0])

    def _admits(self, address: str) -> bool:
        """Whether there is room for a connection from ``address``; the oldest stranger gives way to it."""
        settings = self.settings
        inside = Counter(child.address for child in self._children.values() if child.entered)
        if inside.total() >= settings.most or inside[address] >= settings.most_per_address:
            return False
        strangers = {pid: child for pid, child in self._children.items() if not child.entered}
        if sum(child.address == address for child in strangers.values()) >= settings.strangers_per_address:
            return False
        if len(strangers) >= settings.strangers:
            os.kill(next(iter(strangers)), signal.SIGKILL)
        return True

    def _fork(self, client: socket.socket, link: socket.socket, address: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                return
            if pid == 0:
                self._become(client, link, theirs, address)
        ours.setblocking(False)  # noqa: FBT003 - the standard library's own
        child = self._children[pid] = Child(to_key(address), ours)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._asked(child))

    def _become(
        self, client: socket.socket, link: socket.socket, control: socket.socket, address: str
    ) -> None:
        """Be the process of this connection, from here to its end."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            kept = {0, 1, 2, client.fileno(), link.fileno(), control.fileno()}
            for opened in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
                if opened not in kept:
                    with suppress(OSError):
                        os.close(opened)
            self.serve(client, link, control, address)
            status = 0
        except BaseException:
            logger.exception("a connection failed")
        finally:
            os._exit(status)

    def _asked(self, child: Child) -> None:
        """A connection has entered its volume, needs another one with the daemon, or has ended."""
        try:
            said = child.control.recv(16)
        except OSError:
            said = b""
        child.entered |= said == ENTERED
        child.waits |= said == LOST
        if not said:
            child.waits = False
            self._selector.unregister(child.control)
            child.control.close()

    def _reap(self) -> None:
        while self._children:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None and child.control.fileno() >= 0:
                self._selector.unregister(child.control)
                child.control.close()


def connect(places: Places) -> socket.socket | None:
    """Return a connection with the daemon, None if there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.connect(str(places.socket))
    except OSError:
        sock.close()
        return None
    return sock


def listen(settings: Settings) -> list[socket.socket]:
    """Return listening sockets; ``::`` is both families. Raises ``OSError``."""
    if settings.host == "::":
        return [
            socket.create_server(
                ("::", settings.port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
            )
        ]
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return [socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)]


def _to_text(address: Any) -> str:  # noqa: ANN401 - a socket's own
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main(arguments: Sequence[str]) -> int:
    """Run the server: ``arguments`` are the folder of its files and the settings as JSON."""
    places, settings = Places(Path(arguments[0])), Settings(**json.loads(arguments[1]))
    logging.basicConfig(level=logging.WARNING, format="lightd sftp: %(message)s")
    lock = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return 0  # another one is here
    try:
        sockets = listen(settings)
    except OSError as error:
        logger.error("cannot listen on %s port %d: %s", settings.host, settings.port, error.strerror)  # noqa: TRY400 - a sentence says it
        return 1
    os.environ["TZ"] = "UTC0"
    time.tzset()
    options, run = _load(places)

    def serve(client: socket.socket, link: socket.socket, control: socket.socket, address: str) -> None:
        run(client, link, control, str(places.empty), options, address)

    Listener(settings, places, serve, sockets, lock).run()
    return 0


def _load(places: Places) -> tuple[Mapping[str, object], Callable[..., None]]:
    """Import what a connection needs, as it sees no file system later."""
    import encodings.idna  # noqa: F401, PLC0415 - as below
    import gc  # noqa: PLC0415 - as below

    import pathspec.patterns.gitignore.spec  # noqa: F401, PLC0415 - as below
    import re2  # noqa: F401, PLC0415 - as below

    from lightd.sftp.server import keys, overrides, session  # noqa: PLC0415 - after the lock is held: they take long

    overrides.install()
    gc.collect()
    gc.freeze()
    return session.to_options(keys.load(places)), session.run
