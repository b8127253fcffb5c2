"""Streams of the Docker Engine, natively in Trio: an h11 handshake on its socket, then what follows.

``ask`` is for short answers: it asks the engine to close the connection, reads until then, and parses the
whole answer at once. That takes a third of the time of h11, which parses each piece as it arrives.

Long streams don't go through aiodocker: there, one too many in the connection pool makes every later call
wait for ever, and a cancelled one leaks its socket. Here each has a connection of its own, which is closed
when its context is left; for the engine that is the end of what it was asked for, a pull included.
"""

import json
import socket as sockets
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import attrs
import h11
import trio

from actors.container.engine import EngineUnavailable
from lightd.engines.docker.translate import Refused

HANDSHAKE_SECONDS: Final = 20.0
CHUNK: Final = 64 * 1024
CUT: Final = "The engine cut the connection off"
_CREDENTIALS: Final = struct.Struct("iII")
LINE_BOUND: Final = 1024 * 1024
"""Bytes of one JSON message; the engine's are hundreds. A longer one is no engine's answer."""


@attrs.define(eq=False)
class Body:
    """The body of an answer, piece by piece as it comes. Raises ``EngineUnavailable`` when it is cut off."""

    _socket: trio.SocketStream
    _connection: h11.Connection

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        match await _next_event(self._socket, self._connection):
            case h11.Data(data=data):
                return bytes(data)
            case _:
                raise StopAsyncIteration

    async def read(self) -> bytes:
        """The whole of a short body."""
        return b"".join([piece async for piece in self])


@attrs.define(eq=False)
class Messages:
    """The JSON messages of a body, one a line."""

    _body: Body
    _buffer: bytearray = attrs.field(factory=bytearray)

    def __aiter__(self) -> "Messages":
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401 - JSON
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LINE_BOUND:
                raise EngineUnavailable("The engine sent a message without an end")
            self._buffer += await anext(self._body)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            return json.loads(line)
        except ValueError:
            raise EngineUnavailable("The engine sent what is no JSON") from None


@attrs.frozen
class Answer:
    """A whole answer: its body, and the pid of the process that listens at the socket, 0 if unknown."""

    body: bytes
    pid: int


async def ask(path: str, method: str, target: str) -> Answer:
    """Return the answer to a request without a body, however long it takes.

    Raises ``EngineUnavailable`` or ``Refused``.
    """
    request = f"{method} {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    # Not a socket of Trio, with which each step is a pass of the event loop, even if nothing is waited for.
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_NONBLOCK) as socket:
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            socket.connect(path)
        except OSError as error:
            raise EngineUnavailable(f"The engine cannot be reached: {error.strerror}") from None
        try:
            socket.send(request.encode())  # it fits into the empty buffer
            found = await _read_to_end(socket)
        except OSError:
            raise EngineUnavailable(CUT) from None
        credentials = socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, _CREDENTIALS.size)
        pid: int = _CREDENTIALS.unpack(credentials)[0]
    status, body = to_answer(found)
    if status >= 400:  # noqa: PLR2004 - HTTP's errors
        raise Refused(status, _to_message(body))
    return Answer(body, pid)


async def _read_to_end(socket: sockets.socket) -> bytes:
    found = bytearray()
    while True:
        await trio.lowlevel.wait_readable(socket)
        with suppress(BlockingIOError):
            while piece := socket.recv(CHUNK):
                found += piece
            return bytes(found)


def to_answer(found: bytes) -> tuple[int, bytes]:
    """Return the status and the body of an answer of HTTP/1.1; raises ``EngineUnavailable``. Pure."""
    head, _, body = found.partition(b"\r\n\r\n")
    fields = [line.lower().partition(b":") for line in head.split(b"\r\n")]
    headers = {name: value.strip() for name, _, value in fields[1:]}
    try:
        version, status, *_ = head.split(b" ", 2)
        if not version.startswith(b"HTTP/1."):
            raise EngineUnavailable(CUT)
        if headers.get(b"transfer-encoding") == b"chunked":
            body = _joined(body)
        elif len(body) < int(headers.get(b"content-length", 0)):
            raise EngineUnavailable(CUT)
        return int(status), body
    except ValueError:
        raise EngineUnavailable(CUT) from None


