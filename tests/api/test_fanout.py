"""Many viewers of one console over real sockets: fast, slow, stuck, resuming, leaving; a million lines."""

import json
import socket
import ssl
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container.state import Phase
from lightd.http import app
from lightd.http.live import broadcast as feeds
from lightd.http.live import session
from lightd.http.transport import server
from tests.api.front import TOKEN, open_api
from tests.rig import engine

pytestmark = pytest.mark.one_python

PIECE = 256 * 1024
STRETCH = 500


@attrs.define(eq=False)
class Watcher:
    """A viewer that checks each frame as it comes, and keeps the numbers only."""

    stream: trio.SocketStream
    line: int | None = None
    lines: int = 0
    gaps: int = 0
    missed: int = 0
    order: list = attrs.field(factory=list)
    _rest: bytes = b""

    async def read(self, most=PIECE):
        """Read once, and check what came; false at the end."""
        piece = await self.stream.receive_some(most)
        self._rest += piece
        while (framed := self._cut()) is not None:
            self._check(json.loads(framed))
        return bool(piece)

    async def read_to(self, line):
        with trio.fail_after(30):
            while (self.line or 0) < line:
                assert await self.read(), "the socket was closed"

    def _cut(self):
        """The next frame's text, None where it hasn't come to its end."""
        data = self._rest
        size, start = data[1] if len(data) > 1 else 0, 2
        if size == 126:
            size, start = int.from_bytes(data[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10]), 10
        if len(data) < 4 or data[0] != 0x81 or len(data) < start + size:
            return None
        self._rest = data[start + size :]
        return data[start : start + size]

    def _check(self, frame):
        match frame["event"]:
            case "console":
                first, *others = frame["data"].removesuffix("\n").split("\n")
                number = frame["line"]
                assert self.line is None or number == self.line + 1, (number, self.line)
                for n, text in enumerate([first, *others]):
                    assert text.startswith(("Ready", f"{number + n} ")), (
                        number + n,
                        text[:20],
                    )
                self.line = number + len(others)
                self.lines += 1 + len(others)
            case "gap":
                assert frame["next_line"] == self.line + frame["missed"] + 1
                self.line = frame["next_line"] - 1
                self.gaps += 1
                self.missed += frame["missed"]
            case "event":
                self.order.append((frame["data"], frame["seq"], self.line))

    @property
    def events(self):
        return [seq for _, seq, _ in self.order]


@asynccontextmanager
async def watching(api, query="", *, line=None, window=None, path="/s1"):
    host, port = api.url.removeprefix("http://").split(":")
    connection = trio.socket.socket()
    if window:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    await connection.connect((host, int(port)))
    async with trio.SocketStream(connection) as stream:
        await shake_hands(stream, path + f"?token={TOKEN}{query}")
        watcher = Watcher(stream, line)
        while not watcher.order and path != "":
            await watcher.read()  # the greeting
        yield watcher


