"""One WebSocket: Hypercorn's stream with deadlines, close codes that say why, and a direct way to the socket.

Each override is here for a reason; the number is the issue of pgjones/hypercorn where there is one.

- bytes that arrive before the handshake is answered wait for it (#225: they ended the whole server);
  bytes after the end are dropped (#177).
- pings are answered in time or the socket is closed; Hypercorn sends them and never looks.
- a message is measured before it is kept, and an oversized one closes with 1009.
- permessage-deflate is never agreed to (#307): it costs CPU and 100-200 KiB a viewer.
- an error in the frames closes with its own code, a shutdown with 1001, a crash of the handler with
  1011 (#125), each followed by a bounded wait for the client's own close.
- sending to a closed socket is a checkpoint: a relay in a loop must not freeze the daemon (#210).
"""

from __future__ import annotations

import dataclasses
import http
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import attrs
import trio
from hypercorn.protocol import events
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WebsocketBuffer, WSStream
from hypercorn.typing import ASGISendEvent, HTTPScope, WebsocketAcceptEvent, WebsocketScope
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping, Pong
from wsproto.frame_protocol import CloseReason

from lightd.http.transport import refusal

if TYPE_CHECKING:
    from lightd.http.transport.connection import Connection

SOCKET = "lightd.socket"
FRAMES_IN_A_STEP = 32
"""The number of frames that are handled in one step."""
FRAMES_AT_ONCE = 500
FRAMES_A_SECOND = 50
"""A client that sends more frames of any kind is read more slowly: each takes a moment of the event loop."""
FLOOD = 10.0
"""Seconds after which a client that still sends more is closed: its own close comes after all of them."""
CONNECTED = ASGIWebsocketState.CONNECTED
"""A copy, because it is read for every frame of every viewer and enumerations are slow."""


@attrs.frozen(eq=False)
class Socket:
    """Direct writes to a WebSocket: complete frames, encoded once for many clients, go to the kernel.

    A handler finds its own with `to_socket(websocket.scope)`. Only unmasked, uncompressed, complete
    frames may be written. Order is kept among all writers, `websocket.send` included.
    """

    _wire: Connection
    _stream: WebSocketStream
    write_nowait: Callable[[bytes], bool]
    """True: all of it was taken and will arrive in order. False: none of it was; use `write`.

    Never waits. It is False when another writer is at work, when the client's window is full,
    under TLS, and when the socket is not open. Called for every viewer of every line, and so one plain
    function that looks at as little as will do.
    """

    @property
    def open(self) -> bool:
        """The handshake is done, and neither side has begun to close."""
        return self._stream.is_open

    async def write(self, framed: bytes) -> None:
        """Return when the kernel has all of it, or the socket is closed; always a checkpoint.

        A client that takes nothing for `Settings.write_stall` seconds is aborted, which cancels the handler.
        """
        if self._stream.is_open:
            await self._wire.write(framed)
        await trio.lowlevel.checkpoint()


def to_socket(scope: HTTPScope | WebsocketScope) -> Socket:
    """Return the direct socket of a WebSocket handler: `to_socket(websocket.scope)`."""
    return cast(Socket, scope["state"][SOCKET])


class MessageBuffer(WebsocketBuffer):
    """The fragments of one message, never more than `max_length` bytes."""

    size = 0

    def takes(self, event: Message[Any]) -> bool:
        """Whether the fragment still fits; a text counts by its UTF-8 bytes."""
        data = event.data
        size = len(data) if not isinstance(data, str) or data.isascii() else len(data.encode())
        self.size += size
        return self.size <= self.max_length

    def clear(self) -> None:
        super().clear()
        self.size = 0


