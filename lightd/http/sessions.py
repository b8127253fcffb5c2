"""WebSocket sessions: one viewer of one container, or of the whole node.

A session has two tasks. ``relay`` writes: it looks at everything it has a cursor in (the console's lines, the
daemon's notes, the bus, the newest stats), sends what is new, and waits on the one wake that all of them
ring. ``listen`` reads what the viewer sends. Nobody waits for a session: a viewer that is slow falls behind
in its cursors alone, and is told what it missed.

The order within one look is lines, then notes, then the events that were there when the look began: the line
that made a server ready comes before the word that it is, and the last line of a run before its exit.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import attrs
import trio
from quart import Blueprint, g, websocket
from quart_trio import QuartTrio

from actors.container.events import Follow
from actors.container.fleet import Member, internal_id_of, stream_of
from actors.container.state import Phase
from actors.kernel.bus import Subscription
from actors.kernel.journal import Recorded
from lightd.http import containers, frames, queries
from lightd.http.auth import SUBPROTOCOL
from lightd.http.errors import ApiError
from lightd.http.inbound import Inbound
from lightd.http.websocket import Socket, to_socket
from lightd.system import System

logger = logging.getLogger("lightd.request")

MOST_SESSIONS = 30
LINES_A_FRAME = 500
BATCH = 0.025
DELETED = 4404


def install(app: QuartTrio, system: System) -> None:
    """Add the WebSocket routes to ``app``."""
    routes = Blueprint("sessions", __name__)
    viewers: Counter[str] = Counter()

    @routes.websocket("/ws/<internal_id>")
    async def container(internal_id: str) -> None:
        queries.check_names_of(websocket.args, "token", "since_line", "since")
        since = queries.optional_whole(websocket.args, "since")
        since_line = queries.optional_whole(websocket.args, "since_line")
        member = containers.find(system, internal_id)
        async with _counted(viewers, internal_id):
            socket = await _accept()
            events = system.bus.subscribe(member.view.position, member.place.name)
            session = Session(system, member, socket, events)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_listen, Inbound(system, member, socket))
                await session.greet(since, since_line)
                await session.relay()
                nursery.cancel_scope.cancel()
            await websocket.close(DELETED, "the container was deleted")

    @routes.websocket("/ws")
    async def node() -> None:
        queries.check_names_of(websocket.args, "token", "since")
        since = queries.optional_whole(websocket.args, "since")
        async with _counted(viewers, ""):
            socket = await _accept()
            position = system.bus.head if since is None else since
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_refuse_all, socket)
                await _relay_node(system.bus.subscribe(position), socket)

    app.register_blueprint(routes)


@asynccontextmanager
async def _counted(viewers: Counter[str], internal_id: str) -> AsyncIterator[None]:
    if viewers[internal_id] >= MOST_SESSIONS:
        message = f"this container has {MOST_SESSIONS} sockets already"
        raise ApiError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_sockets", message, {"Retry-After": "10"})
    viewers[internal_id] += 1
    try:
        yield
    finally:
        viewers[internal_id] -= 1
        if not viewers[internal_id]:
            del viewers[internal_id]


async def _accept() -> Socket:
    # The sub-protocol that carries the token is chosen: a client insists on hearing it back.
    offered = websocket.requested_subprotocols
    chosen = next((name for name in offered if name.startswith(SUBPROTOCOL)), None)
    await websocket.accept(headers={"X-Request-Id": g.request_id}, subprotocol=chosen)
    logger.info("GET %s 101", websocket.path, extra={"request_id": g.request_id})
    return to_socket(websocket.scope)


async def _listen(inbound: Inbound) -> None:
    while True:
        await inbound.take(await websocket.receive())


async def _refuse_all(socket: Socket) -> None:
    while True:
        await websocket.receive()
        await socket.write(frames.to_frame(frames.to_error("the node's stream takes no frames")))


async def _relay_node(subscription: Subscription, socket: Socket) -> None:
    while True:
        for record in await subscription.next():
            internal_id = internal_id_of(record.stream)
            frame = frames.to_event(record)
            if internal_id is not None and frame is not None:
                await socket.write(frames.to_frame({**frame, "internal_id": internal_id}))


@attrs.define(eq=False)
class Session:
    """One viewer of one container."""

    _system: System
    _member: Member
    _socket: Socket
    _events: Subscription
    _line: int = 0
    _note: int = 0
    _stats: int = -1
    _sent_at: float = 0.0
    _commentary: frames.Commentary = attrs.field(init=False)

    async def greet(self, since: int | None, since_line: int | None) -> None:
        """Send what a page needs at once: what was missed since, else the state that stands."""
        console = self._member.console
        self._line = console.lines.last if since_line is None else since_line
        self._note = console.notes.last
        view = self._member.view
        missed = [] if since is None else await self._missed(since, view.position)
        self._commentary = frames.Commentary(view.state.follow if not missed else Follow.REST)
        for record in missed:
            await self._send_record(record)
        if not any(map(frames.to_event, missed)):
            await self._send(frames.to_state(view))

    async def relay(self) -> None:
        """Send what is new until the container is deleted."""
        while True:
            records = await self._events.poll()
            before = self._member.console.lines.last if records else 0
            busy = await self._send_lines()
            while self._line < before:
                await self._send_lines()
            await self._send_notes()
            for record in records:
                await self._send_record(record)
            await self._send_stats()
            if busy:
                await self._pause()
            elif self._nothing_new():
                if self._member.state.phase is Phase.DELETED:
                    return
                await self._member.wake.wait()

    def _nothing_new(self) -> bool:
        console = self._member.console
        return (
            self._line >= console.lines.last
            and self._note >= console.notes.last
            and self._stats == self._member.stats.edition
            and self._events.position >= self._member.view.position
        )

    async def _missed(self, since: int, until: int) -> list[Recorded]:
        found: list[Recorded] = []
        version = 0
        while page := await self._system.bus.history(stream_of(self._member.internal_id), version):
            version = page[-1].version
            found.extend(record for record in page if since < record.position <= until)
        return found

    async def _send_lines(self) -> bool:
        """Send the lines that are there; return true where there may be more soon."""
        stretch = self._member.console.lines.read(self._line, LINES_A_FRAME)
        if stretch.missed:
            await self._send(frames.to_gap(stretch.missed, stretch.first))
        self._line = stretch.last
        if stretch.items:
            await self._send(frames.to_console(stretch.items, stretch.first))
        return bool(stretch.items)

    async def _pause(self) -> None:
        """Let lines gather where the console is fast: a write costs the same for one as for many."""
        now = trio.current_time()
        if now - self._sent_at < 2 * BATCH and self._line >= self._member.console.lines.last:
            await trio.sleep(BATCH)
        self._sent_at = now

    async def _send_notes(self) -> None:
        stretch = self._member.console.notes.read(self._note, LINES_A_FRAME)
        self._note = stretch.last
        for note in stretch.items:
            await self._send(frames.to_message(note))

    async def _send_record(self, record: Recorded) -> None:
        frame = frames.to_event(record)
        if frame is not None:
            await self._send(frame)
        text = self._commentary.to_text(record.event)
        if text is not None:
            await self._send(frames.to_message(text))

    async def _send_stats(self) -> None:
        stats = self._member.stats
        if self._stats != stats.edition:
            self._stats = stats.edition
            if stats.value is not None:
                await self._send(frames.to_stats(stats.value))

    async def _send(self, value: dict[str, Any]) -> None:
        await self._socket.write(frames.to_frame(value))
