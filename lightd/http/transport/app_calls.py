"""Calls of the application by one connection: each in a task of its own, next to the reader."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio
from hypercorn.config import Config
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, Scope

from lightd.http.transport import file_transfer

if TYPE_CHECKING:
    from lightd.http.transport.connection import Connection

logger = logging.getLogger("lightd.http")

QUEUE = 4
"""Chunks of a body, or messages, that wait for the application; at the bound the client waits too."""

DISCONNECT_GRACE = 2.0
"""Seconds that a WebSocket's handler has for messages that arrived before the client disconnected."""

DISCONNECTS = ("http.disconnect", "websocket.disconnect")


@attrs.define(eq=False)
class Calls:
    """Runs the application's calls; Hypercorn's `TaskGroup`."""

    _nursery: trio.Nursery
    _connection: Connection

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,  # noqa: ARG002  # Hypercorn passes it
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        call = Call(self._connection, scope)
        if scope["type"] == "http":
            scope["state"][file_transfer.CALL] = call
            if (
                not self._connection.encrypted
                and file_transfer.declared(scope["headers"]) >= file_transfer.LARGE
            ):
                self._connection.hold.begin()
        self._nursery.start_soon(call.run, app, send)
        return call.put

    def spawn(self, func: Callable[..., Any], *args: object) -> None:
        raise NotImplementedError("nothing but the application's calls runs beside the reader")


class Call:
    """One call of the application: cancelled when the client disconnects; a crash is logged, not raised.

    A request has no scope of its own, as it ends with the reader; a WebSocket can end before. Messages that
    it sent before it disconnected are handled first: a command is typed, and the window closed.
    """

    def __init__(self, connection: Connection, scope: Scope) -> None:
        self._connection = connection
        self._scope = scope
        self._messages: deque[ASGIReceiveEvent] = deque()
        self._moved = trio.lowlevel.ParkingLot()
        self._life = trio.CancelScope() if scope["type"] == "websocket" else contextlib.nullcontext()
        self._ended = False
        self._is_handling = False  # a message of the client
        self._left = False

    async def put(self, message: ASGIReceiveEvent) -> None:
        if message["type"] in DISCONNECTS:
            if isinstance(self._life, trio.CancelScope):
                self._leave(self._life)
            return
        while len(self._messages) >= QUEUE and not self._ended:
            await self._moved.park()
        if not self._ended:  # the application may have answered without it
            self._messages.append(message)
            self._moved.unpark_all()

    def _leave(self, life: trio.CancelScope) -> None:
        said = any(message["type"] == "websocket.receive" for message in self._messages)
        # Not if only the opening is unread, as by a handler that never listens.
        if self._is_handling or said:
            self._left, life.shield = True, True
            life.deadline = trio.current_time() + DISCONNECT_GRACE
        else:
            life.cancel()

    async def receive(self) -> ASGIReceiveEvent:
        self._is_handling = False
        if self._left and not self._messages and isinstance(self._life, trio.CancelScope):
            self._life.cancel()
        if not self._messages:
            self._connection.hold.release()
            await self._connection.invite_body()
        while not self._messages:
            await self._moved.park()
        self._moved.unpark_all()
        message = self._messages.popleft()
        self._is_handling = message["type"] == "websocket.receive"
        return message

    @property
    def holds_body(self) -> bool:
        """Whether the body is a large one that nobody has read yet: then `take_body` can be used."""
        return self._connection.hold.holding

    async def take_body(self, size: int, patience: float | None, sink: file_transfer.Sink) -> None:
        """All `size` bytes of the body are with `sink`; the connection ends with the answer.

        Raises as `file_transfer.receive`.
        """
        await self._connection.hold.held.wait()
        size -= await self._take_arrived(sink)
        await self._connection.invite_body()
        await self._connection.receive_body(size, patience, sink)

    async def _take_arrived(self, sink: file_transfer.Sink) -> int:
        """Write what arrived with the head to `sink`; return its size."""
        taken = 0
        while self._messages:
            message = self._messages.popleft()
            if message["type"] == "http.request" and message["body"]:
                await sink.run(partial(sink.write, memoryview(message["body"])))
                taken += len(message["body"])
        return taken

    async def run(self, app: AppWrapper, send: Callable[[ASGISendEvent | None], Awaitable[None]]) -> None:
        try:
            with self._life:
                await app(self._scope, self.receive, send, trio.to_thread.run_sync, trio.from_thread.run)
        except Exception:  # a bug in a handler costs its request, never the connection's task
            logger.exception("the application failed on %r", self._scope.get("path"))
        finally:
            self._ended = True
            self._moved.unpark_all()
        await send(None)
