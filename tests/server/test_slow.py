"""Clients that are slow on purpose, in every way there is: each has its time, however it spends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import trio

from lightd.http.transport import server as http_server
from tests.support.client import TEXT, Client, connect, frame, is_refusal, request, upgrade, wait_until

SHORT = {"head_timeout": 0.4, "body_timeout": 0.4, "keep_alive": 0.6, "ping_every": 0.2, "linger": 0.2}
DRIP = 0.02
CROWD = 60


@pytest.fixture
async def impatient_server(opened) -> AsyncIterator[http_server.Server]:
    async with opened(**SHORT) as server:
        yield server


async def drip(client: Client, data: bytes) -> None:
    """A byte at a time, for ever from the end of ``data``."""
    at = 0
    while True:
        await client.try_to_send(data[at : at + 1] or data[-1:])
        at += 1
        await trio.sleep(DRIP)


def head_byte_by_byte() -> tuple[bytes, bytes]:
    return b"", b"GET / HTTP/1.1\r\nx: y"


def headers_line_by_line() -> tuple[bytes, bytes]:
    return b"GET / HTTP/1.1\r\nhost: a\r\n", b"x: y\r\n" * 100


def second_request() -> tuple[bytes, bytes]:
    return request("/"), b"GET / HTTP/1.1\r\nx: y"


def handshake() -> tuple[bytes, bytes]:
    return upgrade("/ws/echo")[:-2], b"x: y\r\n" * 100


def body() -> tuple[bytes, bytes]:
    return request("/echo", "POST", content_length="1000"), b"x"


def chunks() -> tuple[bytes, bytes]:
    return request("/echo", "POST", transfer_encoding="chunked"), b"1\r\nx\r\n" * 1000


def chunk_extension() -> tuple[bytes, bytes]:
    return request("/echo", "POST", transfer_encoding="chunked") + b"5;", b"x"


def trailers() -> tuple[bytes, bytes]:
    return request("/echo", "POST", b"0\r\n", transfer_encoding="chunked")[:-3] + b"0\r\n", b"x: y\r\n" * 1000


def unanswered_pings_within_a_frame() -> tuple[bytes, bytes]:
    return upgrade("/ws/echo"), frame(TEXT, b"x" * 60000)


WAYS = [
    *(head_byte_by_byte, headers_line_by_line, second_request, handshake, body, chunks, chunk_extension),
    *(trailers, unanswered_pings_within_a_frame),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_connection_of_a_slow_client_ends_however_it_is_slow(impatient_server, way):
    first, dripped = way()
    async with connect(impatient_server) as client, trio.open_nursery() as nursery:
        await client.send(first)
        nursery.start_soon(drip, client, dripped)
        with trio.fail_after(10):
            await client.read_to_end()
            await wait_until(lambda: impatient_server.connections == 0)
        nursery.cancel_scope.cancel()


async def test_crowd_of_slow_clients_of_every_kind_keeps_nobody_waiting(impatient_server):
    ended = 0

    async def attack(way: Callable[[], tuple[bytes, bytes]]) -> None:
        nonlocal ended
        first, dripped = way()
        async with connect(impatient_server) as client, trio.open_nursery() as nursery:
            await client.try_to_send(first)
            nursery.start_soon(drip, client, dripped)
            await client.read_to_end()
            ended += 1
            nursery.cancel_scope.cancel()

    async def work() -> None:
        while ended < CROWD:
            async with connect(impatient_server) as client:
                with trio.fail_after(5):
                    assert (await client.ask("/echo", "POST", b"hello")).body == b"hello"

    async with trio.open_nursery() as nursery:
        for number in range(CROWD):
            nursery.start_soon(attack, WAYS[number % len(WAYS)])
        nursery.start_soon(work)
    with trio.fail_after(10):
        await wait_until(lambda: impatient_server.connections == 0)


async def test_body_that_trickles_in_time_chunk_by_chunk_has_one_time_for_all_of_it(impatient_server):
    async with connect(impatient_server) as client, trio.open_nursery() as nursery:
        await client.send(request("/echo", "POST", content_length="1000"))
        nursery.start_soon(drip, client, b"x")
        answer = await client.read_answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        nursery.cancel_scope.cancel()


async def test_handshake_in_halves_is_a_408(impatient_server):
    async with connect(impatient_server) as client:
        await client.send(upgrade("/ws/echo")[:-2])
        assert is_refusal(await client.read_answer(), 408)


async def test_client_that_sends_a_half_and_hangs_up_leaves_nothing(impatient_server, app):
    for way in WAYS:
        first, dripped = way()
        async with connect(impatient_server) as client:
            await client.send(first + dripped[:7])
            await client.stream.send_eof()
            await client.read_to_end()
    await wait_until(lambda: impatient_server.connections == 0)
