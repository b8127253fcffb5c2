"""Request bodies: bounded, and read no faster than they are used."""

from __future__ import annotations

import json
import tracemalloc

import pytest
import trio

from tests.support.client import connect, ended, request, wait_until

MIB = 1024 * 1024


async def test_body_arrives_whole(server):
    body = bytes(range(256)) * 4096
    async with connect(server) as client:
        assert (await client.ask("/echo", "POST", body)).body == body


async def test_chunked_body_arrives_whole(server):
    async with connect(server) as client:
        await client.send(request("/echo", "POST", transfer_encoding="chunked"))
        for part in (b"3\r\nabc\r\n", b"2\r\nde", b"\r\n0\r\n", b"\r\n"):
            await client.send(part)
            await trio.sleep(0.02)
        assert (await client.read_answer()).body == b"abcde"
        assert (await client.ask("/")).status == 200


async def test_declared_length_over_the_limit_is_a_413_before_the_body_is_sent(opened):
    async with opened(body_size=1000) as server, connect(server) as client:
        await client.send(request("/echo", "POST", content_length="1001"))
        answer = await client.read_answer()
        assert answer.status == 413
        assert set(json.loads(answer.body)) == {"error", "code"}
        assert answer.headers["connection"] == "close"
        assert await ended(client)


async def test_body_over_the_limit_is_a_413_that_the_client_gets_to_see(opened):
    async with opened(body_size=1000) as server, connect(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.try_to_send, request("/echo", "POST", b"x" * 4 * MIB))
        assert (await client.read_answer()).status == 413


async def test_chunked_body_over_the_limit_is_a_413(opened):
    async with opened(body_size=1000) as server, connect(server) as client:
        await client.send(request("/echo", "POST", transfer_encoding="chunked"))
        await client.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        await client.send(b"1\r\nx\r\n")
        assert (await client.read_answer()).status == 413


async def test_route_may_lower_its_limit(server):
    async with connect(server) as client:
        assert (await client.ask("/small", "PUT", b"x" * 10)).status == 200
        assert (await client.ask("/small", "PUT", b"x" * 11)).status == 413


@pytest.mark.parametrize("chunked", [False, True])
async def test_route_without_a_limit_takes_any_size_with_flat_memory(server, chunked):
    size, part = 64 * MIB, b"x" * MIB
    async with connect(server) as client:
        if chunked:
            await client.send(request("/upload", "PUT", transfer_encoding="chunked"))
        else:
            await client.send(request("/upload", "PUT", content_length=str(size)))
        tracemalloc.start()
        try:
            for _ in range(size // len(part)):
                await client.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            if chunked:
                await client.send(b"0\r\n\r\n")
            answer = await client.read_answer()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert json.loads(answer.body) == {"size": size}
        assert peak < 8 * MIB
        assert (await client.ask("/")).status == 200


async def test_body_that_nobody_reads_stops_the_client_not_the_memory(server, app):
    async with connect(server) as client, trio.open_nursery() as nursery:
        await client.send(request("/unread", "PUT", content_length=str(1024 * MIB)))
        await wait_until(lambda: app.config["RECORD"] == ["unread"])
        sent = 0
        tracemalloc.start()
        try:
            with trio.move_on_after(1):
                while True:
                    await client.send(b"x" * 65536)
                    sent += 65536
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert sent < 64 * MIB
        assert peak < 2 * MIB
        app.config["GO"].set()
        nursery.start_soon(client.try_to_send, b"x" * 64 * MIB)
        answer = await client.read_answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        nursery.cancel_scope.cancel()


async def test_slow_body_is_a_408(opened):
    async with opened(body_timeout=0.2) as server, connect(server) as client:
        await client.send(request("/echo", "POST", content_length="10") + b"12345")
        answer = await client.read_answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert await ended(client)


async def test_upload_that_stalls_is_a_408(opened):
    async with opened(body_timeout=0.2) as server, connect(server) as client:
        await client.send(request("/upload", "PUT", content_length="10") + b"12345")
        assert (await client.read_answer()).status == 408


async def test_upload_may_take_longer_than_the_time_for_one_chunk(opened):
    async with opened(body_timeout=2.0) as server, connect(server) as client:
        await client.send(request("/upload", "PUT", content_length="25"))
        for _ in range(25):
            await client.send(b"x")
            await trio.sleep(0.1)
        assert json.loads((await client.read_answer()).body) == {"size": 25}


async def test_small_body_that_nobody_reads_costs_no_connection(server):
    async with connect(server) as client:
        for _ in range(3):
            assert (await client.ask("/ignore", "POST", b"{}")).body == b"not read"
        await client.send(request("/ignore", "POST", content_length="2"))
        await trio.sleep(0.05)
        await client.send(b"{}")
        assert "connection" not in (await client.read_answer()).headers
        assert (await client.ask("/")).status == 200


async def test_large_body_that_nobody_reads_costs_the_connection(server):
    async with connect(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.try_to_send, request("/ignore", "POST", b"x" * 8 * MIB))
        answer = await client.read_answer()
        assert (answer.body, answer.headers["connection"]) == (b"not read", "close")


async def test_client_that_asks_first_is_told_to_go_on_when_the_body_is_wanted(server):
    async with connect(server) as client:
        await client.send(request("/echo", "POST", content_length="2", expect="100-continue"))
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
        await client.send(b"hi")
        assert (await client.read_answer()).body == b"hi"


async def test_client_that_asks_first_is_spared_the_upload_that_would_be_refused(opened):
    async with opened(body_size=1000) as server, connect(server) as client:
        await client.send(request("/echo", "POST", content_length="1001", expect="100-continue"))
        assert (await client.read_until(b"\r\n")).startswith(b"HTTP/1.1 413")


async def test_client_that_leaves_in_the_middle_of_its_body_ends_the_request(server):
    async with connect(server) as client:
        await client.send(request("/upload", "PUT", content_length="1000000") + b"x" * 1000)
        await wait_until(lambda: server.connections == 1)
    await wait_until(lambda: server.connections == 0)


async def test_bytes_after_a_broken_chunk_are_not_another_request(server):
    async with connect(server) as client:
        await client.send(request("/echo", "POST", transfer_encoding="chunked") + b"x\r\n" + request("/"))
        assert (await client.read_to_end()).count(b"HTTP/1.1 ") == 1
