"""HTTP/1.1 as a client may expect it, and what it gets for less."""

from __future__ import annotations

import json

import pytest
import trio

from lightd.http.transport import protocol
from tests.support.client import connect, ended, is_refusal, request, wait_until


async def test_connection_serves_one_request_after_the_other(server):
    async with connect(server) as client:
        for _ in range(3):
            assert json.loads((await client.ask("/")).body) == {"ok": True}
        assert server.connections == 1


async def test_requests_sent_ahead_are_answered_in_order(server):
    async with connect(server) as client:
        await client.send(b"".join(request("/echo", "POST", b"%d" % n) for n in range(50)))
        assert [(await client.read_answer()).body for _ in range(50)] == [b"%d" % n for n in range(50)]


async def test_small_answer_is_one_write(server):
    async with connect(server) as client:
        await client.send(request("/"))
        assert (await client.receive()).endswith(b'{"ok":true}\n')


async def test_no_answer_names_the_server(server):
    async with connect(server) as client:
        assert "server" not in (await client.ask("/")).headers


async def test_head_request_has_no_body(server):
    async with connect(server) as client:
        answer = await client.ask("/", "HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert (await client.ask("/")).status == 200


async def test_head_request_does_not_run_through_the_body(server):
    async with connect(server) as client:
        answer = await client.ask("/endless", "HEAD")
        assert (answer.status, answer.body) == (200, b"")


async def test_silent_connection_is_closed(opened):
    async with opened(keep_alive=0.2) as server, connect(server) as client:
        assert await ended(client)


async def test_connection_is_closed_when_it_is_idle_after_a_request(opened):
    async with opened(keep_alive=0.2) as server, connect(server) as client:
        assert (await client.ask("/")).status == 200
        assert await ended(client)
        await wait_until(lambda: server.connections == 0)


async def test_client_that_asks_to_close_is_closed(server):
    async with connect(server) as client:
        answer = await client.ask("/", connection="close")
        assert answer.headers["connection"] == "close"
        assert await ended(client)


async def test_http_1_0_is_answered_and_closed(server):
    async with connect(server) as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await client.read_to_end()).endswith(b'{"ok":true}\n')


async def test_absolute_target_is_the_path_in_it(server):
    async with connect(server) as client:
        assert (await client.ask("http://localhost:8070/")).status == 200
        assert (await client.ask("http://localhost:8070/nothing?x=1")).status == 404
        assert (await client.ask("http://localhost?x")).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET ?x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nhost: a\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: \xff\xfe\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a/../b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: [::1\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nhost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 40000 + b"\r\n\r\n", 431),
    ],
)
async def test_malformed_request_is_refused_in_the_shape_of_every_error(server, sent, status):
    async with connect(server) as client:
        await client.try_to_send(sent)
        answer = await client.read_answer()
        if status == 200:
            assert answer.status == 200
        else:
            assert is_refusal(answer, status)
            assert await ended(client)


@pytest.mark.parametrize(
    "header",
    ["connection: \xe9", "upgrade: \xe9", "sec-websocket-key: \xe9", "sec-websocket-protocol: lightd.\xe9"],
)
async def test_handshake_header_that_is_not_ascii_is_a_400(server, header):
    async with connect(server) as client:
        await client.send(f"GET /ws/echo HTTP/1.1\r\nhost: a\r\n{header}\r\n\r\n".encode("latin1"))
        assert is_refusal(await client.read_answer(), 400, "malformed_handshake")


async def test_refusal_has_the_clients_own_request_id(server):
    async with connect(server) as client:
        answer = await client.ask("*", "OPTIONS", x_request_id="mine-1")
        assert answer.headers["x-request-id"] == "mine-1"


async def test_h2c_upgrade_is_answered_in_http_1_1(server):
    async with connect(server) as client:
        for settings in ("AAMAAABkAAQAoAAAAAIAAAAA", "!", "", "A" * 1000):
            answer = await client.ask("/", connection="Upgrade", upgrade="h2c", http2_settings=settings)
            assert answer.status == 200


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.mark.parametrize(
    "more",
    [
        b"",
        b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",  # SETTINGS
        b"\x00\x00\x00\x04\x01\x00\x00\x00\x00",  # an acknowledgement of nothing
        b"\x00\x00\x05\x00\x00\x00\x00\x00\x01hello",  # DATA on a stream that is not open
        b"\x00\x00\x04\x08\x00\x00\x00\x00\x05\x00\x00\x00\x01",  # WINDOW_UPDATE on one that never was
        b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08",  # RST_STREAM
        b"\x00\x00\x03\x01\x05\x00\x00\x00\x01\xff\xff\xff",  # HEADERS that are no HPACK
        b"\xff\xff\xff\x00\xff\xff\xff\xff\xff",
    ],
)
async def test_http_2_by_prior_knowledge_is_told_no(server, more):
    async with connect(server) as client:
        await client.try_to_send(PREFACE + more)
        assert is_refusal(await client.read_answer(), 505)
        assert await ended(client)