async def shake_hands(stream, path):
    await stream.send_all(
        f"GET /ws{path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await stream.receive_some(1)
    assert b" 101 " in answer[:16]


@attrs.define
class Printer:
    """Prints numbered lines into a container's console, as its reader does."""

    console: object
    width: int = 40

    def print(self, count):
        first = self.console.lines.last + 1
        text = "".join(f"{n} {'.' * self.width}\n" for n in range(first, first + count))
        self.console.write(text.encode())
        return first + count - 1


async def a_printer(api, **options):
    await api.running()
    return Printer(api.system.fleet.get("s1").console, **options)


async def test_million_lines_reach_every_viewer_in_order_while_others_are_slow_stuck_leaving_or_resuming(
    watched,
):
    printer = await a_printer(watched)
    last = printer.console.lines.last + 50_000
    healthy, others, finished = [], [], trio.Event()

    async def look_on(*, task_status):
        async with watching(watched) as watcher:
            healthy.append(watcher)
            task_status.started()
            await watcher.read_to(last)
            await finished.wait()

    async def slow(*, task_status):
        async with watching(watched, window=8192) as watcher:
            others.append(watcher)
            task_status.started()
            while await watcher.read(4096):
                await trio.sleep(0.01)

    async def leave(*, task_status):
        async with watching(watched) as watcher:
            others.append(watcher)
            task_status.started()
            await watcher.read_to(10_000)

    async def resume(*, task_status):
        line, began, total = printer.console.lines.last, None, 0
        while line < last:
            async with watching(watched, f"&since_line={line}", line=line) as watcher:
                others.append(watcher)
                if began is None:
                    began = line
                    task_status.started()
                await watcher.read_to(min(last, line + 3_000))
                line, total = watcher.line, total + watcher.lines + watcher.missed
        assert total == last - began

    async with watching(watched, window=4096), trio.open_nursery() as nursery:
        for task in (look_on,) * 20 + (slow, leave, leave, resume):
            await nursery.start(task)
        while printer.console.lines.last < last:
            printer.print(min(STRETCH, last - printer.console.lines.last))
            while min(watcher.line or 0 for watcher in healthy) < printer.console.lines.last - 8_000:
                await trio.sleep(0.001)
            await trio.sleep(0.005)
        with trio.fail_after(20):
            while any(watcher.line != last for watcher in healthy):
                await trio.sleep(0.01)
        finished.set()
        nursery.cancel_scope.cancel()
    assert sum(watcher.lines for watcher in healthy) == 20 * 50_000
    assert [watcher.gaps for watcher in healthy] == [0] * 20
    assert sum(watcher.lines for watcher in healthy + others) > 1_000_000  # each checked for its place


async def test_viewer_that_was_stuck_is_sent_the_gap_and_every_event_in_it(watched, monkeypatch):
    monkeypatch.setattr(feeds, "FRAMES", 50)
    printer = await a_printer(watched, width=1000)
    member = watched.system.fleet.get("s1")
    async with watching(watched, window=4096) as stuck, watching(watched) as well:
        stuck.line = well.line = printer.console.lines.last
        for turn in range(3):
            for _ in range(40):
                line = printer.print(100)
                await well.read_to(line)
            await watched.power("restart" if turn < 2 else "kill")
        await member.wait_until(lambda view: view.state.phase is Phase.OFFLINE)
        line = printer.print(100)
        await well.read_to(line)
        await stuck.read_to(line)
        assert stuck.gaps >= 1
        assert stuck.lines + stuck.missed == well.lines
        assert (well.gaps, stuck.events) == (0, well.events)
        assert [name for name, _, _ in stuck.order[-2:]] == ["stopping", "exit"]
        place = {seq: line for _, seq, line in well.order[1:]}
        assert all(line >= place[seq] for _, seq, line in stuck.order[1:])
        line = printer.print(1)
        await stuck.read_to(line)  # it is one of those at the head again
        station = next(iter(stations_of(watched).values()))
        with trio.fail_after(5):
            while len(station.broadcast._live) < 2:
                await trio.sleep(0.01)
        assert not station.broadcast._ring


def stations_of(api):
    return api.stations._containers


@pytest.fixture
async def watched(tmp_path, monkeypatch):
    """A served daemon on a fake engine, its stations at hand."""
    found = []

    def catch(system, hub, shares):
        found.append(hub)
        return session.Sessions(system, hub, shares)

    monkeypatch.setattr(app, "Sessions", catch)
    async with open_api(tmp_path) as api:
        yield Seen(api, found[0])


@attrs.define(eq=False)
class Seen:
    """The API, and its stations."""

    _api: object
    stations: object

    def __getattr__(self, name):
        return getattr(self._api, name)


async def test_stalled_viewer_is_cut_off_and_its_feed_forgets_it(watched):
    printer = await a_printer(watched, width=1000)
    async with watching(watched) as well:
        async with watching(watched, window=4096):
            for _ in range(60):
                await well.read_to(printer.print(100))
            (station,) = stations_of(watched).values()
            assert len(station.broadcast._behind) == 1
        with trio.fail_after(5):
            while station.broadcast.viewers > 1:
                await well.read_to(printer.print(1))
                await trio.sleep(0.05)
        assert not station.broadcast._ring
    with trio.fail_after(5):
        while stations_of(watched):
            await trio.sleep(0.01)


async def test_viewer_of_a_fast_console_begins_at_the_line_it_asked_for(watched):
    printer = await a_printer(watched)
    done = trio.Event()

    async def print_on():
        while not done.is_set():
            printer.print(7)
            await trio.sleep(0.002)

    async def join(query, since):
        begun = printer.console.lines.last
        async with watching(watched, query) as watcher:
            if since is not None:
                await watcher.read_to(begun + 50)
                assert watcher.lines == watcher.line - since
            else:
                while watcher.line is None:
                    await watcher.read()
                assert watcher.line - watcher.lines >= begun
                await watcher.read_to(begun + 200)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(print_on)
        await trio.sleep(0.3)
        async with trio.open_nursery() as joining:
            for n in range(20):
                since = max(1, printer.console.lines.last - n) if n % 2 else None
                joining.start_soon(join, f"&since_line={since}" if since else "", since)
                await trio.sleep(0.005)
        done.set()


async def dawdle(_viewer):
    await trio.sleep(0.5)


async def test_nodes_stream_sends_a_viewer_that_was_behind_every_event(watched, monkeypatch):
    monkeypatch.setattr(feeds, "FRAMES", 2)
    await watched.create("s1", start_pattern="Ready")
    async with watching(watched, path="", window=4096) as slow, watching(watched, path="") as well:
        (station,) = watched.stations._node.values()
        with trio.fail_after(5):
            while len(station.broadcast._live) < 2:
                await trio.sleep(0.01)
        viewer = next(iter(station.broadcast._live))
        monkeypatch.setattr(
            station.broadcast, "_live", {**station.broadcast._live, viewer: lambda _framed: False}
        )
        monkeypatch.setattr(type(viewer), "_gather", dawdle)
        for action in ("start", "kill", "start", "kill"):
            await watched.power(action)
        for watcher in (slow, well):
            with trio.fail_after(10):
                while len(watcher.order) < 8:
                    await watcher.read()
        told = ["starting", "running", "stopping", "exit"]
        names = [name for name, _, _ in well.order if name in told]
        assert names == told * 2
        assert slow.order == well.order


async def test_viewer_under_tls_is_sent_the_same_in_batches_and_disturbs_nobody(watched, tmp_path):
    engine.require("openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    await trio.run_process(command, capture_stdout=True, capture_stderr=True)
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.create_default_context(cafile=certificate)
    printer = await a_printer(watched)
    where = [server.Address("127.0.0.1", 0)]
    async with server.open_server(
        app.make_app(watched.system, watched.stations), where, to_context=lambda: ours
    ) as front:
        stream = trio.SSLStream(
            await trio.open_tcp_stream("127.0.0.1", front.addresses[0].port),
            theirs,
            server_hostname="localhost",
            https_compatible=True,
        )
        await shake_hands(stream, f"/s1?token={TOKEN}")
        secret = Watcher(stream, printer.console.lines.last)
        await secret.read()
        async with watching(watched) as plain:
            plain.line = printer.console.lines.last
            for _ in range(200):
                line = printer.print(20)
                await trio.sleep(0.002)
            await plain.read_to(line)
            await secret.read_to(line)
            assert (secret.lines, secret.gaps) == (plain.lines, 0)
        await trio.aclose_forcefully(stream)