class WebSocketStream(WSStream):
    def __init__(self, wire: Connection, *args: Any) -> None:  # noqa: ANN401  # Hypercorn's own, untouched
        super().__init__(*args)
        self.buffer = MessageBuffer(wire.settings.message_size)
        self.socket = Socket(wire, self, wire.to_writer(self))
        self._wire = wire
        self._answered = trio.Event()
        self._unanswered_pings = 0
        self._deadline = math.inf
        self._frames = 0
        self._frames_left = float(FRAMES_AT_ONCE)
        self._counted_at = trio.current_time()
        self._flood_ends = math.inf

    @property
    def is_open(self) -> bool:
        return self.state is CONNECTED and not self.closed and self._answered.is_set()

    # Time

    def deadline(self) -> float:
        return self._deadline

    async def overdue(self) -> None:
        """Ping, give up on a client that does not answer, or stop waiting for its close."""
        settings = self._wire.settings
        if not self.is_open:
            await self.send(events.StreamClosed(self.stream_id))
        elif self._unanswered_pings >= settings.pings_missed:
            await self.leave(CloseReason.INTERNAL_ERROR, "no answer to pings")
        else:
            self._unanswered_pings += 1
            self._deadline = trio.current_time() + settings.ping_every
            await self._send_wsproto_event(Ping())

    def _rearm(self, seconds: float) -> None:
        self._deadline = trio.current_time() + seconds
        self._wire.rearm()

    async def leave(self, code: int, reason: str = "") -> None:
        """Close with `code` and wait `linger` seconds for the client's close; the handler is cancelled."""
        if self.is_open:
            self.state = ASGIWebsocketState.CLOSED
            self._rearm(self._wire.settings.linger)
            await self._send_wsproto_event(CloseConnection(code=code, reason=reason))
        if self.app_put is not None:
            await self.app_put({"type": "websocket.disconnect", "code": code})

    # From the client

    async def handle(self, event: events.Event) -> None:
        if isinstance(event, events.Request):
            offers = [each for each in event.headers if each[0] != b"sec-websocket-extensions"]
            await super().handle(dataclasses.replace(event, headers=offers))
        elif isinstance(event, events.Body | events.Data):
            await self._answered.wait()
            if not self.closed and self.handshake.accepted and self._listens():
                self.connection.receive_data(event.data)
                await self._handle_events()
        else:
            if isinstance(event, events.StreamClosed):
                self._answered.set()
            await super().handle(event)

    def _listens(self) -> bool:
        return self.connection.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING)

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            self._frames += 1
            if self._frames == FRAMES_IN_A_STEP and not await self._pace():
                return  # one read may hold ten thousand of them
            if isinstance(event, CloseConnection):
                await self._handle_close(event)
                return
            if not self.is_open:
                continue
            if isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, Pong):
                self._unanswered_pings = 0
            elif isinstance(event, Message) and not cast(MessageBuffer, self.buffer).takes(event):
                self.buffer.clear()
                await self.leave(CloseReason.MESSAGE_TOO_BIG)
            elif isinstance(event, Message):
                self.buffer.extend(event)
                if event.message_finished and self.app_put is not None:
                    message = self.buffer.to_message()
                    self.buffer.clear()
                    await self.app_put(message)

    async def _pace(self) -> bool:
        """Wait if the client has sent more than ``FRAMES_A_SECOND`` for a while; always a checkpoint.

        Return whether it can go on; otherwise the WebSocket was closed.
        """
        now = trio.current_time()
        earned = (now - self._counted_at) * FRAMES_A_SECOND
        self._frames_left = min(self._frames_left + earned, FRAMES_AT_ONCE) - self._frames
        self._counted_at, self._frames = now, 0
        if self._frames_left >= 0:
            self._flood_ends = now + FLOOD
        elif now >= self._flood_ends:
            await self.leave(CloseReason.POLICY_VIOLATION, "too many frames")
            return False
        await trio.sleep(max(-self._frames_left, 0) / FRAMES_A_SECOND)
        return True

    async def _handle_close(self, event: CloseConnection) -> None:
        if self.connection.state is ConnectionState.OPEN:
            # Not the client's close: the frames could not be parsed, and this is the code that says so.
            await self.leave(event.code, event.reason or "")
            return
        if self.connection.state is ConnectionState.REMOTE_CLOSING:
            self.state = ASGIWebsocketState.CLOSED
            await self._send_wsproto_event(event.response())
        await self.send(events.StreamClosed(self.stream_id))

    # To the client

    async def app_send(self, message: ASGISendEvent | None) -> None:
        ended = self.state in (ASGIWebsocketState.CLOSED, ASGIWebsocketState.HTTPCLOSED)
        if message is None:
            self._answered.set()
        if self.closed or (ended and message is not None):
            await trio.lowlevel.checkpoint()
        elif message is None and self.state is ASGIWebsocketState.CONNECTED:
            await self.leave(CloseReason.INTERNAL_ERROR)
        elif message is not None or self.state is not ASGIWebsocketState.CLOSED:
            await super().app_send(message)
        if self.state is not ASGIWebsocketState.HANDSHAKE:
            self._answered.set()
        kind = message and message["type"]
        if kind == "websocket.accept":
            self._wire.let_direct()
            self._rearm(self._wire.settings.ping_every)
        elif kind == "websocket.close":
            self._rearm(self._wire.settings.linger)
        elif kind == "websocket.send":
            await trio.lowlevel.checkpoint()

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        try:
            await super()._accept(message)
        finally:
            if not self.handshake.accepted:
                self.state = ASGIWebsocketState.HANDSHAKE

    async def _send_error_response(self, status_code: int) -> None:
        bad = status_code == http.HTTPStatus.BAD_REQUEST
        answer = refusal.HANDSHAKE if bad else refusal.to_refusal(status_code)
        headers = answer.to_headers(refusal.to_request_id(self.scope["headers"]))
        await self.send(events.Response(self.stream_id, headers, answer.status))
        await self.send(events.Body(self.stream_id, answer.body))
        await self.send(events.EndBody(self.stream_id))
        self.state = ASGIWebsocketState.HTTPCLOSED
        await self.send(events.StreamClosed(self.stream_id))
