"""The same server under TLS."""

from __future__ import annotations

import pytest
import trio

from tests.server.tls import connect
from tests.support.client import CLOSE, TEXT, frame, request, wait_until


async def test_http_2_is_not_offered(tls_server, authority):
    async with connect(tls_server, authority) as client:
        assert client.stream.selected_alpn_protocol() == "http/1.1"
        for _ in range(2):
            assert (await client.ask("/")).status == 200
        assert (await client.ask("/echo", "POST", b"x" * 300000)).body == b"x" * 300000


async def test_websocket_is_served_and_its_direct_writes_wait_their_turn(tls_server, authority, app):
    async with connect(tls_server, authority) as client:
        await client.open_websocket("/ws/direct")
        await wait_until(lambda: len(app.config["RECORD"]) == 1)
        socket = app.config["RECORD"].pop()
        framed = frame(TEXT, b"line", masked=False)
        assert not socket.write_nowait(framed)
        await socket.write(framed)
        assert await client.read_frame() == (TEXT, b"line")
        await client.send(frame(CLOSE, b"\x03\xe8"))
        assert await client.read_close() == 1000


async def test_client_that_never_shakes_hands_is_closed(tls_server):
    async with await trio.open_tcp_stream(tls_server.addresses[0].host, tls_server.addresses[0].port):
        await wait_until(lambda: tls_server.connections == 1)
        await wait_until(lambda: tls_server.connections == 0)


@pytest.mark.parametrize("sent", [request("/"), b"\x00" * 1000, b"\x16\x03\x01\x00\x05hello"])
async def test_bytes_that_are_no_tls_end_their_connection_alone(tls_server, authority, sent):
    async with await trio.open_tcp_stream(
        tls_server.addresses[0].host, tls_server.addresses[0].port
    ) as stream:
        await stream.send_all(sent)
        await wait_until(lambda: tls_server.connections == 0)
    async with connect(tls_server, authority) as client:
        assert (await client.ask("/")).status == 200


async def test_client_that_stops_reading_is_cut_off(tls_server, authority):
    async with connect(tls_server, authority) as client:
        await client.send(request("/endless"))
        await wait_until(lambda: tls_server.connections == 0)


async def test_end_is_not_held_up_by_a_client(app, tls_server, authority):
    async with connect(tls_server, authority) as idle, connect(tls_server, authority) as reading:
        assert (await idle.ask("/")).status == 200
        await reading.send(request("/endless"))
        await reading.receive()
