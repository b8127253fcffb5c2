"""Short calls to the Docker Engine: HTTP/1.1 over connections that are kept, and one table for its errors.

The client is made without the engine, and works as soon as there is one. The API version is agreed on at
the first call and again after every ``EngineUnavailable``: an engine may come back as another release.

1. A call takes a connection that is kept, or opens one; with ``CONNECTIONS`` in use it waits for one.
2. A connection that the engine has closed is discarded before anything is written to it.
3. A connection is kept only after its response was read to the end. A call that fails or is cancelled closes
   its connection, which is how the engine learns of it.
"""

import json
import select
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlencode

import attrs
import h11
import trio

from actors.container.engine import EngineUnavailable
from lightd.engines.docker import streams
from lightd.engines.docker.translate import Refused, to_version

CONNECTIONS: Final = 32
"""Calls at once; later ones wait for at most ``TURN`` seconds. Streams have connections of their own."""
TURN: Final = 10.0
DEADLINE = 60.0
"""Seconds that one call may take."""
LEAVING: Final = 3.0
IN_A_THREAD: Final = 64 * 1024
"""Bytes of JSON from which on it is parsed in a thread: 64 KiB take half a millisecond."""

SERVICE_UNAVAILABLE: Final = 503
NO_ENGINE: Final = "what answers is no engine"


@attrs.define(eq=False)
class _Connection:
    """One connection to the engine, which is asked one thing after the other."""

    _socket: trio.SocketStream
    _http: h11.Connection = attrs.field(factory=lambda: h11.Connection(h11.CLIENT))

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent: the last one is over, and the engine has not closed it."""
        if self._http.our_state is not h11.IDLE or self._http.their_state is not h11.IDLE:
            return False
        poll = select.poll()
        poll.register(self._socket.socket.fileno(), select.POLLIN)
        return not poll.poll(0)

    async def ask(self, method: str, target: str, data: bytes) -> tuple[h11.Response, bytes]:
        """Return the response with its body; raises ``EngineUnavailable`` when the connection is cut."""
        headers = [
            ("Host", "docker"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(data))),
        ]
        http = self._http
        head = http.send(h11.Request(method=method, target=target, headers=headers)) or b""
        body = (http.send(h11.Data(data)) or b"") if data else b""
        http.send(h11.EndOfMessage())
        try:
            await self._socket.send_all(head + body)
        except trio.BrokenResourceError:
            raise EngineUnavailable(streams.CUT) from None
        while isinstance(response := await streams.next_event(self._socket, http), h11.InformationalResponse):
            pass
        if not isinstance(response, h11.Response):
            raise EngineUnavailable(streams.CUT)
        read = await streams.Body(self._socket, http).read()
        if http.their_state is h11.DONE:
            http.start_next_cycle()
        return response, read

    def close(self) -> None:
        self._socket.socket.close()


@attrs.define(eq=False)
class Calls:
    """Asks the engine; made by ``open_calls``."""

    _socket_path: str
    _version: str | None = None
    _agreeing: trio.Lock = attrs.field(factory=trio.Lock)
    _free: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(CONNECTIONS))
    _kept: list[_Connection] = attrs.field(factory=list)
    _running: set[trio.CancelScope] = attrs.field(factory=set)
    _leaving: bool = False

    async def get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        """What the engine has at ``path``. Raises ``EngineUnavailable`` or ``Refused``, like ``change``."""
        return await self._ask("GET", await self._to_target(path, params))

    async def post(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
        """Have the engine do something that may be given up on; it may happen all the same."""
        return await self._ask("POST", await self._to_target(path, params))

    async def change(
        self, method: str, path: str, data: Mapping[str, Any] | None = None, **params: str
    ) -> Any:  # noqa: ANN401 - JSON
        """Have the engine do something; once asked for, it is waited for, by a cancelled caller too.

        A cancelled create leaves a container behind, and a start a process: who gives up on one must know
        that it has ended.
        """
        return await self._ask(method, await self._to_target(path, params), data, to_its_end=True)

    def leave(self) -> None:
        """Wait for no answer longer than ``LEAVING`` seconds from now on."""
        self._leaving = True
        for scope in self._running:
            scope.deadline = min(scope.deadline, trio.current_time() + LEAVING)

    async def version(self) -> str:
        """The agreed API version, as a path begins with it: ``v1.41``."""
        async with self._agreeing:
            if self._version is None:
                self._version = to_version(await self._ask("GET", "/version"))
            return self._version

    async def _to_target(self, path: str, params: Mapping[str, str]) -> str:
        target = f"/{await self.version()}/{path}"
        return f"{target}?{urlencode(params)}" if params else target

    async def _ask(
        self, method: str, target: str, data: Mapping[str, Any] | None = None, *, to_its_end: bool = False
    ) -> Any:  # noqa: ANN401 - JSON
        body = b"" if data is None else json.dumps(data).encode()
        try:
            with trio.fail_after(TURN):
                await self._free.acquire()
            try:
                response, found = await self._exchange(method, target, body, to_its_end=to_its_end)
            finally:
                self._free.release()
            return await _to_value(response, found)
        except trio.TooSlowError:
            reason = "it took too long"
        except EngineUnavailable as error:
            reason = str(error)
        except OSError as error:
            reason = f"it can't be reached: {error.strerror}"
        except (ValueError, TypeError, KeyError):
            reason = NO_ENGINE
        self._version = None
        raise EngineUnavailable(f"The engine does not answer: {reason}")

    async def _exchange(
        self, method: str, target: str, body: bytes, *, to_its_end: bool
    ) -> tuple[h11.Response, bytes]:
        await trio.lowlevel.checkpoint_if_cancelled()
        seconds = LEAVING if self._leaving else DEADLINE
        with trio.fail_after(seconds) as scope:
            scope.shield = to_its_end
            self._running.add(scope)
            try:
                connection = await self._connect()
                try:
                    return await connection.ask(method, target, body)
                finally:
                    if connection.reusable:
                        self._kept.append(connection)
                    else:
                        connection.close()
            finally:
                self._running.discard(scope)

    async def _connect(self) -> _Connection:
        while self._kept:
            connection = self._kept.pop()
            if connection.reusable:
                return connection
            connection.close()
        return _Connection(await trio.open_unix_socket(self._socket_path))

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._kept:
            self._kept.pop().close()


async def _to_value(response: h11.Response, body: bytes) -> Any:  # noqa: ANN401 - JSON
    """What the engine answered: JSON, or "" where it has nothing to say. Raises ``Refused``."""
    kind = dict(response.headers).get(b"content-type", b"")
    if response.status_code >= 400:  # noqa: PLR2004 - HTTP's errors
        message = json.loads(body)["message"] if kind == b"application/json" else body.decode()
        if response.status_code == SERVICE_UNAVAILABLE:
            raise EngineUnavailable(message)
        raise Refused(response.status_code, message)
    if not body:
        return ""
    if kind.partition(b";")[0] != b"application/json":
        raise TypeError(NO_ENGINE)
    if len(body) < IN_A_THREAD:
        return json.loads(body)
    return await trio.to_thread.run_sync(json.loads, body)


@asynccontextmanager
async def open_calls(socket_path: str) -> AsyncIterator[Calls]:
    """A client for the engine at the socket, which need not be there yet."""
    calls = Calls(socket_path)
    try:
        yield calls
    finally:
        calls.close()
