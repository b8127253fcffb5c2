"""Files past the framework: both ways, slow and stalled clients, TLS, and the end of the daemon."""

from __future__ import annotations

import os
import socket
import time

import pytest
import trio
from quart import request as asked
from werkzeug.datastructures import Headers

from lightd.http.transport import file_transfer
from lightd.http.transport.quart_adapter import FileResponse
from tests.server import tls
from tests.support.client import connect, ended, request, wait_until

SIZE = 24 << 20


@pytest.fixture
def stored(app, tmp_path):
    """`app` sends and takes one file; `stored` is the path of it."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(SIZE))

    @app.get("/file")
    async def send():
        file = asked.resources.enter_context(path.open("rb"))
        app.config["FILE"] = file
        part = file_transfer.Part(file.fileno(), 0, path.stat().st_size, trio.to_thread.run_sync)
        return FileResponse(part, 200, Headers())

    @app.put("/file")
    async def take():
        with (tmp_path / "new").open("wb") as file:
            asked.max_content_length = None
            await asked.body.pour(file_transfer.Sink(file.write, trio.to_thread.run_sync))
        (tmp_path / "new").rename(path)
        return {"size": path.stat().st_size}

    return path


async def test_file_goes_both_ways_under_tls(tls_server, stored, authority):
    stored.write_bytes(os.urandom(3_000_000))
    async with tls.connect(tls_server, authority) as client:
        assert (await client.ask("/file")).body == stored.read_bytes()
        new = os.urandom(3_000_000)
        await client.send(request("/file", "PUT", new))
        assert (await client.read_answer()).status == 200
        assert stored.read_bytes() == new
        assert (await client.ask("/")).status == 200  # this one went the ordinary way


async def test_large_upload_ends_its_connection_and_a_small_one_does_not(opened, stored):
    async with opened() as server:
        for size, closes in ((file_transfer.LARGE - 1, False), (file_transfer.LARGE, True)):
            async with connect(server) as client:
                new = os.urandom(size)
                await client.send(request("/file", "PUT", new))
                answer = await client.read_answer()
                assert answer.status == 200
                assert stored.read_bytes() == new
                assert (answer.headers.get("connection") == "close") is closes
                if closes:
                    assert await ended(client)


async def test_client_that_stops_sending_gets_a_408(opened, stored):
    async with opened(body_timeout=0.3) as server, connect(server) as client:
        await client.send(request("/file", "PUT", content_length=str(SIZE)) + bytes(3_000_000))
        assert (await client.read_answer()).status == 408
    assert stored.stat().st_size == SIZE


async def test_client_that_stops_reading_a_file_is_cut_off(opened, app, stored):
    with stored.open("r+b") as file:
        file.truncate(1 << 40)
    async with opened(write_stall=0.3) as server, connect(server) as client:
        await client.send(request("/file"))
        await wait_until(lambda: server.connections == 0)
        assert app.config["FILE"].closed


async def test_client_that_reads_a_file_slowly_is_not_cut_off(opened, stored):
    """Less than the part of the socket's buffer that has to be free before the kernel calls it writable."""
    with stored.open("r+b") as file:
        file.truncate(1 << 40)
    async with opened(write_stall=2.0) as server:
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
            raw.settimeout(60)
            await trio.to_thread.run_sync(raw.connect, (server.addresses[0].host, server.addresses[0].port))
            await trio.to_thread.run_sync(raw.sendall, request("/file"))
            for _ in range(30):
                await trio.sleep(0.1)
                assert len(await trio.to_thread.run_sync(raw.recv, 8_192)) > 0
            assert server.connections == 1
        await wait_until(lambda: server.connections == 0)


async def test_download_under_way_does_not_hold_up_the_end_of_the_daemon(opened, app, stored):
    with stored.open("r+b") as file:
        file.truncate(1 << 40)
    with trio.fail_after(10):
        async with opened(grace=0.2) as server, connect(server) as client:
            await client.send(request("/file"))
            await wait_until(lambda: "FILE" in app.config)
    assert app.config["FILE"].closed


async def test_upload_under_way_does_not_hold_up_the_end_of_the_daemon(opened, stored):
    with trio.fail_after(10):
        async with opened(grace=0.2) as server, connect(server) as client:
            await client.send(request("/file", "PUT", content_length=str(SIZE)) + bytes(3_000_000))
            await wait_until(lambda: stored.with_name("new").exists())
    assert stored.stat().st_size == SIZE


async def test_client_that_resets_its_connection_is_no_bug(opened, app, stored):
    with stored.open("r+b") as file:
        file.truncate(1 << 40)
    async with opened() as server:
        for head in (request("/file"), request("/file", "PUT", content_length=str(SIZE)) + bytes(3_000_000)):
            async with connect(server) as client:
                await client.send(head)
                await trio.sleep(0.05)
                client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await wait_until(lambda: server.connections == 0)
    assert app.config["FILE"].closed


def test_client_that_sends_byte_by_byte_holds_a_thread_for_a_moment_only(monkeypatch):
    """Each time the thread waits a few milliseconds for more, there is a byte."""
    monkeypatch.setattr(file_transfer, "_soon", lambda *_: True)
    until = time.monotonic() + 20

    class Trickling:
        taken = 0

        def recv_into(self, buffer):
            assert time.monotonic() < until
            count = min(len(buffer), file_transfer.FAST if self.taken < file_transfer.FAST else 1)
            self.taken += count
            time.sleep(0.001)
            return count

    client, buffer = Trickling(), memoryview(bytearray(file_transfer.BUFFER))
    assert file_transfer._receive_some(client, buffer, SIZE, len) == client.taken
    assert file_transfer.FAST <= client.taken < file_transfer.BURST
