"""The connection of one process to the daemon, on asyncio.

The daemon may be restarted at any time. A request then waits for the next connection, which the listener
makes, because this process sees no socket of the daemon's any more: it asks on ``control`` with one byte and
gets the descriptor of a new connection. Each starts with what ``greet`` returns.
"""

import array
import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

import attrs

from lightd.sftp import wire
from lightd.sftp.server.words import ENTERED, LOST

PATIENCE: Final = 30.0
"""Seconds that a request waits for a daemon that is being restarted."""

_DESCRIPTORS: Final = array.array("i", [0]).itemsize


class LinkLost(OSError):  # noqa: N818 - names the state
    """The daemon did not answer in time."""


def receive(sock: socket.socket) -> tuple[bytes, int | None]:
    """Return one message and the descriptor that came with it; an empty one at the end."""
    data, ancillary, _, _ = sock.recvmsg(
        wire.LONGEST, socket.CMSG_SPACE(_DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
    )
    descriptor = None
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            (descriptor,) = array.array("i", content[:_DESCRIPTORS])
    return data, descriptor


@attrs.define(eq=False)
class Link:
    """See the module. ``on_message`` gets what comes unasked; ``greet`` is the first request, or None.

    ``on_greeted`` gets the answer to the greeting of a later connection.
    """

    _sock: socket.socket
    _control: socket.socket
    on_message: Callable[[wire.Answer], None]
    on_greeted: Callable[[wire.Answer], None]
    greet: Callable[[], wire.Request | None]
    _waiting: deque[asyncio.Future[tuple[wire.Answer, int | None]]] = attrs.field(factory=deque)
    _up: asyncio.Event = attrs.field(factory=asyncio.Event)
    lost_at: float | None = None
    """When the connection was lost, on the loop's clock; None while there is one."""

    def open(self) -> None:
        """Begin to read; must be called in a running loop."""
        loop = asyncio.get_running_loop()
        self._sock.setblocking(False)  # noqa: FBT003 - the standard library's own
        self._control.setblocking(False)  # noqa: FBT003 - as above
        loop.add_reader(self._sock, self._read)
        loop.add_reader(self._control, self._read_control)
        self._up.set()

    async def ask(self, request: wire.Request) -> tuple[wire.Answer, int | None]:
        """Return the daemon's answer, with a descriptor. Raises ``LinkLost``."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    await self._up.wait()
                    answer: asyncio.Future[tuple[wire.Answer, int | None]] = asyncio.Future()
                    if not self._send(request, answer):
                        continue
                    try:
                        return await answer
                    except ConnectionError:
                        continue
        except TimeoutError:
            raise LinkLost("the daemon does not answer") from None

    def enter(self) -> None:
        """Tell the listener that the client has logged in."""
        with suppress(OSError):
            self._control.send(ENTERED)

    def tell(self, report: wire.Report) -> bool:
        """Send what needs no answer; return false if there is no daemon now, or it does not read."""
        return self._up.is_set() and self._send(report, None)

    def _send(
        self, request: wire.Request, answer: asyncio.Future[tuple[wire.Answer, int | None]] | None
    ) -> bool:
        try:
            self._sock.send(wire.to_bytes(request))
        except BlockingIOError:
            return False
        except OSError:
            self._lose()
            return False
        if answer is not None:
            self._waiting.append(answer)
        return True

    def _read(self) -> None:
        try:
            data, descriptor = receive(self._sock)
        except BlockingIOError:
            return
        except OSError:
            data, descriptor = b"", None
        if not data:
            self._lose()
            return
        message = wire.from_bytes(data)
        if isinstance(message, wire.End | wire.Deny):
            self.on_message(message)
            return
        waiting = self._waiting.popleft()
        if not waiting.done():
            waiting.set_result((cast(wire.Answer, message), descriptor))

    def _lose(self) -> None:
        loop = asyncio.get_running_loop()
        if self.lost_at is not None:
            return
        loop.remove_reader(self._sock)
        self._sock.close()
        self._up.clear()
        self.lost_at = loop.time()
        waiting = list(self._waiting)
        self._waiting.clear()
        for each in waiting:
            if not each.done():
                each.set_exception(ConnectionError("the daemon is gone"))
        if self.greet() is None:
            self.on_message(wire.End("the daemon is being restarted"))
            return
        try:
            self._control.send(LOST)
        except OSError:
            return  # the listener is gone: ``lost_at`` decides

    def _read_control(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            data, descriptor = receive(self._control)
        except BlockingIOError:
            return
        except OSError:
            data, descriptor = b"", None
        if not data:
            loop.remove_reader(self._control)
            return
        if descriptor is None or self.lost_at is None:
            return
        self._sock = socket.socket(fileno=descriptor)
        self._sock.setblocking(False)  # noqa: FBT003 - the standard library's own
        self.lost_at = None
        loop.add_reader(self._sock, self._read)
        greeting = self.greet()
        answer: asyncio.Future[tuple[wire.Answer, int | None]] = asyncio.Future()
        answer.add_done_callback(self._greeted)
        if greeting is not None and self._send(greeting, answer):
            self._up.set()

    def _greeted(self, answer: "asyncio.Future[tuple[wire.Answer, int | None]]") -> None:
        if answer.exception() is None:
            self.on_greeted(answer.result()[0])
