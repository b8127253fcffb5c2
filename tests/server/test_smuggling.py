"""Requests that two servers in a row might read as different ones.

Each is refused with an error and the end of its connection, or has one meaning that the record of the
application shows. What follows it on the connection is never taken for a request that it isn't.
"""

from __future__ import annotations

import json

import pytest
import trio
from quart import request as asked

from tests.support.client import KEY, connect, ended

INNER = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


@pytest.fixture
def received(app) -> list[tuple[str, str, bytes]]:
    """The requests that reached the application."""
    record: list[tuple[str, str, bytes]] = []

    @app.before_request
    async def note() -> None:
        body = await asked.get_data() if asked.method == "POST" else b""
        record.append((asked.method, asked.path, body))

    return record


def post(*headers: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    lines = [b"POST /echo HTTP/" + version, b"host: a", *headers, b"", b""]
    return b"\r\n".join(lines) + body


CHUNKED = b"transfer-encoding: chunked"
EMPTY = b"0\r\n\r\n"

AMBIGUOUS = {
    "CL.TE": post(b"content-length: 6", CHUNKED, body=EMPTY + INNER),
    "TE.CL": post(CHUNKED, b"content-length: 4", body=b"24\r\n" + INNER + b"\r\n" + EMPTY),
    "CL.TE with a length of 0": post(b"content-length: 0", CHUNKED, body=EMPTY + INNER),
    "CL.TE in HTTP/1.0": post(CHUNKED, b"connection: keep-alive", body=EMPTY + INNER, version=b"1.0"),
    "TE twice": post(CHUNKED, CHUNKED, body=EMPTY + INNER),
    "TE and another": post(CHUNKED, b"transfer-encoding: identity", body=EMPTY + INNER),
    "TE with a tab and CL": post(b"content-length: 5", b"transfer-encoding:\tchunked", body=EMPTY + INNER),
    **{
        f"TE: {value!r}": post(b"content-length: 5", b"transfer-encoding: " + value, body=EMPTY + INNER)
        for value in (
            *(b"xchunked", b"chunked, identity", b"identity, chunked", b"chunked;q=1", b'"chunked"', b"x"),
            *(b"\x0bchunked", b"chunked\x00", b"chun\rked", b"chunked,", b",chunked", b"chu nked", b""),
        )
    },
    **{
        f"TE as {line!r}": post(b"content-length: 5", line, body=EMPTY + INNER)
        for line in (
            *(
                b"transfer-encoding : chunked",
                b" transfer-encoding: chunked",
                b"\ttransfer-encoding: chunked",
            ),
            *(b"x: y\ntransfer-encoding: chunked", b"x: y\rtransfer-encoding: chunked"),
            *(b"transfer-encoding\r\n : chunked", b"transfer-encoding:\r\n chunked", b"x: y\r\n\tz: 1"),
            *(b"transfer-encoding\x00: chunked", b"transfer-encoding\xa0: chunked", b"transfer-encoding"),
        )
    },
    **{
        f"CL: {value!r}": post(b"content-length: " + value, body=b"hello" + INNER)
        for value in (
            *(b"+5", b"-5", b"0x5", b"5;x", b"5 5", b"5, 6", b"5,,5", b"1e1", b"\xef\xbc\x95", b"5.0"),
            *(b"", b"5_0", b"9" * 21, b"5\x0b", b"5\n", b"5\x00"),
        )
    },
    "CL twice": post(b"content-length: 5", b"content-length: 6", body=b"hello" + INNER),
    "CL before a line feed": post(b"content-length: 5\nx: y", body=b"hello" + INNER),
    "no carriage returns": b"GET / HTTP/1.1\nhost: a\n\n" + INNER,
    "a head that ends with a line feed": b"GET / HTTP/1.1\r\nhost: a\r\n\n" + INNER,
    "a line feed first": b"\n" + INNER,
    **{
        f"chunk {chunk!r}": post(CHUNKED, body=chunk + INNER)
        for chunk in (
            *(b"-1\r\n", b"0x5\r\nhello\r\n" + EMPTY, b" 5\r\nhello\r\n" + EMPTY, b"5\nhello\r\n" + EMPTY),
            *(b"5\r\nhelloX\r\n" + EMPTY, b"5\r\nhello\n" + EMPTY, b"5;\nx\r\nhello\r\n" + EMPTY, b"\r\n"),
            *(b"g\r\n", b"5 5\r\nhello\r\n" + EMPTY, b"1" * 21 + b"\r\n", b"5\r\nhello" + EMPTY, b"_5\r\n"),
            *(b"0\r\nx: y\n\r\n", b"0\r\nx: y\r\n z\r\n\r\n", b"0\r\nno colon\r\n\r\n", b"0\n\n"),
        )
    },
    **{
        f"line {line!r}": line + b"\r\nhost: a\r\n\r\n" + INNER
        for line in (
            *(b"GET /\x00 HTTP/1.1", b"GET / x HTTP/1.1", b"GET  / HTTP/1.1", b"GET\t/\tHTTP/1.1", b"GET /"),
            *(
                b"GET / HTTP/1.1 ",
                b" GET / HTTP/1.1",
                b"GET / http/1.1",
                b"GET / HTTP/1.1\rx",
                b"G(T / HTTP/1.1",
            ),
            *(b"GET / HTTP/1", b"GET / HTTP/11.1", b"GET /\x7f HTTP/1.1", b"GET a:1 HTTP/1.1"),
        )
    },
    **{
        f"header {line!r}": b"GET / HTTP/1.1\r\nhost: a\r\n" + line + b"\r\n\r\n" + INNER
        for line in (
            b"x y: z",
            b": z",
            b"x",
            b"x: \x00",
            b"x: a\rb",
            b"host: b",
            b"x\r: y",
            b"h\xc3\xb6st: b",
        )
    },
    "a host list": b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n" + INNER,
    "an upgrade with a body": (
        b"GET /ws/echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: " + KEY + b"\r\ncontent-length: 36\r\n\r\n" + INNER
    ),
    "an upgrade with chunks": (
        b"GET /ws/echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: " + KEY + b"\r\n" + CHUNKED + b"\r\n\r\n" + INNER
    ),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_ambiguous_request_is_refused_and_nothing_after_it_is_read(server, received, name):
    async with connect(server) as client:
        await client.try_to_send(AMBIGUOUS[name] + LAST)
        answer = await client.read_answer()
        assert answer.status in (400, 501, 505), answer
        assert answer.headers["connection"] == "close"
        assert set(json.loads(answer.body)) == {"error", "code"}
        assert client.buffer == b""
        assert await ended(client)
    assert [path for _, path, _ in received if path in ("/smuggled", "/last")] == []


ONE_MEANING = {
    "one length said twice": (post(b"content-length: 5", b"content-length: 5", body=b"hello"), b"hello"),
    "one length in a list": (post(b"content-length: 5, 5", body=b"hello"), b"hello"),
    "a length with blanks": (post(b"content-length:   5  ", body=b"hello"), b"hello"),
    "chunked in capitals": (post(b"Transfer-Encoding: CHUNKED", body=b"5\r\nhello\r\n" + EMPTY), b"hello"),
    "a chunk with an extension": (post(CHUNKED, body=b"5;a=b;c\r\nhello\r\n" + EMPTY), b"hello"),
    "a last chunk of zeros": (post(CHUNKED, body=b"5\r\nhello\r\n000;x\r\n\r\n"), b"hello"),
    "trailers that would be a length": (
        post(CHUNKED, body=b"5\r\nhello\r\n0\r\ncontent-length: 36\r\nhost: b\r\n\r\n"),
        b"hello",
    ),
    "a body that looks like a request": (post(b"content-length: %d" % len(INNER), body=INNER), INNER),
    "a name that only looks like TE": (
        post(
            b"content-length: 5",
            b"transfer_encoding: chunked",
            b"x-transfer-encoding: chunked",
            body=b"hello",
        ),
        b"hello",
    ),
    "nothing": (post(), b""),
}


@pytest.mark.parametrize("name", ONE_MEANING)
async def test_unambiguous_request_is_read_so_and_followed_by_the_next_request(server, received, name):
    sent, body = ONE_MEANING[name]
    async with connect(server) as client:
        await client.send(sent + LAST)
        answer = await client.read_answer()
        assert (answer.status, answer.body) == (200, body)
        assert (await client.read_answer()).status == 404
        assert await ended(client)
    assert received == [("POST", "/echo", body), ("GET", "/last", b"")]


@pytest.mark.parametrize("target", [b"http://evil.example/", b"HTTP://a/", b"http://a:1/?x=http://b/"])
async def test_absolute_target_is_its_path_whatever_its_host(server, received, target):
    async with connect(server) as client:
        await client.send(b"GET " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n" + LAST)
        assert (await client.read_answer()).status == 200
        assert (await client.read_answer()).status == 404
        assert await ended(client)
    assert [path for _, path, _ in received] == ["/", "/last"]


async def test_body_that_a_get_brings_is_not_the_next_request(server, received):
    head = b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(INNER)
    async with connect(server) as client:
        await client.send(head + INNER + LAST)
        assert (await client.read_answer()).status == 200
        assert (await client.read_answer()).status == 404
    assert [path for _, path, _ in received] == ["/", "/last"]


async def test_body_that_nobody_reads_is_not_the_next_request(server, received):
    body = INNER * 100_000  # more than is dropped in passing, and than waits in any queue
    head = b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with connect(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.try_to_send, head + body)
        answer = await client.read_answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await ended(client)
        nursery.cancel_scope.cancel()
    assert [path for _, path, _ in received] == ["/"]
