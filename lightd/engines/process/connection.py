"""A connection to a supervisor's socket."""

import socket
from typing import Final

READ: Final = 64 * 1024


class Connection:
    """A connection to the socket; its purpose is known when the first line has arrived."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream, self.role, self.head, self.over = stream, "", b"", False
        self.unsent = bytearray()
        stream.setblocking(False)  # noqa: FBT003 - the standard library's own

    def send(self, data: bytes) -> None:
        self.unsent += data
        try:
            while self.unsent:
                del self.unsent[: self.stream.send(self.unsent[:READ])]
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def receive(self) -> bytes:
        try:
            data = self.stream.recv(READ)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self.close()
        return data

    def close(self) -> None:
        self.unsent.clear()
        self.over = True
        self.stream.close()
