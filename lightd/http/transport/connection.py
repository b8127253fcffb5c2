"""One connection: its tasks, its deadlines, its socket.

The rules:

1. One task reads; a task for each call of the application runs next to it. No timers: the reader waits
   until the protocol's deadline, then asks the protocol what is due. It reads no faster than the
   application does; a client that disconnects meanwhile is found by the server's sweep.
2. The deadline applies while the reader waits for the client, and never while data is handled. Both are in
   one scope as long as nothing is due: to open a scope costs as much as to parse half a request. If data
   arrives at the very moment of the deadline, it is handled first.
3. A task that ends the connection cancels the reader. When the reader ends, the application's call is
   cancelled, and the socket is closed last.
4. `life` shields all of it from the daemon's own cancellation, so that WebSockets are closed properly; only
   the server cancels it, at the end of the grace period.
5. A large body is not read before the application asks for it, which can take over the reading
   (`file_transfer`).
6. Writers take turns. A write that makes no progress for `write_stall` seconds aborts the socket, and so
   does the end of the grace period; a client can delay neither (Hypercorn's send is shielded and has no
   deadline: pgjones/hypercorn#262).
"""

from __future__ import annotations

import contextlib
import math
import select
import socket as sockets
import struct
from collections.abc import Callable
from typing import cast

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper
from hypercorn.utils import parse_socket_addr

from lightd.http.transport import file_transfer, protocol, websocket
from lightd.http.transport.app_calls import Calls
from lightd.http.transport.settings import Settings

RECEIVE_SIZE = 64 * 1024
ABORT = struct.pack("ii", 1, 0)


