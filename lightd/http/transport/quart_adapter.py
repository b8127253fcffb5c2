"""Quart's side of a request: one task, a body that is read only as fast as it is used.

quart-trio starts two more tasks for each request and each WebSocket, one of which does nothing but
move what arrives into an unbounded buffer. Here the handler runs in the server's own task and takes
what it needs when it needs it; the client waits meanwhile. The server cancels that task when the client
leaves, which is what quart-trio's second task was for.

A large body, of a request or a response, goes past all of this (`file_transfer`).
"""

from __future__ import annotations

import contextlib
import http
from collections.abc import Generator, Iterable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable
from quart.utils import encode_headers
from quart.wrappers import Response
from quart.wrappers.response import DataBody
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection, TrioASGIWebsocketConnection
from quart_trio.wrappers import TrioRequest, TrioWebsocket
from quart_trio.wrappers.request import TrioBody
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, RequestTimeout
from werkzeug.wrappers import Response as WerkzeugResponse

from lightd.http.transport import file_transfer, protocol

if TYPE_CHECKING:
    from lightd.http.transport import app_calls

SMALL_BODY = 64 * 1024
SMALL_BODY_TIMEOUT = 1.0


class Body(TrioBody):
    """The body of one request: await all of it, or iterate over its chunks; it holds no more than the limit.

    Raises `RequestEntityTooLarge` over the limit, from the declared length alone where there is one;
    `RequestTimeout` when the next chunk takes longer than `timeout`.
    """

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        # Not Quart's own state, which differs from version to version.
        self.limit = max_content_length
        self.timeout: float | None = None
        self.receive: ASGIReceiveCallable = _nothing
        self.call: app_calls.Call | None = None
        self._expected = expected_content_length
        self._taken = 0
        self._ended = False
        self._begun = False
        self._whole = bytearray()

    @property
    def is_there(self) -> bool:
        """A length was declared."""
        return self._expected is not None

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        self._begun = True
        self._check(self._expected or 0)
        while not self._ended:
            chunk = await self._take()
            if chunk:
                return chunk
        raise StopAsyncIteration

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._read_all().__await__()

    async def pour(self, sink: file_transfer.Sink) -> None:
        """All of the body was written to `sink`, about a MiB of memory at a time. Raises what it raises."""
        if self.call is not None and self.call.holds_body and self._expected is not None:
            self._check(self._expected)
            self._begun = True
            await self.call.take_body(self._expected, self.timeout, sink)
            self._ended = True
            return
        waiting = bytearray()
        async for chunk in self:
            waiting += chunk
            if len(waiting) >= file_transfer.BUFFER:
                await sink.run(partial(sink.write, memoryview(bytes(waiting))))
                waiting.clear()
        if waiting:
            await sink.run(partial(sink.write, memoryview(bytes(waiting))))

    async def finish(self) -> None:
        """A small body that its handler did not begin to read is dropped, so that the connection goes on."""
        if self._begun or self._expected is None or self._expected > SMALL_BODY:
            return
        with trio.move_on_after(SMALL_BODY_TIMEOUT):
            while not self._ended:
                message = await self.receive()
                self._ended = message["type"] != "http.request" or not message.get("more_body", False)

    async def _read_all(self) -> bytes:
        async for chunk in self:
            self._whole += chunk
        return bytes(self._whole)

    def clear(self) -> None:
        self._whole.clear()

    async def _take(self) -> bytes:
        with trio.move_on_after(float("inf") if self.timeout is None else self.timeout) as scope:
            message = await self.receive()
        if scope.cancelled_caught:
            raise RequestTimeout
        if message["type"] != "http.request":
            raise ClientDisconnected
        self._ended = not message.get("more_body", False)
        chunk = message.get("body", b"")
        self._taken += len(chunk)
        self._check(self._taken)
        return chunk

    def _check(self, size: int) -> None:
        if self.limit is not None and size > self.limit:
            raise RequestEntityTooLarge


async def _nothing() -> ASGIReceiveEvent:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _push_nothing(_path: str, _headers: Headers) -> None:
    """HTTP/1.1 has no way to."""


class Request(TrioRequest):
    """A request whose `max_content_length` may be set by its route, as Flask has it (pallets/quart#425).

    `None` means no limit: `request.max_content_length = None`, then `async for chunk in request.body`.
    """

    body_class = Body
    lock_class = object  # type: ignore[assignment]  # of the parser of forms, which are not served
    body: Body

    @cached_property
    def blueprints(self) -> list[str]:
        """Found once, where Quart's own are found for each of its steps; asked for only after the routing."""
        return super().blueprints

    @cached_property
    def resources(self) -> contextlib.ExitStack:
        """What is closed when the answer is sent, or can't be."""
        return contextlib.ExitStack()

    @property
    def max_content_length(self) -> int | None:
        return self.body.limit

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self.body.limit = value


