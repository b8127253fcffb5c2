"""The wire to the panel: HTTP/1.1 over connections that are kept, h11 for the protocol.

1. A call has a connection of its own: the one that rested last, or a new one.
2. A connection rests only after a whole answer from which both sides go on. Whatever else ends a call
   (trouble, an answer that is too long, a cancellation) closes it at once.
3. One that rests is silent. Where anything has come of it, if only its end, it is not used again.
4. The panel may close it in the very moment in which a request goes out. Where nothing at all came back, the
   call is made once more on a new connection: each may be made twice, for updates say which they are.

A client for everything (httpx) took five times the processor time for the same exchange: a backlog went at
its speed instead of the panel's, and held up all else on the loop meanwhile.
"""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

import attrs
import certifi
import h11
import trio

from lightd.panel.answers import Answer

KEPT = 20
"""Connections that rest at most; there are never more calls at a time."""
RESTING = 30.0
"""Seconds after which a connection is not worth to be trusted any longer."""
READ = 64 * 1024

Method = Literal["GET", "POST"]
Headers = Sequence[tuple[bytes, bytes]]

_TROUBLE = (OSError, trio.BrokenResourceError, h11.RemoteProtocolError, UnicodeError)
"""The last is what the resolver has to say about a name that can't be one."""


class PanelUnavailable(Exception):  # noqa: N818 - a fault of the world, named like its siblings
    """The panel could not be reached, or what came back is no HTTP; the message is a sentence."""


@attrs.frozen
class Call:
    """A request, and how many bytes of an answer's body are read at most."""

    method: Method
    target: str
    headers: Headers
    body: bytes
    longest: int

    def to_bytes(self, protocol: h11.Connection) -> bytes:
        """Return what goes over a connection that speaks ``protocol``."""
        head = h11.Request(method=self.method, target=self.target, headers=list(self.headers))
        pieces = [protocol.send(event) for event in (head, h11.Data(data=self.body), h11.EndOfMessage())]
        return b"".join(piece for piece in pieces if piece)


@attrs.define(eq=False)
class Connection:
    """``heard`` says whether anything came back of the last call, ``used_at`` when that was over."""

    _stream: trio.abc.Stream
    _socket: trio.socket.SocketType
    _protocol: h11.Connection = attrs.field(factory=lambda: h11.Connection(h11.CLIENT))
    heard: bool = False
    used_at: float = 0.0

    @property
    def silent(self) -> bool:
        """Whether nothing came while it rested, not even its end."""
        return not self._socket.is_readable()

    def close(self) -> None:
        """Close it at once, without a word."""
        self._socket.close()

    async def ask(self, call: Call) -> Answer:
        """Return the answer to ``call``."""
        self.heard = False
        with suppress(trio.BrokenResourceError):  # it may have answered before it read to the end
            await self._stream.send_all(call.to_bytes(self._protocol))
        head = await self._read_head()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        body = bytearray()
        while isinstance(event := await self._next(), h11.Data):
            body += event.data
            if len(body) > call.longest:
                return Answer(head.status_code, headers, None)
        return Answer(head.status_code, headers, bytes(body))

    async def _read_head(self) -> h11.Response:
        event = await self._next()
        while isinstance(event, h11.InformationalResponse):
            event = await self._next()
        assert isinstance(event, h11.Response)  # noqa: S101 - nothing else can come first
        return event

    async def _next(self) -> object:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            data = bytes(await self._stream.receive_some(READ))
            self.heard = self.heard or bool(data)
            self._protocol.receive_data(data)
        return event

    def rest(self) -> bool:
        """Be ready for the next call; false where there can't be one."""
        protocol, self.used_at = self._protocol, trio.current_time()
        if protocol.our_state is not h11.DONE or protocol.their_state is not h11.DONE:
            return False
        protocol.start_next_cycle()
        return not protocol.trailing_data[0]


@attrs.define(eq=False)
class Wire:
    """Calls one ``host``, over TLS where there is a context for it. Made by ``open_wire``."""

    _host: str
    _port: int
    _tls: ssl.SSLContext | None
    _resting: list[Connection] = attrs.field(factory=list)  # the youngest last

    async def call(self, call: Call) -> Answer:
        """Return the answer; raises ``PanelUnavailable``. Its time limit is the caller's."""
        try:
            kept = self._take()
            if kept is not None:
                try:
                    return await self._ask(kept, call)
                except _TROUBLE:
                    if kept.heard:
                        raise
            return await self._ask(await self._connect(), call)
        except _TROUBLE as trouble:
            raise PanelUnavailable(to_reason(trouble)) from trouble

    def _take(self) -> Connection | None:
        """Return the youngest that is good; those that have rested for too long are closed."""
        while self._resting and trio.current_time() - self._resting[0].used_at >= RESTING:
            self._resting.pop(0).close()
        while self._resting:
            connection = self._resting.pop()
            if connection.silent:
                return connection
            connection.close()
        return None

    async def _ask(self, connection: Connection, call: Call) -> Answer:
        rests = False
        try:
            answer = await connection.ask(call)
            rests = connection.rest() and len(self._resting) < KEPT
        finally:
            if not rests:
                connection.close()
        if rests:
            self._resting.append(connection)
        return answer

    async def _connect(self) -> Connection:
        tcp = await trio.open_tcp_stream(self._host, self._port)
        if self._tls is None:
            return Connection(tcp, tcp.socket)
        stream = trio.SSLStream(tcp, self._tls, server_hostname=self._host, https_compatible=True)
        shaken = False
        try:
            await stream.do_handshake()
            shaken = True
        finally:
            if not shaken:
                tcp.socket.close()
        return Connection(stream, tcp.socket)

    def close(self) -> None:
        """Close all that rests."""
        while self._resting:
            self._resting.pop().close()


def to_reason(trouble: BaseException) -> str:
    """Return what ``trouble`` says, and what lies beneath it."""
    beneath = trouble.__cause__
    said = [str(trouble), "" if beneath is None or isinstance(beneath, BaseExceptionGroup) else str(beneath)]
    return ": ".join(filter(None, said)) or type(trouble).__name__


@asynccontextmanager
async def open_wire(host: str, port: int, *, tls: bool) -> AsyncIterator[Wire]:
    """Yield a wire to a host, which need not be there."""
    context = None
    if tls:
        context = ssl.create_default_context(cafile=certifi.where())
        context.load_default_certs()  # an operator's own authority is the system's to know
        context.set_alpn_protocols(["http/1.1"])
    wire = Wire(host, port, context)
    try:
        yield wire
    finally:
        wire.close()