class Connection:
    """Serves one client until either side ends the connection; `run` returns when the socket is closed.

    It takes the place of Hypercorn's `TCPServer`, which none of the rules above could be patched into.
    """

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        settings: Settings,
        socket: sockets.socket,
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
    ) -> None:
        self.settings = settings
        self.life = trio.CancelScope(shield=True)
        self._app = app
        self._config = config
        self._context = context
        self._socket = socket
        self._stream = stream
        self.encrypted = isinstance(stream, trio.SSLStream)
        self._reader = trio.CancelScope()
        self._receiving = trio.CancelScope()
        self._turn = trio.Semaphore(1, max_value=1)
        self._direct = False
        self._barred = True
        self._listening = False
        self._closed = False
        self._ended_by_client = False
        self._nursery: trio.Nursery | None = None
        self._http: protocol.Http11 | None = None
        self.hold = file_transfer.Hold()
        self.proven = False
        self.on_proven: Callable[[], None] = lambda: None

    async def run(self) -> None:
        try:
            with self.life:
                if await self._shake_hands():
                    await self._serve()
                    await self._part()
        finally:
            self._close()

    async def _shake_hands(self) -> bool:
        if not isinstance(self._stream, trio.SSLStream):
            return True
        with trio.move_on_after(self.settings.tls_handshake_timeout):
            try:
                await self._stream.do_handshake()
            except trio.BrokenResourceError:
                return False
            return True
        return False

    async def _serve(self) -> None:
        try:
            client = parse_socket_addr(self._socket.family, self._socket.getpeername())
            server = parse_socket_addr(self._socket.family, self._socket.getsockname())
        except OSError:
            return  # reset before it was accepted
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._http = http = protocol.Http11(
                self, self._app, self._config, self._context, Calls(nursery, self), {},
                self.encrypted, client, server, self.send,
            )  # fmt: skip
            with self._reader:
                await self._read(http)
            await http.handle(Closed())
            nursery.cancel_scope.cancel()

    async def _read(self, http: protocol.Http11) -> None:
        while True:
            data = await self._read_on(http)
            if data is None:
                self._listening = False
                await http.overdue()
            else:
                await http.handle(RawData(data))
                if not data:
                    return

    async def _read_on(self, http: protocol.Http11) -> bytes | None:
        """Handle data until something is due, then return None; or data of that moment; b"" at the end."""
        with trio.CancelScope() as self._receiving:
            while True:
                data = await self._listen(http)
                if not data or self._receiving.cancel_called:
                    return data
                await http.handle(RawData(data))
        return None

    async def _listen(self, http: protocol.Http11) -> bytes:
        if self.hold.holding:
            await self.hold.wait_released()
        deadline = http.deadline()
        if deadline != self._receiving.deadline:  # to set one costs as much whether it changes or not
            self._receiving.deadline = deadline
        self._listening = True
        try:
            data = await self._receive()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        self._listening = False
        self._receiving.deadline = math.inf
        self._ended_by_client = not data
        return data

    async def _receive(self) -> bytes:
        if self.encrypted:
            return bytes(await self._stream.receive_some(RECEIVE_SIZE))
        while not self._closed:
            # To try first would be a system call and an exception for nothing: mostly nothing is there yet.
            await trio.lowlevel.wait_readable(self._socket)
            with contextlib.suppress(BlockingIOError):
                return self._socket.recv(RECEIVE_SIZE)
        return b""

    def rearm(self) -> None:
        """Take over the protocol's deadline, which has changed."""
        if self._http is not None and self._listening:
            self._receiving.deadline = self._http.deadline()

    def end_if_left(self) -> None:
        """End the connection if its client has disconnected while the reader waits for the application.

        The reader would see it only after what the client sent before, which may be when the handler is done.
        """
        if not self._listening and not self._closed and self._http is not None:
            poll = select.poll()
            poll.register(self._socket, select.POLLRDHUP)
            if poll.poll(0):
                self._ended_by_client = True
                self._reader.cancel()

    async def invite_body(self) -> None:
        if self._http is not None:
            await self._http.invite_body()

    def prove(self) -> None:
        """Record that the client has shown a valid token."""
        if not self.proven:
            self.proven = True
            self.on_proven()

    def drain(self) -> None:
        """Begin the shutdown: end now if idle, after the response of a request, or a WebSocket with 1001."""
        stream = self._http and self._http.stream
        if isinstance(stream, websocket.WebSocketStream) and self._nursery is not None:
            self._nursery.start_soon(stream.leave, 1001, "the daemon is shutting down")
        elif stream is None:
            self._reader.cancel()

    # Writing

    async def send(self, event: Event) -> None:
        kind = type(event)  # they have an abstract base, for which isinstance() takes five times as long
        if kind is Updated:
            self.rearm()
        elif kind is RawData:
            await self.write(cast(RawData, event).data)
        elif kind is Closed:
            self._reader.cancel()

    async def write_file(self, part: file_transfer.Part) -> None:
        """Return when the kernel has all of `part`, or the socket is aborted."""
        async with self._turn:
            if self._closed:
                return
            sent = False
            try:
                sender = file_transfer.send_copied if self.encrypted else file_transfer.send
                sent = await sender(self._socket, part, self.settings.write_stall, self._write_encrypted)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                if not sent:
                    self.abort()

    async def receive_body(self, size: int, patience: float | None, sink: file_transfer.Sink) -> None:
        """As `file_transfer.receive`: past the protocol, which the reader must not be busy with."""
        await file_transfer.receive(self._socket, size, patience, sink)

    async def write(self, data: bytes) -> None:
        """Return when the kernel has all of `data`, or the socket is aborted; no checkpoint if it fits."""
        if self._turn.value and not self.encrypted and not self._closed:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.abort()
                return
            if sent == len(data):
                return
            data = data[sent:]
        try:
            self._turn.acquire_nowait()
        except trio.WouldBlock:
            await self._turn.acquire()
        self._barred = True
        await self._write_in_turn(data)

    async def write_large(self, data: bytes) -> None:
        """As `write`, but the kernel buffers only little of it while the client doesn't read."""
        with file_transfer.little_unsent(self._socket):
            await self.write(cast(bytes, memoryview(data)))

    def to_writer(self, stream: websocket.WebSocketStream) -> Callable[[bytes], bool]:
        """Return the `Socket.write_nowait` of `stream`."""
        send, open_state = self._socket.send, websocket.CONNECTED

        def write_nowait(data: bytes) -> bool:
            if self._barred or stream.state is not open_state or stream.closed:
                return False
            try:
                sent = send(data)
            except OSError:
                return False  # no room; or the client is gone, which the reader will find
            return sent == len(data) or self._write_rest(data[sent:])

        return write_nowait

    def let_direct(self) -> None:
        """Allow direct writes: the handshake is complete."""
        self._direct = not self.encrypted
        self._bar()

    def _bar(self) -> None:
        """Forbid direct writes while another writer is at work, and where they are impossible."""
        self._barred = self._closed or not self._direct or self._turn.value == 0

    def _write_rest(self, rest: bytes) -> bool:
        assert self._nursery is not None  # noqa: S101 - it is there for as long as anything is served
        self._turn.acquire_nowait()
        self._bar()
        self._nursery.start_soon(self._write_in_turn, rest)
        return True

    async def _write_in_turn(self, data: bytes) -> None:
        try:
            if not self._closed:
                await (self._write_encrypted(data) if self.encrypted else self._write_plain(data))
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self.abort()
        finally:
            self._turn.release()
            self._bar()

    async def _write_plain(self, data: bytes) -> None:
        rest = memoryview(data)[self._send_some(data) :]
        if not rest:
            return
        # Shielded, because half a frame cannot be taken back; the deadline moves with every byte taken.
        with trio.CancelScope(shield=True) as stall:
            while rest:
                stall.deadline = trio.current_time() + self.settings.write_stall
                await trio.lowlevel.wait_writable(self._socket)
                rest = rest[self._send_some(rest) :]
        if stall.cancelled_caught:
            self.abort()

    def _send_some(self, data: bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    async def _write_encrypted(self, data: bytes) -> None:
        for start in range(0, len(data), RECEIVE_SIZE):
            with trio.move_on_after(self.settings.write_stall, shield=True) as stall:
                await self._stream.send_all(data[start : start + RECEIVE_SIZE])
            if stall.cancelled_caught:
                self.abort()
                return

    # Ending

    async def _part(self) -> None:
        """Give the client time to read the last response.

        Closing while bytes of the client are unread resets the connection, which can destroy them.
        """
        if self._closed or self._http is None or self._ended_by_client:
            return
        with trio.move_on_after(self.settings.linger):
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                if isinstance(self._stream, trio.SSLStream):
                    await self._stream.aclose()
                elif self._http.refused:
                    await self._stream.send_eof()
                    while await self._stream.receive_some(RECEIVE_SIZE):
                        pass

    def abort(self) -> None:
        """Reset the socket; all tasks that wait for it wake up, and the connection ends."""
        if not self._closed:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, ABORT)
            self._close()
        self._reader.cancel()

    def _close(self) -> None:
        if not self._closed:
            self._closed = self._barred = True
            if self._socket.fileno() != -1:
                trio.lowlevel.notify_closing(self._socket)
                self._socket.close()