async def test_slow_headers_are_a_408(opened):
    async with opened(head_timeout=0.2) as server, connect(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nhost: ")
        assert is_refusal(await client.read_answer(), 408)
        assert await ended(client)


async def test_headers_that_trickle_do_not_win_time(opened):
    async with opened(head_timeout=0.3) as server, connect(server) as client, trio.open_nursery() as nursery:

        async def trickle() -> None:
            await client.try_to_send(b"GET / HTTP/1.1\r\nx: ")
            for _ in range(1000):
                await client.try_to_send(b"y")
                await trio.sleep(0.05)

        nursery.start_soon(trickle)
        assert b" 408 " in await client.read_to_end()
        nursery.cancel_scope.cancel()


async def test_next_requests_headers_have_their_own_time(opened):
    async with opened(head_timeout=0.6) as server, connect(server) as client:
        await client.send(request("/") + b"GET / HT")
        assert (await client.read_answer()).status == 200
        assert is_refusal(await client.read_answer(), 408)


async def test_crash_of_a_handler_is_a_500_and_the_connection_goes_on(server):
    async with connect(server) as client:
        assert (await client.ask("/crash")).status == 500
        assert (await client.ask("/")).status == 200


async def test_crash_outside_of_quarts_own_net_is_a_500_in_the_shape_of_every_error(server, app, monkeypatch):
    async def handle(_request) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "handle_request", handle)
    async with connect(server) as client:
        assert is_refusal(await client.ask("/"), 500, "internal_error")
    async with connect(server) as client:
        assert (await client.ask("/", "HEAD")).body == b""


async def test_crash_in_the_middle_of_an_answer_cuts_it_off(server):
    async with connect(server) as client:
        await client.send(request("/broken"))
        assert len(await client.read_to_end()) < 10 * 65536


async def test_client_that_leaves_cancels_its_handler(server, app):
    async with connect(server) as client:
        await client.send(request("/wait"))
        await wait_until(lambda: app.config["RECORD"] == ["waiting"])
    await wait_until(lambda: server.connections == 0)
    assert app.config["RECORD"] == ["waiting", "cancelled"]


@pytest.mark.parametrize("more", [request("/"), b"G", request("/echo", "POST", content_length="9") + b"x"])
async def test_client_that_has_asked_ahead_and_leaves_cancels_its_handler(opened, app, more):
    async with opened(sweep_every=0.1) as server:
        async with connect(server) as client:
            await client.send(request("/wait") + more)
            await wait_until(lambda: app.config["RECORD"] == ["waiting"])
        await wait_until(lambda: server.connections == 0)
        assert app.config["RECORD"] == ["waiting", "cancelled"]


async def test_client_that_leaves_a_download_ends_it(server):
    async with connect(server) as client:
        await client.send(request("/endless"))
        await client.receive()
    await wait_until(lambda: server.connections == 0)


async def test_client_that_stops_reading_is_cut_off(opened):
    async with opened(write_stall=0.3) as server, connect(server) as client:
        await client.send(request("/endless"))
        await wait_until(lambda: server.connections == 1)
        await wait_until(lambda: server.connections == 0)


async def test_client_that_reads_slowly_is_not_cut_off(opened):
    async with opened(write_stall=2.0) as server, connect(server) as client:
        await client.send(request("/endless"))
        for _ in range(30):
            assert await client.receive()
            await trio.sleep(0.1)
        assert server.connections == 1


async def test_exception_nobody_expected_ends_its_connection_alone(opened, monkeypatch, caplog):
    whole = protocol.Http11.handle

    async def handle(self, event) -> None:
        if b"bug" in getattr(event, "data", b""):
            raise RuntimeError("a bug in the protocol")
        await whole(self, event)

    monkeypatch.setattr(protocol.Http11, "handle", handle)
    async with opened() as server, connect(server) as bystander:
        assert (await bystander.ask("/")).status == 200
        async with connect(server) as client:
            await client.send(b"bug")
            assert await ended(client)
        assert (await bystander.ask("/")).status == 200
        assert server.failures == 1
        assert "a bug in the protocol" in caplog.text
        server._clients.failures = 0  # this one was expected


async def test_query_of_thousands_of_parameters_is_refused_before_it_is_read(server):
    async with connect(server) as client:
        assert (await client.ask("/?" + "a&" * 90)).status == 200
    async with connect(server) as client:
        answer = await client.ask("/?" + "a&" * 15_000)
        assert is_refusal(answer, 400, "malformed_target")
