"""WebSocket sessions: one viewer of one container, or of the whole node.

A session joins the broadcast first, and sends the present state and what was missed second. What is published
meanwhile waits in the broadcast, so the first part ends exactly where the second begins. One task writes,
another reads what the viewer sends. Nothing waits for a session.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TypeVar

import attrs
import trio
from quart import g, websocket

from actors.container.fleet import Member
from actors.container.state import Phase
from lightd.access import scopes
from lightd.access.errors import LimitExceeded
from lightd.access.identity import Identity
from lightd.access.request_shares import Shares
from lightd.access.scopes import check_grant
from lightd.access.visibility import to_streamed
from lightd.http import queries
from lightd.http.credentials import SUBPROTOCOL
from lightd.http.identity import of_request
from lightd.http.live import frames
from lightd.http.live.broadcast import Cut, Viewer
from lightd.http.live.expiry import expiring
from lightd.http.live.hub import Channel, Hub
from lightd.http.live.inbound import MESSAGES, Inbound
from lightd.http.live.kinds import OUTBOUND, kinds_for
from lightd.http.live.source import ContainerSource, Reached, Source, to_stretch
from lightd.http.route import WEBSOCKET, Route
from lightd.http.routes import containers, history
from lightd.http.transport.websocket import Socket, to_socket
from lightd.logs.output import to_short
from lightd.system import System

S = TypeVar("S", bound=Source)

logger = logging.getLogger("lightd.request")

RESERVED = 5
"""WebSockets beside ``server.viewers_per_container``, for the master token where others have them all."""
Viewers = Counter[tuple[str | Reached | None, bool]]
REVOKED = 4401
DELETED = 4404
GONE = "the container was deleted"


@attrs.define(eq=False)
class Sessions:
    """What the handlers of WebSockets need: the system, its broadcasts, and the sockets that are open."""

    system: System
    hub: Hub
    shares: Shares
    viewers: Viewers = attrs.field(factory=Counter)
    """The number of open sockets, by what they show and whether they are the master's."""


async def show_container(sessions: Sessions, internal_id: str) -> None:
    system, identity = sessions.system, of_request()
    grant, hold = identity.grant, partial(sessions.shares.answer, identity)
    since = queries.optional_whole(websocket.args, "since")
    since_line = queries.optional_whole(websocket.args, "since_line")
    if since_line is not None:
        check_grant(grant, OUTBOUND["console"].permission)
    member, kinds = containers.find(system, internal_id), kinds_for(grant)
    if since is not None:  # a deleted container with this id may have been somebody else's
        since = max(since, member.state.ended)
    async with _counted(sessions, internal_id), _held(system, member) as socket:
        await member.console.restore()  # otherwise a new broadcast would send old lines as new ones
        with sessions.hub.container(member, kinds) as channel:
            async with trio.open_nursery() as nursery, _joined(channel, socket) as viewer:
                nursery.start_soon(_listen, Inbound(system, member, socket, grant, hold))
                await _greet(channel.source, viewer, since, since_line, sessions.shares)
                await viewer.follow()
                nursery.cancel_scope.cancel()
        await websocket.close(DELETED, GONE)


async def show_node(sessions: Sessions) -> None:
    system, identity = sessions.system, of_request()
    since = queries.optional_whole(websocket.args, "since")
    endings = system.fleet.endings
    async with _counted(sessions, to_streamed(identity, endings)), _held(system) as socket:
        seen = to_streamed(identity, endings)  # a container may have been deleted meanwhile
        with sessions.hub.node(seen) as channel:
            async with trio.open_nursery() as nursery, _joined(channel, socket) as viewer:
                nursery.start_soon(_refuse_all, socket)
                if since is not None:
                    async with aclosing(channel.source.lost(Cut(0, since), viewer.cut)) as lost:
                        async for framed in lost:
                            await socket.write(framed)
                await viewer.follow()


@asynccontextmanager
async def _counted(sessions: Sessions, seen: str | Reached | None) -> AsyncIterator[None]:
    identity, viewers = of_request(), sessions.viewers
    master = identity.is_master
    count = viewers[seen, False] + viewers[seen, True]
    most = sessions.system.config.server.viewers_per_container
    if count >= most and not (master and viewers[seen, True] < RESERVED):
        message = f"this container has {most} WebSockets already (server.viewers_per_container)"
        raise LimitExceeded("too_many_sockets", message, 10)
    with sessions.shares.socket(identity):
        viewers[seen, master] += 1
        try:
            yield
        finally:
            viewers[seen, master] -= 1
            if not viewers[seen, master]:
                del viewers[seen, master]


