"""WebSockets: what a client may expect, and what ends one."""

from __future__ import annotations

import json
import math
from contextlib import suppress

import pytest
import trio

from lightd.http.transport import app_calls, websocket
from tests.support.client import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    connect,
    ended,
    frame,
    is_refusal,
    upgrade,
    wait_until,
)

KIB = 1024


async def test_messages_go_both_ways(server):
    async with connect(server) as client:
        await client.open_websocket("/ws/echo")
        for text in (b"hello", b"", b"x" * 64 * KIB, "ä€😀".encode()):
            assert await client.exchange(text) == text
        await client.send(frame(BINARY, b"\x00\xff"))
        assert await client.read_frame() == (BINARY, b"\x00\xff")


async def test_message_may_come_in_fragments_with_a_ping_between(server):
    async with connect(server) as client:
        await client.open_websocket("/ws/echo")
        await client.send(frame(TEXT, b"a\xe2\x82", final=False) + frame(PING, b"?"))
        await client.send(frame(0, b"\xacb", final=False) + frame(0, b"c"))
        assert await client.read_frame() == (PONG, b"?")
        assert await client.read_frame() == (TEXT, "a€bc".encode())


async def test_client_that_closes_is_answered_and_closed_at_once(opened):
    async with opened(linger=30.0, grace=40.0) as server, connect(server) as client:
        await client.open_websocket("/ws/echo")
        await client.send(frame(CLOSE, b"\x03\xe8bye"))
        assert await client.read_close() == 1000
        assert await ended(client)


async def test_client_that_vanishes_having_said_nothing_cancels_its_handler_at_once(opened, app, monkeypatch):
    monkeypatch.setattr(app_calls, "DISCONNECT_GRACE", 1000.0)  # that are for what it said
    async with opened(patience=60) as server:
        async with connect(server) as client:
            await client.open_websocket("/ws/listen")
            await wait_until(lambda: app.config["RECORD"] == ["listening"])
        await wait_until(lambda: server.connections == 0)
    assert app.config["RECORD"] == ["listening", "left"]


@pytest.mark.parametrize("early", [b"x", frame(TEXT, b"early"), b"\x00" * 70000, frame(PING) * 100])
@pytest.mark.parametrize("path", ["/ws/private", "/ws/silent", "/nothing", "/"])
async def test_bytes_that_race_the_handshakes_refusal_do_no_harm(server, path, early):
    async with connect(server) as client:
        await client.try_to_send(upgrade(path) + early)
        answer = await client.read_answer()
        assert answer.status in (401, 403, 404, 400, 200, 405)
        with trio.move_on_after(0.05):
            await client.try_to_send(early)


async def test_frame_that_comes_before_the_handshakes_answer_is_not_lost(server):
    async with connect(server) as client:
        await client.send(upgrade("/ws/echo") + frame(TEXT, b"early"))
        await client.read_until(b"\r\n\r\n")
        assert await client.read_frame() == (TEXT, b"early")


async def test_one_byte_that_comes_before_the_handshakes_answer_ends_only_its_connection(server):
    async with connect(server) as client:
        await client.send(upgrade("/ws/echo") + b"x")
        await client.read_until(b"\r\n\r\n")
        await client.send(b"y" * 100)
        assert await client.read_close() == 1002


async def test_handler_refuses_a_handshake_with_its_own_answer(server):
    async with connect(server) as client:
        await client.send(upgrade("/ws/private"))
        answer = await client.read_answer()
        assert answer.status == 401
        assert json.loads(answer.body)["code"] == "unauthorized"
        assert answer.headers["connection"] == "close"
        assert await ended(client)


async def test_handler_that_does_not_accept_is_a_403(server):
    async with connect(server) as client:
        await client.send(upgrade("/ws/silent"))
        assert is_refusal(await client.read_answer(), 403)


async def test_handler_that_fails_to_accept_is_a_500(server):
    async with connect(server) as client:
        await client.send(upgrade("/ws/protocol"))
        assert (await client.read_answer()).status == 500


@pytest.mark.parametrize(
    "headers",
    [{"sec_websocket_version": "8"}, {"sec_websocket_version": ""}],
)
async def test_invalid_handshake_is_a_400(server, headers):
    async with connect(server) as client:
        await client.send(upgrade("/ws/echo", **headers))
        assert is_refusal(await client.read_answer(), 400, "malformed_handshake")
        assert await ended(client)


async def test_compression_is_never_agreed_to(server):
    async with connect(server) as client:
        head = await client.open_websocket("/ws/echo", sec_websocket_extensions="permessage-deflate")
        assert b"extensions" not in head.lower()
        await client.send(frame(TEXT, b"x", reserved=4))
        assert await client.read_close() == 1002


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"not masked", masked=False), 1002),
        (frame(3, b"an opcode that is none"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"", final=False), 1002),
        (frame(0, b"a continuation of nothing"), 1002),
        (frame(TEXT, b"a", final=False) + frame(TEXT, b"b"), 1002),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xe2\x82"), 1007),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, b"\x03\xec"), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        (frame(CLOSE), 1000),
        (b"\x81\xff" + b"\xff" * 8 + b"mask", 1002),
    ],
)
async def test_frames_that_break_the_rules_close_with_the_code_that_says_so(server, sent, code):
    async with connect(server) as client:
        await client.open_websocket("/ws/echo")
        await client.send(sent)
        assert await client.read_close() in (code, 1005, 0)
        await client.try_to_send(frame(TEXT, b"after the end") * 100)
        await client.read_to_end()


