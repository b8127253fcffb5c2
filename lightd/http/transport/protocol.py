"""HTTP/1.1 on one connection: Hypercorn's h11 protocol, hardened for an open port.

Each override is here for a reason; the number is the issue of pgjones/hypercorn where there is one.

- no HTTP/2: neither `Upgrade: h2c` nor prior knowledge is followed (#317), and the parser that one
  unauthenticated client can crash is out of reach. An h2c upgrade is ignored, as RFC 9110, 7.8 allows.
- a request that another server might read as another one is a 400 here: a length said in two ways, lines
  that end or go on ambiguously. Otherwise a proxy in front could be used for request smuggling.
- a request that the framework cannot handle (target, Host, handshake headers that are not ASCII) is
  a 400 here, and every error of the server itself has the API's shape.
- the final ASGI message: Hypercorn tells the application of the disconnect before it is done with the
  connection; quart-trio then cancels the very task that is about to recycle it, and the connection
  stays open for ever. Here a complete response is no disconnect.
- a complete response is one call and one write, where ASGI and Hypercorn make it three messages, four
  events and two writes. For any other response the head waits for the first part of the body.
- a body may be a part of a file, which h11 counts and never sees.
- `100 Continue` is sent when the application asks for the body, so that a client does not upload a
  body that is refused.
"""

from __future__ import annotations

import http
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import h11
import trio
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol import events
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.typing import ASGISendEvent, ConnectionState, H11SendableEvent
from hypercorn.utils import UnexpectedMessageError, suppress_body

from lightd.http.transport import file_transfer, refusal, websocket
from lightd.http.transport.headers import ENCRYPTED, PLAIN
from lightd.http.transport.heads import H11Connection
from lightd.http.transport.settings import Settings

if TYPE_CHECKING:
    from lightd.http.transport.connection import Connection

HOST = re.compile(rb"([A-Za-z0-9._~-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?")
HANDSHAKE_HEADERS = (b"connection", b"upgrade", b"sec-websocket-")


COPIED = 16 * 1024
"""The size up to which a body is sent in one write with the head; a larger one is not copied."""
PROVE = "lightd.prove"
"""The key in the scope's state of a function to call when the client has shown a valid token."""
Answer = Callable[[int, refusal.Headers, bytes], Awaitable[None]]
ANSWER = "lightd.answer"
"""The key in the scope's state of the `Answer` of a request."""


@dataclass(frozen=True)
class FileBody(events.Event):
    """A part of a file, as the next piece of a response's body."""

    part: file_transfer.Part


class HttpStream(HTTPStream):
    """One request and its response."""

    _parts = 0

    def __init__(self, answer: Answer, *args: Any) -> None:  # noqa: ANN401  # Hypercorn's own, untouched
        super().__init__(*args)
        self._answer = answer

    async def answer(self, status: int, headers: refusal.Headers, body: bytes) -> None:
        """Send a complete response, instead of ASGI's messages; nothing if the client has disconnected."""
        if self.closed:
            return
        if self.state is not ASGIHTTPState.REQUEST:
            raise UnexpectedMessageError(self.state, "http.response.start")
        self.state = ASGIHTTPState.CLOSED
        await self._answer(status, headers, b"" if suppress_body(self.scope["method"], status) else body)

    async def handle(self, event: events.Event) -> None:
        if isinstance(event, events.StreamClosed) and self.state is ASGIHTTPState.CLOSED:
            self.closed = True
        else:
            await super().handle(event)

    async def app_send(self, message: ASGISendEvent | None) -> None:
        part = file_transfer.to_part(message)
        if part is not None:
            if not self.closed:
                await self.send(FileBody(self.stream_id, part))
            return
        if not self.closed:
            await super().app_send(message)
        if message is not None and message["type"] == "http.response.body":
            self._parts += message.get("more_body", False)
            if self._parts > 1:
                # Neither a fast client nor one that has left may let a stream have the loop for itself.
                await trio.lowlevel.checkpoint()

    async def _send_error_response(self, status_code: int) -> None:
        answer = refusal.to_refusal(status_code)
        headers = answer.to_headers(refusal.to_request_id(self.scope["headers"]))
        await self.send(events.Response(self.stream_id, headers, status_code))
        if self.scope["method"] != "HEAD":
            await self.send(events.Body(self.stream_id, answer.body))
        await self.send(events.EndBody(self.stream_id))
        self.state = ASGIHTTPState.CLOSED


