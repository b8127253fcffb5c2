"""The server: our own accept loop around Hypercorn's HTTP/1.1 and WebSocket protocols.

Hypercorn's own serve() is not used: there an exception in any connection ends the server
(pgjones/hypercorn#225, #329), HTTP/2 is always on, nothing limits a client, and a client can delay its
shutdown for ever. `protocol`, `websocket` and `connection` say what is changed in its protocols and why.
The private names that this uses, and the versions that were checked, are in `overrides`.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import logging
import math
import socket as sockets
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import attrs
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from quart_trio import QuartTrio

from lightd.access.addresses import to_key
from lightd.http.transport import quart_adapter, refusal
from lightd.http.transport.connection import ABORT, Connection
from lightd.http.transport.overrides import check_versions
from lightd.http.transport.settings import Settings

check_versions()

logger = logging.getLogger("lightd.http")

ACCEPTED_AT_ONCE = 64
UNAVAILABLE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""For example a machine without IPv6: then `localhost` is only 127.0.0.1."""
EVERY_ADDRESS = "::"
"""Of both families. Each has a socket of its own: on a shared one, IPv4 clients would look like IPv6 ones."""
KNOWN_ADDRESSES = 1000
"""The number of addresses with a valid token that are remembered; the newest."""
REFUSAL_LOG_INTERVAL = 60.0
OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@attrs.frozen
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen(eq=False)
class Server:
    """A running server, as others may see it."""

    addresses: tuple[Address, ...]
    """What it is bound to; the ports are real ones, also where 0 was asked for."""

    encrypted: bool
    _clients: Clients

    @property
    def connections(self) -> int:
        return len(self._clients.connections)

    @property
    def failures(self) -> int:
        """The number of connections that were ended by an unexpected exception, which is a bug."""
        return self._clients.failures


@contextlib.asynccontextmanager
async def open_server(
    app: QuartTrio,
    addresses: Sequence[Address],
    *,
    settings: Settings = Settings(),  # noqa: B008  # frozen
    to_context: Callable[[], ssl.SSLContext] | None = None,
    refuses: Callable[[str], bool] = lambda _: False,
) -> AsyncIterator[Server]:
    """Serve `app` on every address until the block is left; then nothing accepts, and all connections end.

    The end takes at most `settings.grace` seconds, also when the block is cancelled: idle connections are
    closed, requests in progress are answered, WebSockets are closed with 1001, and what is left is reset.
    Quart's lifespan is not run: what the application needs is opened before. The app's classes for
    requests and its limits are set to this server's. `to_context` is asked for each new connection; what it
    returns may offer HTTP/1.1 alone. A client from an address that `refuses` is not served: its connection is
    reset.

    Raises OSError if an address cannot be bound, ValueError if the application has lifespan hooks.
    """
    if app.before_serving_funcs or app.after_serving_funcs or app.while_serving_gens:
        raise ValueError("the application has lifespan hooks, which would never run")
    quart_adapter.install(app)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.body_size, BODY_TIMEOUT=settings.body_timeout, RESPONSE_TIMEOUT=None
    )
    with contextlib.ExitStack() as stack:
        listeners = [
            stack.enter_context(contextlib.closing(each))
            for address in addresses
            for each in await _open_listeners(address, settings.backlog)
        ]
        bound = tuple(Address(*each.getsockname()[:2]) for each in listeners)
        async with trio.open_nursery() as nursery:
            clients = Clients(app, settings, to_context, nursery, refuses)
            for listener in listeners:
                nursery.start_soon(clients.accept, listener)
            nursery.start_soon(clients.sweep)
            try:
                yield Server(bound, to_context is not None, clients)
            finally:
                for listener in listeners:
                    trio.lowlevel.notify_closing(listener)
                    listener.close()
                await clients.leave()
                nursery.cancel_scope.cancel()


async def _open_listeners(address: Address, backlog: int) -> list[sockets.socket]:
    found: list[tuple[int, tuple[object, ...]]]
    if address.host == EVERY_ADDRESS:
        found = [(sockets.AF_INET6, ("::", address.port)), (sockets.AF_INET, ("0.0.0.0", address.port))]  # noqa: S104 - as configured
    else:
        resolved = await trio.socket.getaddrinfo(
            address.host or None, address.port, type=sockets.SOCK_STREAM, flags=sockets.AI_PASSIVE
        )
        found = [(family, where) for family, _, _, _, where in resolved]
    listeners: list[sockets.socket] = []
    failure: OSError | None = None
    with contextlib.ExitStack() as stack:
        for family, where in found:
            if address.host == EVERY_ADDRESS and address.port == 0 and listeners:
                where = ("0.0.0.0", listeners[0].getsockname()[1])  # noqa: S104, PLW2901 - the same port for both
            try:
                listener = stack.enter_context(sockets.socket(family, sockets.SOCK_STREAM))
                _listen(listener, where, backlog)
            except OSError as error:
                failure = OSError(error.errno, f"cannot listen on {address}: {error.strerror}")
                if error.errno not in UNAVAILABLE:
                    raise failure from error
            else:
                listeners.append(listener)
        if failure is not None and not listeners:
            raise failure
        stack.pop_all()
    return listeners


def _listen(listener: sockets.socket, where: tuple[object, ...], backlog: int) -> None:
    listener.settimeout(0)
    listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
    if listener.family == sockets.AF_INET6:
        listener.setsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, 1)
    listener.bind(where)
    listener.listen(backlog)