@pytest.mark.parametrize(
    "sent",
    [
        frame(TEXT, b"x" * (64 * KIB + 1)),
        frame(BINARY, b"x" * (64 * KIB + 1)),
        frame(TEXT, "€".encode() * 22000),
        frame(TEXT, b"x" * 40000, final=False) + frame(0, b"x" * 40000),
        frame(BINARY, b"", final=False) + frame(0, b"x" * 1000, final=False) * 100,
        b"\x82\xff\x00\x00\x00\x7f\xff\xff\xff\xff" + b"mask" + b"x" * 70000,
    ],
)
async def test_message_that_is_too_big_closes_with_1009(server, sent):
    async with connect(server) as client:
        await client.open_websocket("/ws/echo")
        await client.send(sent)
        assert await client.read_close() == 1009
        await client.try_to_send(b"x" * 1024 * KIB)
        await client.read_to_end()


async def test_client_that_answers_pings_stays(opened):
    async with opened(ping_every=0.3) as server, connect(server) as client:
        await client.open_websocket("/ws/listen")
        for _ in range(8):
            assert await client.read_frame() == (PING, b"")
            await client.send(frame(PONG))


async def test_client_that_answers_no_ping_is_closed(opened):
    async with opened(ping_every=0.1) as server, connect(server) as client:
        await client.open_websocket("/ws/listen")
        pings = 0
        while (await client.read_frame())[0] == PING:
            pings += 1
        assert pings == 2
        assert await ended(client)


async def test_pings_do_not_wait_for_a_client_that_only_talks(opened):
    async with opened(ping_every=0.1) as server, connect(server) as client:
        await client.open_websocket("/ws/listen")
        with trio.fail_after(10):
            while server.connections:
                await client.try_to_send(frame(PING, b"mine"))
                await trio.sleep(0.05)


@pytest.mark.parametrize(
    ("path", "code"), [("/ws/crash", 1011), ("/ws/abort", 1008), ("/ws/return", 1000), ("/ws/4401", 4401)]
)
async def test_close_code_says_how_the_handler_ended(server, path, code):
    async with connect(server) as client:
        await client.open_websocket(path)
        await client.send(frame(TEXT, b"go"))
        assert await client.read_close() == code
        await client.send(frame(CLOSE, code.to_bytes(2, "big")))
        assert await ended(client)


async def test_client_that_does_not_answer_a_close_is_cut_off(opened):
    async with opened(linger=0.2) as server, connect(server) as client:
        await client.open_websocket("/ws/return")
        await wait_until(lambda: server.connections == 0)


async def test_client_that_stops_reading_is_cut_off(opened):
    async with opened(write_stall=0.3) as server, connect(server) as client:
        await client.open_websocket("/ws/flood")
        await wait_until(lambda: server.connections == 0)


async def test_pings_to_a_client_that_reads_no_pongs_end_it(opened, monkeypatch):
    monkeypatch.setattr(websocket, "FRAMES_AT_ONCE", math.inf)  # the pongs have to fill the client's window
    async with opened(write_stall=0.3) as server, connect(server) as client, trio.open_nursery() as nursery:

        async def ping() -> None:
            await client.open_websocket("/ws/listen")
            while server.connections:
                await client.try_to_send(frame(PING, b"x" * 125) * 100)

        nursery.start_soon(ping)
        await wait_until(lambda: server.connections == 1)
        await wait_until(lambda: server.connections == 0)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "flood",
    [frame(PING, b""), frame(PONG, b""), frame(0, b"", final=False)],
    ids=["pings", "pongs", "fragments"],
)
async def test_client_that_floods_a_socket_with_small_frames_is_read_slowly(server, flood):
    """Each takes time of the event loop, and hundreds of sockets could take all of it."""
    async with connect(server) as client, connect(server) as other:
        await client.open_websocket("/ws/echo")
        if flood[0] == 0:
            await client.send(frame(TEXT, b"a", final=False))
        await client.send(flood * 5000 + frame(PING, b"last"))
        answers = []

        async def read():
            while True:
                answers.append(await client.read_frame())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for _ in range(20):
                assert (await other.ask("/")).status == 200
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert (PONG, b"last") not in answers  # all of them would take 90 seconds


async def test_client_that_never_stops_flooding_is_closed(opened, monkeypatch):
    """Its own close would be read hours later, behind megabytes of frames."""
    monkeypatch.setattr(websocket, "FLOOD", 0.2)
    async with opened(linger=0.2) as server:
        async with connect(server) as client:
            await client.open_websocket("/ws/echo")
            # The close can come while it still sends: then the rest is refused.
            with trio.move_on_after(0.5), suppress(trio.BrokenResourceError):
                await client.send(frame(PONG, b"") * 500_000)
        await wait_until(lambda: server.connections == 0)


async def test_handler_that_only_sends_does_not_freeze_the_loop_when_its_client_leaves(server):
    async with connect(server) as client:
        await client.open_websocket("/ws/flood")
        await client.read_frame()
    await wait_until(lambda: server.connections == 0)
    async with connect(server) as client:
        assert (await client.ask("/")).status == 200


async def test_messages_that_nobody_takes_stop_the_client_not_the_memory(opened):
    async with opened(grace=0.2, linger=0.2) as server, connect(server) as client:
        await client.open_websocket("/ws/listen")
        sent = 0
        with trio.move_on_after(1):
            while True:
                await client.send(frame(BINARY, b"x" * 60000))
                sent += 60000
        assert sent < 64 * KIB * KIB