class Http11(H11Protocol):
    """The requests of one connection, one after the other. `wire` is the connection below."""

    def __init__(self, wire: Connection, *args: Any) -> None:  # noqa: ANN401  # Hypercorn's own, untouched
        super().__init__(*args)
        self.connection = H11Connection(self.config.h11_max_incomplete_size, wire.settings.head_fields)
        self.wire = wire
        self.refused = False
        self._guards = ENCRYPTED if self.ssl else PLAIN
        self._head = b""
        self._head_since = math.inf
        self._idle_since = trio.current_time()

    # Time

    def deadline(self) -> float:
        """The time at which `overdue` must be called if nothing more arrives."""
        if isinstance(self.stream, websocket.WebSocketStream):
            return self.stream.deadline()
        if self.stream is not None:
            return math.inf
        settings = self.wire.settings
        return min(self._idle_since + settings.keep_alive, self._head_since + settings.head_timeout)

    async def overdue(self) -> None:
        if isinstance(self.stream, websocket.WebSocketStream):
            await self.stream.overdue()
        elif self.stream is None:
            if self._head_since < math.inf:
                await self._refuse(refusal.SLOW_HEAD)
            await self.send(Closed())

    # From the client

    async def handle(self, event: Event) -> None:
        await super().handle(event)
        if isinstance(event, RawData) and self.stream is None:
            unfinished = self.connection.trailing_data[0] != b""
            if not unfinished:
                self._head_since = math.inf
            elif self._head_since == math.inf:
                self._head_since = trio.current_time()

    async def _check_protocol(self, event: h11.Request) -> None:  # noqa: ARG002  # what it looks for is not served
        self._head_since = math.inf

    async def _create_stream(self, request: h11.Request) -> None:
        headers = list(request.headers)
        fault = _fault(request, headers, self.wire.settings)
        if fault is not None:
            await self._refuse(fault, request)
            return
        state = ConnectionState({PROVE: self.wire.prove})
        parts = (self.app, self.config, self.context, self.task_group, self.ssl, self.client, self.server)
        if _is_websocket(request, headers):
            stream = websocket.WebSocketStream(self.wire, *parts, self.stream_send, STREAM_ID)
            state[websocket.SOCKET] = stream.socket
            self.stream = stream
            self.connection = H11WSConnection(cast(h11.Connection, self.connection))
        else:
            self.stream = HttpStream(self.answer, *parts, self.stream_send, STREAM_ID)
            state[ANSWER] = self.stream.answer
        self.keep_alive_requests += 1
        await self.stream.handle(
            events.Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=_to_origin_form(request.target),
                state=state,
            )
        )

    # To the client

    async def invite_body(self) -> None:
        """Send `100 Continue` if the client waits for it: the application waits for the body."""
        if isinstance(self.connection, h11.Connection) and self.connection.client_is_waiting_for_100_continue:
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))

    async def answer(self, status: int, headers: refusal.Headers, body: bytes) -> None:
        headers += self.config.response_headers("h11")
        if self._ends_with_this():
            headers = _closing(headers)
        connection = self.connection
        try:
            head = connection.send(h11.Response(status_code=status, headers=headers))
            data = self._guards.within(head, headers)
            shared = len(body) > COPIED
            if shared:  # h11 would join it into a copy
                cast(h11.Connection, connection).send_with_data_passthrough(h11.Data(data=body))
            elif body:
                data += connection.send(h11.Data(data=body))
            data += connection.send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            if connection.their_state is not h11.ERROR:
                raise
        else:
            await self.wire.write(data)
            if shared:
                await self.wire.write_large(body)
        await self._maybe_recycle()

    async def stream_send(self, event: events.Event) -> None:
        if isinstance(event, FileBody):
            await self._send_file(event.part)
            return
        if isinstance(event, events.Response) and event.status_code >= http.HTTPStatus.OK:
            headers = self._guards.beside(event.headers)
            if self._ends_with_this():
                headers = _closing(headers)
            event = events.Response(event.stream_id, headers, event.status_code)
        await super().stream_send(event)

    def _ends_with_this(self) -> bool:
        # A body that nobody read is in the way of the next request; so is a refused upgrade.
        return self.context.terminated.is_set() or self.connection.their_state in (h11.SEND_BODY, None)

    async def _send_file(self, part: file_transfer.Part) -> None:
        # h11 asks nothing of data but its length: it is made for sendfile().
        cast(h11.Connection, self.connection).send_with_data_passthrough(h11.Data(data=cast(bytes, part)))
        head, self._head = self._head, b""
        if head:
            await self.send(RawData(data=head))
        await self.wire.write_file(part)

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            self._head = data
            return
        whole, self._head = self._head + data, b""
        if whole:
            await self.send(RawData(data=whole))

    async def _send_error_response(self, status_code: int) -> None:
        await self._refuse(refusal.to_refusal(status_code))

    async def _refuse(self, answer: refusal.Refusal, request: h11.Request | None = None) -> None:
        self.refused = True
        head = request is not None and request.method == b"HEAD"
        request_id = refusal.to_request_id(request.headers if request is not None else ())
        headers = self._guards.beside(answer.to_headers(request_id)) + self.config.response_headers("h11")
        await self._send_h11_event(h11.Response(status_code=answer.status, headers=headers))
        await self._send_h11_event(h11.Data(data=b"" if head else answer.body))
        await self._send_h11_event(h11.EndOfMessage())
        await self.send(Closed())

    async def _maybe_recycle(self) -> None:
        self._idle_since = trio.current_time()
        if isinstance(self.stream, websocket.WebSocketStream):
            self.refused = not self.stream.handshake.accepted
        elif self.connection.their_state is h11.SEND_BODY:
            self.refused = True
        await super()._maybe_recycle()


