"""Clients that cost next to nothing, so that what is measured is the server."""

import base64
import contextlib
import http.client
import json
import os
import socket
import threading
import urllib.parse
from typing import Any

from tests.support.daemon import HEADERS, TOKEN

PIECE = 256 * 1024


class Api:
    """One kept connection to lightd."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=120)

    def call(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        data = None if body is None else json.dumps(body)
        self._connection.request(method, target, data, HEADERS)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status < 400, text
        return json.loads(text)

    def power(self, internal_id: str, action: str) -> None:
        answer = self.call("POST", f"/containers/{internal_id}/{action}", wait=60)
        assert answer["status"] == "succeeded", answer


class Viewer:
    """A WebSocket on a container's console, read in a thread of its own, or by nobody."""

    def __init__(self, url: str, internal_id: str, *, reads: bool) -> None:
        where = urllib.parse.urlsplit(url)
        self._socket = socket.create_connection((where.hostname, where.port))
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /ws/{internal_id}?token={TOKEN} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert b" 101 " in self._socket.recv(13), "the socket was refused"
        self.received = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        if reads:
            self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while piece := self._socket.recv(PIECE):
                self.received += len(piece)

    def until(self, text: bytes) -> None:
        """Read on until ``text`` came; only where nobody else reads."""
        found = b""
        while text not in found:
            piece = self._socket.recv(PIECE)
            assert piece, "the socket was closed"
            found = found[-len(text) :] + piece

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
