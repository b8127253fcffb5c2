"""A panel as a real HTTP server that behaves as badly as a test wants it to, and records what it got.

``react`` decides what becomes of a request: it returns an ``Answer``, ``CUT``, ``DROP``, ``NOISE`` or
``HANG``. ``down`` closes the door, and ``up`` opens it again at the same port. With ``tls`` it speaks nothing
else.
"""

import json
import socket
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import h11
import trio

TOKEN = "lightd_the_panels_own_token"


@attrs.frozen
class Request:
    """One request that came; ``body`` is its JSON, None without one."""

    method: str
    path: str
    headers: dict[str, str]
    body: object

    @property
    def event_id(self) -> str:
        return self.headers["x-lightd-event"]


@attrs.frozen
class Answer:
    status: int = 200
    body: object = attrs.field(factory=lambda: {"success": True})
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0


CUT = "cut"
"""The answer breaks off in the middle."""
DROP = "drop"
"""The connection ends without a word."""
HANG = "hang"
"""There is no answer, and the connection stays."""
NOISE = "noise"
"""What comes back is no HTTP."""

HEALTHY = Answer(body={"status": 200, "endpoint": "active"})


async def behave(request: Request) -> Answer | str:
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        return Answer(401, {"success": False})
    if request.path == "/api/health":
        return HEALTHY
    if request.path == "/api/update":
        return Answer()
    return Answer(404, {"error": "no such route"})


@attrs.define(eq=False)
class PanelServer:
    """``requests`` has all that came, ``accepted`` the updates that were answered with success."""

    _nursery: trio.Nursery
    react: Callable[[Request], Awaitable[Answer | str]] = behave
    port: int = 0
    tls: ssl.SSLContext | None = None
    requests: list[Request] = attrs.field(factory=list)
    accepted: list[Request] = attrs.field(factory=list)
    connections: int = 0
    _door: trio.CancelScope | None = None
    _shut: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self._shut.set()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/api"

    def settings(self, **more) -> dict:
        """The section of the configuration that leads here."""
        return {"enabled": True, "url": self.url, "token": TOKEN, **more}

    async def up(self) -> None:
        """Open the door, if it is shut."""
        if self._door is None:
            await self._shut.wait()
            self._door = await self._nursery.start(self._serve)

    def down(self) -> None:
        """Cut every connection, and take no more."""
        if self._door is not None:
            self._door.cancel()
            self._door = None

    def by_server(self) -> dict[str, list[Request]]:
        found = defaultdict(list)
        for request in self.accepted:
            found[request.body["server"]].append(request)
        return found

    async def _serve(self, task_status) -> None:
        try:
            await self._listen(task_status)
        finally:
            self._shut.set()

    async def _listen(self, task_status) -> None:
        with trio.CancelScope() as scope:
            listener = trio.socket.socket()
            with listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                await listener.bind(("127.0.0.1", self.port))
                listener.listen(128)
                self.port = listener.getsockname()[1]
                self._shut = trio.Event()
                task_status.started(scope)
                async with trio.open_nursery() as nursery:
                    while True:
                        connection, _ = await listener.accept()
                        nursery.start_soon(self._talk, self._to_stream(connection))

    def _to_stream(self, connection) -> trio.abc.Stream:
        stream = trio.SocketStream(connection)
        if self.tls is None:
            return stream
        return trio.SSLStream(stream, self.tls, server_side=True, https_compatible=True)

    async def _talk(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        async with stream:
            try:
                connection = h11.Connection(h11.SERVER)
                while await self._take(connection, stream):
                    connection.start_next_cycle()
            except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError):
                pass  # it left in the middle

    async def _take(self, connection: h11.Connection, stream: trio.SocketStream) -> bool:
        head, body = None, b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.ConnectionClosed):
                return False
        request = Request(
            head.method.decode(),
            head.target.decode(),
            {name.decode(): value.decode() for name, value in head.headers},
            json.loads(body) if body else None,
        )
        self.requests.append(request)
        return await self._answer(connection, stream, request, await self.react(request))

    async def _answer(self, connection, stream, request, reaction) -> bool:
        if reaction == HANG:
            await trio.sleep_forever()
        if reaction == NOISE:
            await stream.send_all(b"\x15\x03\x01\x00\x02\x02\x16 this is not the port you look for\r\n\r\n")
            return False
        if reaction == DROP:
            return False
        if reaction == CUT:
            await stream.send_all(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"succ')
            return False
        await trio.sleep(reaction.seconds)
        raw = reaction.body if isinstance(reaction.body, bytes) else json.dumps(reaction.body).encode()
        headers = [("Content-Length", str(len(raw))), *reaction.headers]
        if request.path.endswith("/update") and reaction.status == 200:
            self.accepted.append(request)
        out = connection.send(h11.Response(status_code=reaction.status, headers=headers))
        out += connection.send(h11.Data(data=raw)) + connection.send(h11.EndOfMessage())
        await stream.send_all(out)
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


@asynccontextmanager
async def open_panel(react=behave, tls=None):
    """A panel that is up, on this loop."""
    async with trio.open_nursery() as nursery:
        panel = PanelServer(nursery, react, tls=tls)
        await panel.up()
        yield panel
        nursery.cancel_scope.cancel()