@asynccontextmanager
async def _held(system: System, member: Member | None = None) -> AsyncIterator[Socket]:
    """Accept the handshake and yield the socket; it is closed when its token is revoked or expires.

    If the token lost its container, ``member``, by a deletion, the close code is ``DELETED``.
    """
    socket, identity = await _accept(), of_request()
    with system.sockets.held(identity.token_id) as revocable:
        if not _is_known(system, identity):  # it may have been revoked since it was checked
            revocable.cancel()
        async with expiring(socket, revocable, identity.expires_at, system.clock):
            yield socket
    if revocable.cancelled_caught and member is not None and member.state.phase is Phase.DELETED:
        await websocket.close(DELETED, GONE)
    elif revocable.cancelled_caught:
        await websocket.close(REVOKED, _to_reason(system, identity))


def _is_known(system: System, identity: Identity) -> bool:
    if identity.is_master:
        return bool(g.authorization == system.config.authorization)
    return identity.token_id in system.tokens.view.state.tokens


def _to_reason(system: System, identity: Identity) -> str:
    if identity.expires_at is None:
        return "the token was replaced"
    return "the token was revoked" if system.clock() < identity.expires_at else "the token has expired"


async def _accept() -> Socket:
    # A client needs the sub-protocol that carries its token to be confirmed.
    offered = websocket.requested_subprotocols
    chosen = next((name for name in offered if name.startswith(SUBPROTOCOL)), None)
    await websocket.accept(headers={"X-Request-Id": g.request_id}, subprotocol=chosen)
    logger.info("GET %s 101", to_short(websocket.path), extra={"request_id": g.request_id})
    return to_socket(websocket.scope)


@asynccontextmanager
async def _joined(channel: Channel[S], socket: Socket) -> AsyncIterator[Viewer]:
    viewer = await channel.join(socket)
    try:
        yield viewer
    finally:
        viewer.leave()


async def _listen(inbound: Inbound) -> None:
    while True:
        await inbound.take(await websocket.receive())


async def _refuse_all(socket: Socket) -> None:
    while True:
        await websocket.receive()
        await socket.write(frames.to_frame(frames.to_error("the node's stream takes no frames")))
        await trio.sleep(1 / MESSAGES)


async def _greet(
    source: ContainerSource, viewer: Viewer, since: int | None, since_line: int | None, shares: Shares
) -> None:
    """Send what was missed, or the present state; then lines and statistics."""
    member, cut, kinds = source.member, viewer.cut, source.kinds
    view, stats = member.view, member.stats.value
    unfinished, sent_state = source.to_unfinished(cut.line), False
    if since is not None:
        async with aclosing(source.missed(since, view.position)) as missed:
            async for framed, has_state in missed:
                await viewer.socket.write(framed)
                sent_state = sent_state or has_state
    if not sent_state:
        await viewer.socket.write(frames.to_frame(frames.to_state(view)))
    line = cut.line if since_line is None or "console" not in kinds else since_line
    oldest = min(member.console.lines.first, cut.line + 1)
    if line + 1 < oldest:
        async with (
            shares.awaited_answer(of_request(), history.to_room(oldest - line)),
            aclosing(history.to_older(member.console, line, oldest)) as older,
        ):
            async for framed in older:
                await viewer.socket.write(framed)
        line = oldest - 1
    while line < cut.line:
        framed, line = to_stretch(member.console, line, cut.line)
        await viewer.socket.write(framed)
    if unfinished:
        await viewer.socket.write(unfinished)
    if stats is not None and "stats" in kinds:
        await viewer.socket.write(frames.to_frame(frames.to_stats(stats)))


ROUTES = (
    Route(
        method=WEBSOCKET,
        path="/ws/{internal_id}",
        permission=scopes.TOKEN,
        subject=scopes.Container,
        handler=show_container,
        name="watch_container",
        summary="one container",
        parameters=("token", "since", "since_line"),
    ),
    Route(
        method=WEBSOCKET,
        path="/ws",
        permission=scopes.TOKEN,
        subject=scopes.Visible,
        handler=show_node,
        name="watch_node",
        summary="the `event` frames of all containers",
        parameters=("token", "since"),
    ),
)