class Clients:
    """All connections of one server."""

    def __init__(
        self,
        app: QuartTrio,
        settings: Settings,
        to_context: Callable[[], ssl.SSLContext] | None,
        nursery: trio.Nursery,
        refuses: Callable[[str], bool],
    ) -> None:
        self.connections: set[Connection] = set()
        self.failures = 0
        self._app = ASGIWrapper(app)
        self._config = _to_config(settings)
        self._context = WorkerContext(None)
        self._nursery = nursery
        self._per_address: collections.Counter[str] = collections.Counter()
        self._none_left = trio.Event()
        self._settings = settings
        self._to_context = to_context
        self._refuses = refuses
        self._refusal_logged = -math.inf
        self._dropped: set[Connection] = set()
        self._unproven: OrderedDict[Connection, None] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()

    async def accept(self, listener: sockets.socket) -> None:
        """Accept connections until the listener is closed."""
        while listener.fileno() != -1:
            try:
                await trio.lowlevel.wait_readable(listener)
                for _ in range(ACCEPTED_AT_ONCE):
                    self._admit(*listener.accept())
            except BlockingIOError:
                continue
            except trio.ClosedResourceError:
                return
            except OSError as error:
                if error.errno in OUT_OF_RESOURCES:
                    logger.warning("cannot accept a connection: %s", error)
                    await trio.sleep(0.1)

    def _admit(self, socket: sockets.socket, where: tuple[str, int]) -> None:
        if self._refuses(where[0]):
            self._reset(socket, where[0])
            return
        key = to_key(where[0])
        if self._is_greedy(where[0], key):
            self._turn_away(socket, refusal.GREEDY)
        elif self._has_room(where[0], key):
            connection = self._connect(socket)
            self.connections.add(connection)
            if not self._is_trusted(where[0], key):
                self._unproven[connection] = None
            connection.on_proven = partial(self._prove, connection, key)
            self._per_address[key] += 1
            self._nursery.start_soon(self._serve, connection, key)
        else:
            self._turn_away(socket, refusal.FULL)

    def _has_room(self, host: str, key: str) -> bool:
        """Whether there is room for one more, if need be in place of the oldest that never showed a token.

        The last `reserved_connections` are for those whose address has shown one, and for this machine.
        """
        reserved = 0 if self._is_trusted(host, key) else self._settings.reserved_connections
        most = self._settings.max_connections - reserved
        if len(self.connections) - len(self._dropped) < most:
            return True
        oldest = next(iter(self._unproven), None)
        if oldest is None:
            return False
        del self._unproven[oldest]
        self._dropped.add(oldest)
        oldest.abort()
        return True

    def _is_trusted(self, host: str, key: str) -> bool:
        return key in self._known or host in self._settings.exempt_addresses

    def _prove(self, connection: Connection, key: str) -> None:
        self._unproven.pop(connection, None)
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > KNOWN_ADDRESSES:
            self._known.popitem(last=False)

    def _reset(self, socket: sockets.socket, host: str) -> None:
        with socket, contextlib.suppress(OSError):
            socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, ABORT)
        if trio.current_time() >= self._refusal_logged + REFUSAL_LOG_INTERVAL:
            self._refusal_logged = trio.current_time()
            logger.warning("rejected a connection from %s, which is the address of a container", host)

    def _is_greedy(self, host: str, key: str) -> bool:
        return (
            self._per_address[key] >= self._settings.max_connections_per_address
            and host not in self._settings.exempt_addresses
        )

    def _turn_away(self, socket: sockets.socket, answer: refusal.Refusal) -> None:
        socket.settimeout(0)
        with socket, contextlib.suppress(OSError):
            if self._to_context is None:
                socket.send(answer.to_bytes())
            socket.shutdown(sockets.SHUT_WR)

    def _connect(self, socket: sockets.socket) -> Connection:
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket))
        with contextlib.suppress(OSError):
            # Also for a window that stays shut: tcp(7), TCP_USER_TIMEOUT.
            stall = math.ceil(self._settings.write_stall * 1000)
            socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT, stall)
        if self._to_context is not None:
            stream = trio.SSLStream(stream, self._to_context(), server_side=True, https_compatible=True)
        return Connection(self._app, self._config, self._context, self._settings, socket, stream)

    async def _serve(self, connection: Connection, key: str) -> None:
        try:
            await connection.run()
        except Exception:  # one client's connection, whatever it is, never ends the server
            self.failures += 1
            logger.exception("a connection failed")
        finally:
            self.connections.discard(connection)
            self._unproven.pop(connection, None)
            self._dropped.discard(connection)
            self._per_address[key] -= 1
            if not self._per_address[key]:
                del self._per_address[key]
            if not self.connections:
                self._none_left.set()

    async def sweep(self) -> None:
        while True:
            await trio.sleep(self._settings.sweep_every)
            for connection in tuple(self.connections):
                connection.end_if_left()

    async def leave(self) -> None:
        """End all connections, at the latest after the grace period."""
        await self._context.terminated.set()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._settings.grace):
            for connection in tuple(self.connections):
                connection.drain()
            while self.connections:
                self._none_left = trio.Event()
                await self._none_left.wait()
        for connection in tuple(self.connections):
            connection.abort()
            connection.life.cancel()


class CachedHeaders(Config):
    """Hypercorn's configuration, whose response headers (with the date) are renewed once a second."""

    _headers: tuple[int, list[tuple[bytes, bytes]]] = (0, [])

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        second, headers = self._headers
        now = int(time.time())
        if now != second:
            headers = super().response_headers(protocol)
            self._headers = now, headers
        return headers


def _to_config(settings: Settings) -> Config:
    config = CachedHeaders()
    config.accesslog = None  # it would log tokens from queries
    config.errorlog = logger
    config.include_server_header = False
    config.alpn_protocols = ["http/1.1"]
    config.h11_max_incomplete_size = settings.head_size
    config.keep_alive_max_requests = 10**6
    return config
