"""The way past the protocol: frames that were framed once, straight to the socket."""

from __future__ import annotations

import pytest
import trio

from tests.support.client import CLOSE, TEXT, connect, frame, wait_until

FRAMED = frame(TEXT, b"line", masked=False)
LARGE = frame(TEXT, b"x" * 60000, masked=False)


async def to_socket(app):
    await wait_until(lambda: len(app.config["RECORD"]) == 1)
    return app.config["RECORD"].pop()


async def test_frame_arrives_without_a_task_switch(server, app):
    async with connect(server) as client:
        await client.open_websocket("/ws/direct")
        socket = await to_socket(app)
        assert socket.open
        assert socket.write_nowait(FRAMED)
        assert await client.read_frame() == (TEXT, b"line")
        await socket.write(FRAMED * 2)
        assert await client.read_frame() == (TEXT, b"line")
        assert await client.read_frame() == (TEXT, b"line")


async def test_full_window_takes_all_of_a_frame_or_nothing(server, app):
    async with connect(server) as client:
        await client.open_websocket("/ws/direct")
        socket = await to_socket(app)
        taken = 0
        while socket.write_nowait(LARGE):
            taken += 1
        assert not socket.write_nowait(FRAMED)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.write, FRAMED)
            for _ in range(taken):
                assert await client.read_frame() == (TEXT, b"x" * 60000)
            assert await client.read_frame() == (TEXT, b"line")
        assert socket.write_nowait(FRAMED)
        assert await client.read_frame() == (TEXT, b"line")


async def test_order_holds_among_all_who_write(server, app):
    async with connect(server) as client, trio.open_nursery() as nursery:
        await client.open_websocket("/ws/direct")
        socket = await to_socket(app)
        number, waiting = 0, trio.Event()

        async def publish() -> None:
            nonlocal number
            while number < 5000:
                framed = frame(TEXT, b"%d " % number + b"." * 2000, masked=False)
                number += 1
                if not socket.write_nowait(framed):
                    await socket.write(framed)
            waiting.set()

        nursery.start_soon(publish)
        for expected in range(5000):
            _, payload = await client.read_frame()
            assert payload.startswith(b"%d " % expected)
            if expected % 500 == 0:
                await trio.sleep(0.02)


async def test_closed_socket_takes_nothing_and_is_a_checkpoint(server, app):
    async with connect(server) as client:
        await client.open_websocket("/ws/direct")
        socket = await to_socket(app)
        await client.send(frame(CLOSE, b"\x03\xe8"))
        await client.read_to_end()
        assert not socket.open
        assert not socket.write_nowait(FRAMED)
        with trio.CancelScope() as scope:
            scope.cancel()
            await socket.write(FRAMED)
        assert scope.cancelled_caught


async def test_client_that_has_left_is_found_without_an_exception(server, app):
    async with connect(server) as client:
        await client.open_websocket("/ws/direct")
        socket = await to_socket(app)
    with trio.fail_after(10):
        while socket.open:
            socket.write_nowait(FRAMED)
            await socket.write(FRAMED)
    assert not socket.write_nowait(FRAMED)


async def test_client_that_takes_nothing_is_cut_off(opened, app):
    async with opened(write_stall=0.3) as server, connect(server) as client:
        await client.open_websocket("/ws/direct")
        socket = await to_socket(app)
        while socket.write_nowait(LARGE):
            pass
        await wait_until(lambda: server.connections == 0)
        assert not socket.open


@pytest.mark.parametrize("full", [False, True])
async def test_shutdown_is_not_held_up_by_a_writer(opened, app, full):
    async with opened(grace=0.5, linger=0.1) as server, connect(server) as client:
        await client.open_websocket("/ws/direct")
        socket = await to_socket(app)
        while full and socket.write_nowait(LARGE):
            pass
