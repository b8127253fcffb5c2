"""Many viewers in a process of their own: they count what comes, and some of them look at the clock.

As a program it prints ``ready`` once all are greeted. ``{"expect": n}`` on its stdin has it answer, once each
of those who read has got n more lines (or after ``PATIENCE`` seconds), with what came, how old it was, and
how many of those who don't read are still connected.
"""

import json
import os
import re
import select
import selectors
import socket
import sys
import time
import urllib.parse
from collections.abc import Sequence

import attrs

PIECE = 256 * 1024
PATIENCE = 5.0
WATCHES = 20
SMALL = 4096
PING, PONG = b"\x89\x00", b"\x8a\x80\x00\x00\x00\x00"
_STAMP = re.compile(rb"@(\d{20})")


@attrs.define(eq=False)
class Viewer:
    """One socket. ``ages`` has how old each line was that came, in milliseconds, where ``watch`` is true."""

    socket: socket.socket
    watch: bool
    received: int = 0
    ages: list[float] = attrs.field(factory=list)
    _rest: bytes = b""

    def read(self) -> None:
        piece = self.socket.recv(PIECE)
        assert piece, "the server has closed a socket"
        self.received += piece.count(b"@")
        if PING in piece:
            self.socket.send(PONG)
        if self.watch:
            now = time.monotonic_ns()
            text = self._rest + piece
            end = 0
            for stamp in _STAMP.finditer(text):
                self.ages.append((now - int(stamp[1])) / 1e6)
                end = stamp.end()
            self._rest = text[max(end, len(text) - 20) :]


def connect(url: str, path: str, *, small: bool) -> socket.socket:
    where = urllib.parse.urlsplit(url)
    connection = socket.socket()
    if small:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    connection.connect((where.hostname, where.port))
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    answer = b""
    while b'"event"' not in answer:
        answer += connection.recv(PIECE)
    assert b" 101 " in answer[:16], answer
    return connection


def is_connected(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return not poll.poll(0)


def at(part: float, found: Sequence[float]) -> float:
    """The age that ``part`` of the lines were younger than."""
    return sorted(found)[min(len(found) - 1, int(part * len(found)))]


def main() -> None:
    url, path, count, stalled = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    kept = [connect(url, path, small=True) for _ in range(stalled)]  # and nobody reads them
    viewers = [Viewer(connect(url, path, small=False), n < WATCHES) for n in range(count)]
    selector = selectors.DefaultSelector()
    for viewer in viewers:
        selector.register(viewer.socket, selectors.EVENT_READ, viewer)
    selector.register(0, selectors.EVENT_READ)
    print("ready", flush=True)
    expected, until, waited_for = 0, 0.0, False
    asked = b""
    while True:
        for key, _ in selector.select(0.05 if waited_for else None):
            if key.data is not None:
                key.data.read()
            elif piece := os.read(0, PIECE):
                asked += piece
            else:
                return
        if asked.endswith(b"\n"):
            expected, until = json.loads(asked)["expect"], time.monotonic() + PATIENCE
            asked, waited_for = b"", True
        if waited_for and (all(v.received >= expected for v in viewers) or time.monotonic() > until):
            ages = [age for viewer in viewers for age in viewer.ages]
            received = [viewer.received for viewer in viewers]
            answer = {
                "received": sum(received),
                "whole": sum(each == expected for each in received),
                "p50": at(0.5, ages) if ages else None,
                "p99": at(0.99, ages) if ages else None,
                "stalled": sum(map(is_connected, kept)),
            }
            print(json.dumps(answer), flush=True)
            waited_for = False
            for viewer in viewers:
                viewer.received = 0
                viewer.ages.clear()


if __name__ == "__main__":
    main()
