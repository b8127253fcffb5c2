"""A console for many viewers: lightd's on the fake engine; a bare asyncio server that frames and writes; and
the floor, a loop of ``send`` over the same sockets, which is what the kernel takes whoever asks it.

As a program it prints its address, and then does what each line of its stdin asks for (a ``Reading``): it
prints lines at that rate, and answers with the processor time that this took it.
"""

import asyncio
import json
import math
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from lightd import daemon
from lightd.config.sections import Authorization, Configuration, Docker, Server, Storage
from lightd.http.app import make_app
from lightd.http.live import frames, pacing
from lightd.http.live.hub import open_hub
from lightd.http.transport.server import Address, open_server
from lightd.http.transport.settings import Settings
from tests.bench.node import Past, a_spec, open_filled, write
from tests.support.daemon import TOKEN

PATH = f"/ws/{a_spec(1).internal_id}?token={TOKEN}"
SETTLED = 1.0
SLOW = pacing.SLOW
PATIENT = Settings(write_stall=120.0)
"""One who stalls stays for the whole of a reading, and would else be cut off after ten seconds."""
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
OURS, BARE, FLOOR = "ours", "bare", "floor"


@attrs.frozen
class Reading:
    """``chunk`` lines at a time, ``rate`` lines a second, of ``width`` bytes; ``single``: none is batched."""

    rate: int
    seconds: float
    chunk: int = 1
    width: int = 80
    single: bool = False

    @property
    def lines(self) -> int:
        return int(self.rate * self.seconds) // self.chunk * self.chunk

    @property
    def pause(self) -> float:
        return self.chunk / self.rate

    def text(self) -> str:
        """The next lines. ``@`` stands once in each, before the time."""
        return f"@{time.monotonic_ns():020} ".ljust(self.width - 1, ".") + "\n"


def framed(text: str, number: int) -> bytes:
    return frames.to_frame({"event": "console", "data": text, "line": number})


async def serve_ours(folder: Path) -> None:
    config = Configuration(
        server=Server("127.0.0.1", 0, viewers_per_container=10_000),
        authorization=Authorization(token=TOKEN),
        docker=Docker(),
        storage=Storage(folder, containers_path=folder / "containers", volumes_path=folder / "volumes"),
        node="bench",
    )
    past = Past(1, runs=1, running=True)
    await write(folder, past)
    async with (
        daemon.open_system(config, lambda *_: open_filled(past)) as system,
        open_hub(system.bus) as stations,
        open_server(make_app(system, stations), [Address("127.0.0.1", 0)], settings=PATIENT) as front,
    ):
        print(f"http://{front.addresses[0]}", flush=True)
        console = next(iter(system.fleet)).console
        while asked := await trio.to_thread.run_sync(sys.stdin.readline):
            reading = Reading(**json.loads(asked))
            pacing.SLOW = math.inf if reading.single else SLOW
            begun, cpu = trio.current_time(), time.process_time()
            for turn in range(reading.lines // reading.chunk):
                console.write((reading.text() * reading.chunk).encode())
                await trio.sleep_until(begun + (turn + 1) * reading.pause)
            await trio.sleep(0.1)
            print(time.process_time() - cpu, flush=True)


class Bare(asyncio.Protocol):
    """One viewer of the bare server."""

    viewers: set[asyncio.Transport] = set()  # noqa: RUF012 - there is one such server

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self._transport.write(ANSWER + framed("hello", 0))
            self.viewers.add(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self.viewers.discard(self._transport)


async def serve_bare() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Bare, "127.0.0.1", 0, backlog=1024)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    number = 0
    while asked := await loop.run_in_executor(None, sys.stdin.readline):
        reading = Reading(**json.loads(asked))
        begun, cpu = loop.time(), time.process_time()
        for turn in range(reading.lines // reading.chunk):
            frame = framed(reading.text() * reading.chunk, number)
            number += reading.chunk
            for transport in tuple(Bare.viewers):
                transport.write(frame)
            await asyncio.sleep(begun + (turn + 1) * reading.pause - loop.time())
        await asyncio.sleep(0.1)
        print(time.process_time() - cpu, flush=True)


def serve_floor() -> None:
    """Every line is framed once and sent in a plain loop: no event loop, and nobody's state is looked at."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print("http://{}:{}".format(*listener.getsockname()), flush=True)
    viewers: list[socket.socket] = []
    threading.Thread(target=greet_all, args=(listener, viewers), daemon=True).start()
    number = 0
    while asked := sys.stdin.readline():
        reading = Reading(**json.loads(asked))
        sends = [viewer.send for viewer in viewers]
        begun, cpu = time.monotonic(), time.process_time()
        for turn in range(reading.lines // reading.chunk):
            frame = framed(reading.text() * reading.chunk, number)
            number += reading.chunk
            for send in sends:
                send(frame)
            time.sleep(max(0.0, begun + (turn + 1) * reading.pause - time.monotonic()))
        print(time.process_time() - cpu, flush=True)


def greet_all(listener: socket.socket, viewers: list[socket.socket]) -> None:
    while True:
        viewer, _ = listener.accept()
        viewer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += viewer.recv(4096)
        viewer.sendall(ANSWER + framed("hello", 0))
        viewers.append(viewer)


@attrs.define
class Child:
    """A program of this folder that answers each line of its stdin with one."""

    process: subprocess.Popen[str]

    def tell(self, value: Any) -> None:
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        line = self.process.stdout.readline().strip()
        assert line, "the program has ended"
        return line


@contextmanager
def open_child(module: str, *arguments: str) -> Iterator[Child]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield Child(process)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def open_console(kind: str) -> Iterator[tuple[Child, str]]:
    """A console of that kind in a process of its own, and its address."""
    with open_child("tests.bench.broadcast", kind) as child:
        url = child.hear()
        time.sleep(SETTLED)
        yield child, url


def main() -> None:
    if sys.argv[1] == BARE:
        asyncio.run(serve_bare())
    elif sys.argv[1] == FLOOR:
        serve_floor()
    else:
        with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
            trio.run(serve_ours, Path(folder))


if __name__ == "__main__":
    main()