def _joined(chunks: bytes) -> bytes:
    """Return the contents of all chunks; raises ``ValueError`` if the last one is missing."""
    pieces: list[bytes] = []
    at = 0
    while True:
        end = chunks.index(b"\r\n", at)
        size = int(chunks[at:end].partition(b";")[0], 16)
        if not size:
            return b"".join(pieces)
        pieces.append(chunks[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


def _to_message(body: bytes) -> str:
    """Return what an error says: the message in its JSON, else all of it."""
    text = body.decode(errors="replace")
    with suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["message"])
    return text


@asynccontextmanager
async def open_body(
    path: str,
    method: str,
    target: str,
    *,
    patience: float = HANDSHAKE_SECONDS,
    headers: Sequence[tuple[str, str]] = (),
) -> AsyncIterator[Body]:
    """The answer's body, which may take ``patience`` seconds to begin.

    Raises ``EngineUnavailable`` or ``Refused``.
    """
    async with _connected(path) as socket:
        given = [("Content-Length", "0"), *headers]
        connection, answer = await _asked(socket, method, target, given, patience)
        body = Body(socket, connection)
        await _check_accepted(answer, body)
        yield body


async def read_headers(path: str, target: str) -> Mapping[str, str]:
    """The headers of the answer to a ``HEAD``, their names in lower case; raises as ``open_body`` does."""
    async with _connected(path) as socket:
        connection, answer = await _asked(socket, "HEAD", target, [], HANDSHAKE_SECONDS)
        await _check_accepted(answer, Body(socket, connection))
        return {name.decode(): value.decode() for name, value in answer.headers}


@asynccontextmanager
async def open_raw(path: str, target: str) -> AsyncIterator[tuple[trio.SocketStream, bytes]]:
    """The connection itself, and what has come on it so far, after an upgrade to a raw stream.

    Raises as ``open_body`` does.
    """
    headers = [("Connection", "Upgrade"), ("Upgrade", "tcp"), ("Content-Length", "0")]
    async with _connected(path) as socket:
        connection, answer = await _asked(socket, "POST", target, headers, HANDSHAKE_SECONDS)
        if answer.status_code != 101:  # noqa: PLR2004 - switching protocols
            await _check_accepted(answer, Body(socket, connection))
            raise EngineUnavailable("The engine does not give a raw stream")
        yield socket, connection.trailing_data[0]


async def ping(path: str) -> int:
    """Have the engine answer on a new connection; return the pid of the process that listens, 0 if unknown.

    Raises as ``open_body`` does.
    """
    with trio.move_on_after(HANDSHAKE_SECONDS):
        return (await ask(path, "GET", "/_ping")).pid
    raise EngineUnavailable("The engine did not answer in time")


@asynccontextmanager
async def _connected(path: str) -> AsyncIterator[trio.SocketStream]:
    try:
        socket = await trio.open_unix_socket(path)
    except OSError as error:
        raise EngineUnavailable(f"The engine cannot be reached: {error.strerror}") from None
    try:
        yield socket
    finally:
        socket.socket.close()


async def _asked(
    socket: trio.SocketStream, method: str, target: str, headers: list[tuple[str, str]], patience: float
) -> tuple[h11.Connection, h11.Response | h11.InformationalResponse]:
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method=method, target=target, headers=[("Host", "docker"), *headers])
    data = (connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b"")
    with trio.move_on_after(patience):
        try:
            await socket.send_all(data)
        except trio.BrokenResourceError:
            raise EngineUnavailable("The engine closed the connection") from None
        match await _next_event(socket, connection):
            case h11.Response() | h11.InformationalResponse() as answer:
                return connection, answer
            case _:
                raise EngineUnavailable("The engine closed the connection")
    raise EngineUnavailable("The engine did not answer in time")


async def _check_accepted(answer: h11.Response | h11.InformationalResponse, body: Body) -> None:
    if answer.status_code >= 400:  # noqa: PLR2004 - HTTP's errors
        with trio.move_on_after(HANDSHAKE_SECONDS):
            raise Refused(answer.status_code, _to_message(await body.read()))
        raise EngineUnavailable("The engine did not answer in time")


async def _next_event(socket: trio.SocketStream, connection: h11.Connection) -> object:
    while True:
        try:
            event = connection.next_event()
            if event is not h11.NEED_DATA:
                return event
            connection.receive_data(await socket.receive_some(CHUNK))
        except (h11.RemoteProtocolError, trio.BrokenResourceError):
            raise EngineUnavailable(CUT) from None
