"""A WebSocket connection to the daemon that is reopened when it is lost, and continues where it stopped.

1. If the first connection fails, the command fails; later, a daemon that does not answer is waited for.
2. Each connection's query says what was seen (``since``, ``since_line``): nothing is missed or repeated.
3. A rejection always ends the command: a token that is not accepted, a container that does not exist.
4. A silent daemon is detected: it must answer a ping every ``BEAT`` seconds, within that time.

This module owns the connection's stream, so that it is always closed, even if the library leaves it open.
"""

import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode, urlsplit

import attrs
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from actors.kernel.backoff import Backoff
from lightd.cli.commands.address import Address, to_port
from lightd.cli.commands.client import CONNECTING, to_context, to_trouble, unreachable
from lightd.cli.commands.live import Frame
from lightd.cli.commands.trouble import FAILED, REFUSED, UNREACHABLE, Trouble
from lightd.cli.exception_groups import leaves

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]

BEAT: Final = 20.0
BACKOFF: Final = Backoff(0.2, 5.0)
LARGEST: Final = 64 * 1024 * 1024  # bytes of a frame: 500 lines of 16 KiB, encoded as JSON
REVOKED: Final = 4401
DELETED: Final = 4404
_LOST = (
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    ConnectionClosed,
    ConnectionRejected,
)


@attrs.define(eq=False)
class Viewing:
    """Frames from ``path``. ``take`` gets each one, ``tell`` a message when the connection is lost or back.

    ``to_query`` is called before each connection; ``joined`` is awaited after it.
    """

    address: Address
    path: str
    to_query: Callable[[], Mapping[str, int]]
    take: Callable[[Frame], None]
    tell: Callable[[str], None]
    joined: Callable[[], Awaitable[None]] | None = None
    _seen: bool = False
    _open: trio.Event = attrs.field(factory=trio.Event)
    _connection: WebSocketConnection | None = None

    async def follow(self) -> None:
        """Pass on frames until the container is deleted; raises ``Trouble``."""
        context = to_context(self.address) if self.address.url.startswith("https:") else None
        failures = 0
        while True:
            try:
                if await self._view(context):
                    return
                self.tell(f"lost the connection to {self.address.url}; reconnecting")
                self._open, failures = trio.Event(), 0
            except Trouble as trouble:
                if trouble.code != UNREACHABLE or not self._seen:
                    raise
            failures += 1
            await trio.sleep(BACKOFF.delay(failures))

    async def send(self, event: str, **fields: object) -> None:
        """Send a frame as soon as there is a connection; it can be lost with the connection."""
        text = json.dumps({"event": event, **fields})
        while True:
            await self._open.wait()
            try:
                return await self._link.send_message(text)
            except ConnectionClosed:
                await trio.sleep(BACKOFF.first)  # follow() is about to notice

    async def _view(self, context: ssl.SSLContext | None) -> bool:
        """Read until the connection ends; return true if it must not be reopened. Raises ``Trouble``."""
        try:
            with trio.fail_after(CONNECTING):
                stream = await _connect(self.address, context)
        except (OSError, trio.BrokenResourceError) as error:
            raise unreachable(self.address, error) from None
        except trio.TooSlowError:
            raise unreachable(self.address, OSError("timeout")) from None
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(BEAT):
                    await self._shake_hands(nursery, stream)
                if self._seen:
                    self.tell("reconnected")
                self._seen = True
                self._open.set()
                nursery.start_soon(self._beat)
                if self.joined is not None:
                    nursery.start_soon(self.joined)
                while True:
                    self.take(_read(await self._link.get_message()))
        except Exception as error:  # noqa: BLE001 - a group, whose members are handled one by one
            return self._sort(leaves(error))
        finally:
            await trio.aclose_forcefully(stream)

    async def _shake_hands(self, nursery: trio.Nursery, stream: Stream) -> None:
        parts = urlsplit(self.address.url)
        query = urlencode(self.to_query())
        self._connection = await wrap_client_stream(
            nursery,
            stream,
            parts.netloc,
            f"{parts.path}{self.path}{'?' if query else ''}{query}",
            extra_headers=[(b"Authorization", f"Bearer {self.address.token}".encode())],
            max_message_size=LARGEST,
            receive_buffer_size=65536,
        )

    @property
    def _link(self) -> WebSocketConnection:
        assert self._connection is not None  # noqa: S101 - used after the handshake only
        return self._connection

    async def _beat(self) -> None:
        while True:
            await trio.sleep(BEAT)
            with trio.fail_after(BEAT):
                await self._link.ping()

    def _sort(self, errors: list[BaseException]) -> bool:
        """Return true if a connection that ended with ``errors`` must stay closed; raises other errors."""
        for error in errors:
            if not isinstance(error, _LOST):
                raise error
        for error in errors:
            if isinstance(error, ConnectionRejected):
                self._refuse(error)
            if isinstance(error, ConnectionClosed) and error.reason is not None:
                if error.reason.code == DELETED:
                    return True
                if error.reason.code == REVOKED:
                    raise Trouble(REFUSED, "the daemon no longer accepts the token")
        if not self._open.is_set():
            raise unreachable(self.address, OSError("the WebSocket handshake failed"))
        return False

    def _refuse(self, rejected: ConnectionRejected) -> None:
        """Raise the daemon's error, unless the daemon is starting or stopping."""
        if rejected.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and self._seen:
            return
        try:
            said = json.loads(rejected.body or b"")
        except ValueError:
            said = {}
        fields = said if isinstance(said, dict) else {}
        raise to_trouble(rejected.status_code, fields, self.path, self.address)


async def _connect(address: Address, context: ssl.SSLContext | None) -> Stream:
    host, port = urlsplit(address.url).hostname or "", to_port(address.url)
    if context is None:
        return await trio.open_tcp_stream(host, port)
    stream = await trio.open_ssl_over_tcp_stream(host, port, ssl_context=context, https_compatible=True)
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


def _read(message: str | bytes) -> Frame:
    try:
        frame = json.loads(message)
    except ValueError:
        frame = None
    if not isinstance(frame, dict):
        raise Trouble(FAILED, "received a frame that is not from lightd")
    return frame
