"""The least that can store and send one file over HTTP: ``python -m tests.bench.bare FILE PORT``."""

import os
import socket
import sys
from pathlib import Path

BUFFER = 1 << 20


def serve(client: socket.socket, path: Path) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65536)
    head, _, rest = head.partition(b"\r\n\r\n")
    if head.startswith(b"PUT"):
        (length,) = (
            int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        buffer = memoryview(bytearray(BUFFER))
        with path.with_suffix(".part").open("wb") as file:
            file.write(rest)
            length -= len(rest)
            while length:
                count = client.recv_into(buffer)
                file.write(buffer[:count])
                length -= count
        path.with_suffix(".part").rename(path)
        client.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        return
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        client.sendfile(file)


def main() -> None:
    path, port = Path(sys.argv[1]), int(sys.argv[2])
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            client, _ = listener.accept()
            with client:
                try:
                    serve(client, path)
                except (ConnectionError, ValueError):
                    continue


if __name__ == "__main__":
    main()
