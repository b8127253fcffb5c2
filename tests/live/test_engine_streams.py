"""Streams of an engine that breaks off, lies or hangs; played by a script on a real socket."""

import os
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from actors.container.engine import EngineUnavailable, Missing
from lightd.engines.docker import attach, streams
from lightd.engines.docker.translate import Refused

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
NOT_FOUND = b'HTTP/1.1 404 No\r\nContent-Length: 16\r\n\r\n{"message":"no"}'


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynccontextmanager
async def played(path, *script):
    """A socket that reads a request and answers with each piece of the script, then closes."""

    async def play(stream):
        async with stream:
            await stream.receive_some()
            for piece in script:
                await stream.send_all(piece)
                await trio.testing.wait_all_tasks_blocked()

    with trio.fail_after(10), trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(path))
        listener.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, play, [trio.SocketListener(listener)])
            yield str(path)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def attached(path, *script, tty=True):
    async with (
        played(path, *script) as socket,
        attach.open_attachment(socket, "/v1.41", "e1", tty=tty) as console,
    ):
        yield console


@pytest.fixture
def socket_path(tmp_path):
    return tmp_path / "engine.sock"


async def messages(path):
    async with streams.open_body(path, "GET", "/events") as body:
        return [message async for message in streams.Messages(body)]


async def test_messages_are_lines_however_they_are_cut(socket_path):
    async with played(
        socket_path, CHUNKED, chunk(b'{"a":'), chunk(b'1}\n{"b":2}\r\n'), b"0\r\n\r\n"
    ) as socket:
        assert await messages(socket) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    "script",
    [
        (CHUNKED, chunk(b'{"a":1}\n')),
        (CHUNKED, chunk(b"what\n"), b"0\r\n\r\n"),
        (CHUNKED, *[chunk(b"x" * 65536)] * 18),
        (b"HTTP/1.1 200",),
        (b"what",),
        (),
    ],
    ids=["cut off", "no JSON", "no end", "cut head", "no HTTP", "nothing"],
)
async def test_stream_that_breaks_is_an_engine_that_does_not_answer(socket_path, script):
    async with played(socket_path, *script) as socket:
        with pytest.raises(EngineUnavailable):
            await messages(socket)


async def test_refusal_has_its_status_and_words(socket_path):
    async with played(socket_path, NOT_FOUND) as socket:
        with pytest.raises(Refused) as refused:
            await messages(socket)
    assert (refused.value.status, refused.value.message) == (404, "no")


async def test_engine_that_takes_too_long_does_not_answer(socket_path):
    async with played(socket_path) as socket:
        with pytest.raises(EngineUnavailable, match="in time"):
            async with streams.open_body(socket, "GET", "/events", patience=0):
                pass


@pytest.mark.parametrize(
    ("script", "body"),
    [
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}"), b"{}"),
        ((b"HTTP/1.0 200 OK\r\n\r\n{", b"}"), b"{}"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
        ((CHUNKED, chunk(b"one")[:4], chunk(b"one")[4:] + chunk(b"two"), b"0\r\n\r\n"), b"onetwo"),
        ((CHUNKED, b"3;extension\r\none\r\n", b"0\r\nTrailer: x\r\n\r\n"), b"one"),
    ],
)
async def test_short_answer_is_read_whole(socket_path, script, body):
    async with played(socket_path, *script) as socket:
        answer = await streams.ask(socket, "GET", "/version")
    assert (answer.body, answer.pid) == (body, os.getpid())


@pytest.mark.parametrize(
    "script",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: three\r\n\r\n{}",),
        (CHUNKED, chunk(b"one")),
        (CHUNKED, b"what\r\n"),
        (b"HTTP/1.1 what\r\n\r\n",),
        (b"HTTP/1.1",),
        (b"SSH-2.0-OpenSSH 9\r\n",),
        (),
    ],
)
async def test_short_answer_that_is_cut_or_malformed_is_an_engine_that_does_not_answer(socket_path, script):
    async with played(socket_path, *script) as socket:
        with pytest.raises(EngineUnavailable, match="cut the connection off"):
            await streams.ask(socket, "GET", "/version")


@pytest.mark.parametrize(
    ("body", "message"), [(b'{"message":"no"}', "no"), (b"not so", "not so"), (b"[]", "[]")]
)
async def test_refusal_of_a_short_call_has_its_status_and_words(socket_path, body, message):
    async with played(socket_path, b"HTTP/1.1 404 No\r\n\r\n" + body) as socket:
        with pytest.raises(Refused) as refused:
            await streams.ask(socket, "GET", "/version")
    assert (refused.value.status, refused.value.message) == (404, message)


async def test_console_begins_with_what_came_along_with_the_answer(socket_path):
    async with attached(socket_path, UPGRADED + b"one", b"two") as console:
        assert await console.receive() == b"one"
        assert await console.receive() == b"two"
        assert await console.receive() == b""
        assert await console.receive() == b""


async def test_console_without_a_terminal_is_unframed(socket_path):
    frame = b"\1\0\0\0\0\0\0\5hello"
    found = b""
    async with attached(
        socket_path, UPGRADED, frame[:3], frame[3:10], frame[10:] + frame, tty=False
    ) as console:
        while data := await console.receive():
            found += data
    assert found == b"hellohello"


async def test_console_of_nobody_is_missing(socket_path):
    with pytest.RaisesGroup(Missing, allow_unwrapped=True, flatten_subgroups=True):
        async with attached(socket_path, NOT_FOUND):
            pass


async def test_answer_that_is_no_raw_stream_is_no_console(socket_path):
    with pytest.RaisesGroup(EngineUnavailable, allow_unwrapped=True, flatten_subgroups=True):
        async with attached(socket_path, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
            pass


async def test_sending_on_a_console_that_is_closed_says_so(socket_path):
    async with attached(socket_path, UPGRADED) as console:
        assert await console.receive() == b""
        with pytest.raises(EngineUnavailable):
            await send_much(console)


async def send_much(console):
    for _ in range(100):
        await console.send(b"x" * 65536)
