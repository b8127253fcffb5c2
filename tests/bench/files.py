"""One large file up and down: what lightd's content routes move a second, beside nginx or a bare server.

Nginx sends with sendfile and takes with its own PUT, to the same disk. Where there is none, the yardstick is
a bare asyncio server that does the same with sendfile and plain writes.
"""

import asyncio
import http.client
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import attrs

from tests.bench import figures, nginx, process
from tests.bench.broadcast import open_child
from tests.bench.clients import Api
from tests.bench.node import Past, open_node
from tests.live.daemon import HEADERS

SIZE = 256 * 1024 * 1024
SMALL = 32 * 1024 * 1024
PIECE = 1024 * 1024
LEAST = 0.6
"""Of the yardstick's bytes a second."""
END = b"\r\n\r\n"


@attrs.define
class Place:
    """Where a file can be sent to and fetched from; ``cpu`` has the server's seconds of processor each."""

    url: str
    pid: int
    target: str
    size: int
    cpu: list[float] = attrs.field(factory=list)

    def up(self) -> float:
        return self._rate("PUT")

    def down(self) -> float:
        return self._rate("GET")

    def _rate(self, method: str) -> float:
        """MiB a second."""
        before, begun = process.cpu_seconds(self.pid), time.perf_counter()
        status = self.ask(method)
        taken = time.perf_counter() - begun
        assert status < HTTPStatus.BAD_REQUEST, status
        self.cpu.append(process.cpu_seconds(self.pid) - before)
        return self.size / taken / 1024**2

    def ask(self, method: str) -> int:
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=120)
        body = (bytes(PIECE) for _ in range(self.size // PIECE)) if method == "PUT" else None
        length = {"Content-Length": str(self.size)} if method == "PUT" else {}
        connection.request(method, self.target, body, {**HEADERS, **length})
        answer = connection.getresponse()
        received = 0
        while count := answer.readinto(_ROOM):
            received += count
        assert method == "PUT" or answer.status >= HTTPStatus.BAD_REQUEST or received == self.size, received
        connection.close()
        return answer.status


_ROOM = bytearray(PIECE)


def run(report: figures.Report, *, quick: bool) -> None:
    size, rounds = (SMALL, 2) if quick else (SIZE, 5)
    name = f"{size // 1024**2} MiB"
    past = Past(0)
    with tempfile.TemporaryDirectory(prefix="lightd-bench-") as folder:
        home, other = Path(folder) / "lightd", Path(folder) / "other"
        home.mkdir()
        other.mkdir()
        Path(folder).chmod(0o755)
        with open_node(home, past) as node, _beside(other) as (yardstick, url, pid):
            volume_id = Api(node.url).call("POST", "/volumes")["volume_id"]
            target = f"/volumes/{volume_id}/files/content?path=large"
            ours, theirs = Place(node.url, node.process.pid, target, size), Place(url, pid, "/large", size)
            if attrs.evolve(ours, size=PIECE).ask("PUT") == HTTPStatus.NOT_FOUND:
                report.skip(
                    "files", f"{name} up and down (goal {LEAST})", "this lightd has no content routes"
                )
                return
            for way, calls in (("up", (ours.up, theirs.up)), ("down", (ours.down, theirs.down))):
                ours.cpu.clear()
                theirs.cpu.clear()
                found = figures.in_turns(rounds, *calls)
                own, beside = map(figures.median, found)
                figure = figures.Figure("files", f"{name} {way}", own, "MiB/s", yardstick, beside, LEAST)
                report.add(attrs.evolve(figure, more_is_better=True))
                own, beside = (figures.median(place.cpu) * 1024**3 / size for place in (ours, theirs))
                report.add(
                    figures.Figure("files", f"{name} {way}, CPU for a GiB", own, "s", yardstick, beside)
                )


@contextmanager
def _beside(folder: Path) -> Iterator[tuple[str, str, int]]:
    """What it is called, its address and its process."""
    if nginx.find():
        files = folder / "files"
        files.mkdir()
        folder.chmod(0o777)
        files.chmod(0o777)
        with nginx.open_nginx(folder, f"root {files}; dav_methods PUT; client_body_buffer_size 1m;") as found:
            yield "nginx", found.url, found.pid
    else:
        print(f"files: {nginx.MISSING}: a bare asyncio server with sendfile stands for it")
        with open_child("tests.bench.files", str(folder)) as child:
            yield "bare asyncio", child.hear(), child.process.pid


async def serve(folder: Path) -> None:
    """Answer GET with sendfile, and PUT by writing what comes, for a file in ``folder``."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(END)
        method, target, *_ = head.split()
        path = folder / target.decode().strip("/")
        if method == b"PUT":
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            left = int(lengths[0].partition(b":")[2])
            with path.open("wb") as file:
                while left:
                    piece = await reader.read(PIECE)
                    file.write(piece)
                    left -= len(piece)
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        else:
            size = path.stat().st_size
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            await writer.drain()
            with path.open("rb") as file:
                await asyncio.get_running_loop().sendfile(writer.transport, file)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=PIECE)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
