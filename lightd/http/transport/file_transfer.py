"""Bodies that bypass Python: from a file to a socket and back, in threads, a piece at a time.

- A thread is used only while bytes move; waiting for the client is done in Trio. So slow clients use no
  thread. A fast one can keep its own for some milliseconds more.
- A thread works on a handle of its own on the socket (`dup`). The connection may be closed meanwhile, and
  its descriptor's number given to another client.
- h11 counts what is sent, and never sees it. What is received it doesn't even count: to it that body is
  still to come, so it ends the connection with the answer.
- TCP is the pace: while the disk is slow the client's window stays shut.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket as sockets
import struct
import termios
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import attrs
import trio
from werkzeug.exceptions import ClientDisconnected, RequestTimeout

T = TypeVar("T")

MESSAGE: Final = "lightd.response.file"
CALL: Final = "lightd.call"

LARGE: Final = 1 << 20
"""A body declared to be of so many bytes is not read before the application asks for it."""

BURST: Final = 16 << 20
"""Bytes that one hop into a thread moves at most, so that others get their turn."""

LONGEST: Final = 0.1
"""Seconds that a hop goes on for, however fast a client is, or however slowly it takes its burst."""

FAST: Final = 256 << 10
LINGER: Final = 5
"""A hop that has moved so many bytes waits so many milliseconds for more before it gives its thread back."""

BUFFER: Final = 1 << 20
COPIED: Final = 512 << 10

UNSENT: Final = 16 << 10
TCP_NOTSENT_LOWAT: Final = 25
"""Of tcp(7); Python names it from 3.12 on."""


class Run(Protocol):
    """Runs work that may block on a disk, in a thread."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


@attrs.frozen(eq=False)
class Part:
    """The bytes of an open file from ``start`` to before ``stop``."""

    descriptor: int
    start: int
    stop: int
    run: Run

    def __len__(self) -> int:
        return self.stop - self.start


@attrs.frozen(eq=False)
class Sink:
    """Where a body goes: ``write`` blocks, and is called through ``run``."""

    write: Callable[[memoryview], None]
    run: Run


@attrs.define(eq=False)
class Hold:
    """Whether the reader of a connection waits for the application to ask for the body."""

    holding: bool = False
    held: trio.Event = attrs.field(factory=trio.Event)
    _released: trio.Event = attrs.field(factory=trio.Event)

    def begin(self) -> None:
        """The reader stops before it reads again; ``held`` is set when it has come there."""
        self.holding, self.held, self._released = True, trio.Event(), trio.Event()

    def release(self) -> None:
        self.holding = False
        self._released.set()

    async def wait_released(self) -> None:
        if self.holding:
            self.held.set()
            await self._released.wait()


def to_message(part: Part) -> Any:  # noqa: ANN401 - one that ASGI doesn't have
    """The message in which the application sends ``part``."""
    return {"type": MESSAGE, "part": part}


def to_part(message: Any) -> Part | None:  # noqa: ANN401 - as above
    """What ``to_message`` was made of; None where ``message`` is another."""
    return message["part"] if message is not None and message["type"] == MESSAGE else None


def declared(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The length of the body that a request announces, 0 where it doesn't say."""
    found = dict(headers)
    return 0 if b"transfer-encoding" in found else int(found.get(b"content-length", 0))


@contextlib.contextmanager
def _lent(socket: sockets.socket) -> Iterator[sockets.socket]:
    if socket.fileno() == -1:
        raise trio.ClosedResourceError
    handle = socket.dup()
    try:
        yield handle
    finally:
        handle.close()


async def send(socket: sockets.socket, part: Part, stall: float, _write: object = None) -> bool:
    """All of `part` is with the kernel: true. The client took nothing for `stall` seconds, or the file is
    shorter by now: false. Raises OSError and trio.ClosedResourceError when the socket is gone.
    """
    at = part.start
    with _lent(socket) as handle:
        while at < part.stop:
            if not await _wait_room(socket, handle, stall):
                return False
            sent = await part.run(partial(_send_some, handle, part, at))
            if sent == 0:
                return False
            at += max(sent, 0)
    return True


async def _wait_room(socket: sockets.socket, handle: sockets.socket, stall: float) -> bool:
    """Wait for a third of the socket's buffer to be free; give up when not a byte leaves it for so long."""
    before = _queued(handle)
    while socket.fileno() != -1:  # it may be closed while a thread is at work, and while nothing waits
        with trio.move_on_after(stall):
            await trio.lowlevel.wait_writable(socket)
            return True
        now = _queued(handle)
        if now >= before:
            return False
        before = now
    return False


def _queued(handle: sockets.socket) -> int:
    """Bytes that the client hasn't taken yet (tcp(7), SIOCOUTQ)."""
    answer = fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, bytes(4))
    return int(struct.unpack("i", answer)[0])


