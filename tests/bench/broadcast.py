"""A console for many viewers: lightd's on the fake engine, or a bare asyncio server that frames and writes.

As a program it prints its address, and then does what each line of its stdin asks for (a ``Reading``): it
prints lines at that rate, and answers with the processor time that this took it.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from lightd import daemon
from lightd.config import Authorization, Configuration, Docker, Server, Storage
from lightd.http import frames, sessions
from tests.bench.node import Past, a_spec, open_filled, write
from tests.live.daemon import TOKEN

PATH = f"/ws/{a_spec(1).internal_id}?token={TOKEN}"
SETTLED = 1.0
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
OURS, BARE = "ours", "bare"


@attrs.frozen
class Reading:
    """``chunk`` lines at a time, ``rate`` lines a second, of ``width`` bytes."""

    rate: int
    seconds: float
    chunk: int = 1
    width: int = 80

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
    sessions.MOST_SESSIONS = 10_000
    config = Configuration(
        server=Server("127.0.0.1", 0),
        authorization=Authorization(token=TOKEN),
        docker=Docker(),
        storage=Storage(folder, containers_path=folder / "containers", volumes_path=folder / "volumes"),
        node="bench",
    )
    past = Past(1, runs=1, running=True)
    await write(folder, past)
    async with (
        daemon.open_system(config, lambda _: open_filled(past)) as system,
        daemon.open_front(system) as addresses,
    ):
        print(addresses[0], flush=True)
        console = next(iter(system.fleet)).console
        while asked := await trio.to_thread.run_sync(sys.stdin.readline):
            reading = Reading(**json.loads(asked))
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
    else:
        with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
            trio.run(serve_ours, Path(folder))


if __name__ == "__main__":
    main()