class FileResponse(Response):
    """A response whose body is a part of an open file, kept open among the request's `resources`."""

    def __init__(self, part: file_transfer.Part, status: int, headers: Headers) -> None:
        super().__init__(b"", status, headers)
        self.part = part
        self.headers["Content-Length"] = str(len(part))


class ReceivedHeaders(Headers):
    """The headers of a request as h11 has checked them, their names in lower case; they are not changed.

    Quart would check and rewrite each once more. Werkzeug looks through all of them for each one that is
    asked for, and raises an exception where it is missing, which costs as much as ten of these look-ups.
    """

    def __init__(self, client: str, received: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__()
        self._list = [(name.decode("latin1"), value.decode("latin1")) for name, value in received]
        self._list.insert(0, ("remote-addr", client))  # the first of a name counts: it can't be forged
        self._first = dict(reversed(self._list))

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]  # noqa: A002, ANN401  # Werkzeug's own signature, less its overloads
        value = self._first.get(key.lower())
        if value is None or type is None:
            return default if value is None else value
        return super().get(key, default, type)


class HttpExchange(TrioASGIHTTPConnection):
    def _create_request_from_scope(self, send: ASGISendCallable) -> Request:  # noqa: ARG002  # Quart passes it
        scope, config = self.scope, self.app.config
        client = scope.get("client") or ["<local>"]
        return Request(
            scope["method"],
            scope["scheme"],
            scope["path"],
            scope["query_string"],
            ReceivedHeaders(str(client[0]), scope["headers"]),
            "",
            scope["http_version"],
            scope,
            max_content_length=config["MAX_CONTENT_LENGTH"],
            body_timeout=config["BODY_TIMEOUT"],
            send_push_promise=_push_nothing,
        )

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        request = self._create_request_from_scope(send)
        request.body.receive = receive
        request.body.timeout = request.body_timeout
        request.body.call = cast("app_calls.Call", self.scope["state"][file_transfer.CALL])
        with request.resources:
            await self._answer(request, send)

    async def _answer(self, request: Request, send: ASGISendCallable) -> None:
        response = await self.app.handle_request(request)
        if request.body.is_there and "Expect" not in request.headers:
            await request.body.finish()
        if request.method == "HEAD":
            # Quart would run through the whole of the body, a file perhaps, for Hypercorn to send none of it.
            response = WerkzeugResponse(status=response.status, headers=response.headers)
        if isinstance(response, FileResponse):
            await self._send_file(send, response)
            return
        body = response.response
        if isinstance(body, DataBody):
            answer = cast(protocol.Answer, self.scope["state"][protocol.ANSWER])
            await answer(
                response.status_code, encode_headers(response.headers), body.data[body.begin : body.end]
            )
        else:
            await self._send_response(send, response)

    async def _send_file(self, send: ASGISendCallable, response: FileResponse) -> None:
        headers = encode_headers(response.headers)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        if len(response.part):
            await send(file_transfer.to_message(response.part))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class WebSocket(TrioWebsocket):
    """A WebSocket whose messages are taken from the server one by one."""

    source: ASGIReceiveCallable

    async def receive(self) -> str | bytes:
        await self.accept()
        while True:
            message = await self.source()
            if message["type"] == "websocket.receive":
                data = message["bytes"]
                return data if data is not None else cast(str, message["text"])


class WebSocketExchange(TrioASGIWebsocketConnection):
    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        websocket = cast(WebSocket, self._create_websocket_from_scope(send))
        websocket.source = receive
        response = await self.app.handle_websocket(websocket)
        if self._closed:
            return
        if not self._accepted:
            await self._reject(send, response)
        elif response is None:
            await self.close_connection(send, 1000, "")
        else:
            # A crash, or an abort() that came too late to be an answer to the handshake.
            crashed = response.status_code >= http.HTTPStatus.INTERNAL_SERVER_ERROR
            await self.close_connection(send, 1011 if crashed else 1008, "")

    async def accept_connection(
        self, send: ASGISendCallable, headers: Headers, subprotocol: str | None
    ) -> None:
        try:
            await super().accept_connection(send, headers, subprotocol)
        except Exception:
            self._accepted = False  # Quart has set it in advance
            raise

    async def _reject(self, send: ASGISendCallable, response: Response | WerkzeugResponse | None) -> None:
        if response is None:
            await self.close_connection(send, 1000, "")
            return
        if isinstance(response, Response):
            body = await response.get_data(as_text=False)
        else:
            body = response.get_data()
        headers = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
        await send(
            {"type": "websocket.http.response.start", "status": response.status_code, "headers": headers}
        )
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})


def install(app: QuartTrio) -> None:
    """`app` serves requests and WebSockets through the classes of this module."""
    app.request_class = Request
    app.websocket_class = WebSocket
    app.asgi_http_class = HttpExchange
    app.asgi_websocket_class = WebSocketExchange