def _send_some(handle: sockets.socket, part: Part, at: int) -> int:
    """How many bytes went; 0: the file ends here, -1: there was no room."""
    begun, over = at, time.monotonic() + LONGEST
    until = min(part.stop, at + BURST)
    while at < until and (at == begun or time.monotonic() < over):
        try:
            sent = os.sendfile(handle.fileno(), part.descriptor, at, until - at)
        except BlockingIOError:
            if at - begun >= FAST and _soon(handle, select.POLLOUT):
                continue
            return at - begun or -1
        if sent == 0:
            break
        at += sent
    return at - begun


async def send_copied(
    _socket: object, part: Part, _stall: float, write: Callable[[bytes], Awaitable[None]]
) -> bool:
    """As `send`, through `write`, which has its own deadline: for a connection that is encrypted."""
    at = part.start
    while at < part.stop:
        piece = await part.run(partial(os.pread, part.descriptor, min(COPIED, part.stop - at), at))
        if not piece:
            return False
        await write(piece)
        at += len(piece)
    return True


async def receive(socket: sockets.socket, size: int, patience: float | None, sink: Sink) -> None:
    """The next `size` bytes that arrive are written to `sink`.

    Raises RequestTimeout when none come for `patience` seconds, ClientDisconnected, and what `sink` raises.
    """
    try:
        with _lent(socket) as handle:
            buffer = memoryview(bytearray(min(size, BUFFER)))
            while size > 0:
                if socket.fileno() == -1:
                    raise ClientDisconnected
                with trio.move_on_after(float("inf") if patience is None else patience) as waiting:
                    await trio.lowlevel.wait_readable(socket)
                if waiting.cancelled_caught:
                    raise RequestTimeout
                taken = await sink.run(partial(_receive_some, handle, buffer, size, sink.write))
                if taken == 0:
                    raise ClientDisconnected
                size -= max(taken, 0)
    except (ConnectionError, trio.ClosedResourceError):
        raise ClientDisconnected from None


def _receive_some(
    handle: sockets.socket, buffer: memoryview, size: int, write: Callable[[memoryview], None]
) -> int:
    """How many bytes came; 0: the client has ended, -1: there was nothing."""
    taken = filled = 0
    over = time.monotonic() + LONGEST
    size = min(size, BURST)
    while taken < size and (taken == 0 or time.monotonic() < over):
        try:
            count = handle.recv_into(buffer[filled : filled + size - taken])
        except BlockingIOError:
            if taken >= FAST and _soon(handle, select.POLLIN):
                continue
            if taken == 0:
                return -1
            break
        if count == 0:
            break
        taken += count
        filled += count
        if filled == len(buffer):
            write(buffer)
            filled = 0
    if filled:
        write(buffer[:filled])
    return taken


def _soon(handle: sockets.socket, event: int) -> bool:
    """Whether it can go on at once or nearly so: a hop into a thread takes longer than that."""
    poll = select.poll()
    poll.register(handle, event)
    return bool(poll.poll(LINGER))


@contextlib.contextmanager
def little_unsent(socket: sockets.socket) -> Iterator[None]:
    """Beyond what the client's window lets go, the kernel holds ``UNSENT`` bytes of what is sent, no more."""
    with contextlib.suppress(OSError):
        socket.setsockopt(sockets.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            socket.setsockopt(sockets.IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0)