def _closing(headers: refusal.Headers) -> refusal.Headers:
    return [*(each for each in headers if each[0] != b"connection"), (b"connection", b"close")]


def _fault(request: h11.Request, headers: refusal.Headers, limits: Settings) -> refusal.Refusal | None:
    # h11 looks at the size only while the head is incomplete; a whole one may come in one read.
    size = len(request.target) + sum([len(name) + len(value) for name, value in headers])
    if size > limits.head_size or len(headers) > limits.head_fields:
        return refusal.LARGE_HEAD
    if request.http_version not in (b"1.0", b"1.1"):
        return refusal.VERSION
    if not _to_origin_form(request.target).startswith(b"/"):
        return refusal.TARGET
    if request.target.count(b"&") >= limits.parameters:
        return refusal.QUERY
    names = [name for name, _ in headers]
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0"):
        return refusal.LENGTH
    if _is_websocket(request, headers) and (b"transfer-encoding" in names or b"content-length" in names):
        return refusal.HANDSHAKE  # frames to us, a body to a proxy that ignores the upgrade
    for name, value in headers:
        if name == b"host" and HOST.fullmatch(value) is None:
            return refusal.HOST
        if name.startswith(HANDSHAKE_HEADERS) and not value.isascii():
            return refusal.HANDSHAKE
    return None


def _to_origin_form(target: bytes) -> bytes:
    """The path and query of a request target; an absolute one must be accepted (RFC 9112, 3.2.2)."""
    if target.lower().startswith((b"http://", b"https://")):
        rest = target.partition(b"://")[2]
        authority = re.split(rb"[/?]", rest, maxsplit=1)[0]
        path = rest[len(authority) :]
        return path if path.startswith(b"/") else b"/" + path
    return target


def _is_websocket(request: h11.Request, headers: refusal.Headers) -> bool:
    fields = dict(headers)
    if request.method != b"GET" or fields.get(b"upgrade", b"").strip().lower() != b"websocket":
        return False
    return b"upgrade" in [token.strip() for token in fields.get(b"connection", b"").lower().split(b",")]
