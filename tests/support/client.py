"""A client that sends what it is told to, valid or not."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import AsyncIterator, Callable

import attrs
import h11
import trio

from lightd.http.transport import server as http_server

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def request(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"host: {headers.pop('host', 'localhost')}"]
    if body:
        lines.append(f"content-length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin1") + body


def upgrade(path: str, **headers: str) -> bytes:
    return request(
        path,
        **{
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec_websocket_version": "13",
            "sec_websocket_key": KEY.decode(),
            **headers,
        },
    )


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = True, reserved: int = 0
) -> bytes:
    head = bytes([final << 7 | reserved << 4 | opcode])
    length, bit = len(payload), masked << 7
    if length < 126:
        head += bytes([bit | length])
    elif length < 65536:
        head += struct.pack("!BH", bit | 126, length)
    else:
        head += struct.pack("!BQ", bit | 127, length)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    pad = mask * (length // 4 + 1)
    return head + mask + bytes(a ^ b for a, b in zip(payload, pad, strict=False))


class Client:
    def __init__(self, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def try_to_send(self, data: bytes) -> None:
        """The server may have had enough already."""
        with contextlib.suppress(trio.BrokenResourceError):
            await self.stream.send_all(data)

    async def receive(self) -> bytes:
        """What comes next, or nothing at the end, however it ended."""
        try:
            return bytes(await self.stream.receive_some(65536))
        except trio.BrokenResourceError:
            return b""

    async def read_to_end(self) -> bytes:
        data, self.buffer = self.buffer, b""
        while more := await self.receive():
            data += more
        return data

    async def read_answer(self, method: str = "GET") -> Answer:
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "localhost")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(self.buffer) if self.buffer else None
        status, headers, body = 0, {}, b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await self.receive())
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.buffer = parser.trailing_data[0]
                return Answer(status, headers, body)
            elif not isinstance(event, h11.InformationalResponse) and event is not h11.PAUSED:
                raise EOFError(f"no answer but {event!r}")

    async def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        await self.send(request(path, method, body, **headers))
        return await self.read_answer(method)

    async def read_until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            more = await self.receive()
            if not more:
                raise EOFError(self.buffer)
            self.buffer += more
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    async def open_websocket(self, path: str, **headers: str) -> bytes:
        """The server has accepted; its answer's head."""
        await self.send(upgrade(path, **headers))
        head = await self.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return head

    async def _exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            more = await self.receive()
            if not more:
                raise EOFError(self.buffer)
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    async def read_frame(self) -> tuple[int, bytes]:
        head = await self._exactly(2)
        length = head[1]
        if length == 126:
            (length,) = struct.unpack("!H", await self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._exactly(8))
        return head[0] & 15, await self._exactly(length)

    async def read_close(self) -> int:
        """The code of the server's close; whatever came before it is dropped."""
        while True:
            opcode, payload = await self.read_frame()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")

    async def exchange(self, text: bytes) -> bytes:
        await self.send(frame(TEXT, text))
        while True:
            opcode, payload = await self.read_frame()
            if opcode == TEXT:
                return payload
            if opcode == PING:
                await self.send(frame(PONG, payload))


@contextlib.asynccontextmanager
async def connect(server: http_server.Server) -> AsyncIterator[Client]:
    address = server.addresses[0]
    stream = await trio.open_tcp_stream(address.host, address.port)
    async with stream:
        yield Client(stream)


async def ended(client: Client) -> bool:
    return await client.receive() == b""


def is_refusal(answer: Answer, status: int, code: str | None = None) -> bool:
    """An answer of the server itself, in the shape that every error has."""
    said = json.loads(answer.body)
    return (
        answer.status == status
        and set(said) == {"error", "code"}
        and code in (None, said["code"])
        and bool(answer.headers["x-request-id"])
        and answer.headers["connection"] == "close"
    )


async def wait_until(condition: Callable[[], bool]) -> None:
    """Real sockets tell nobody when the other side is done with them."""
    while not condition():
        await trio.sleep(0.01)
