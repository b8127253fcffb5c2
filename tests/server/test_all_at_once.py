"""Every attack, at random and together, while a client that means well goes on working."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import random
import resource
import socket as sockets
import struct
from collections.abc import Awaitable, Callable

import pytest
import trio

from lightd.http.transport import server as http_server
from tests.server.leaks import measure
from tests.support import soak
from tests.support.client import (
    BINARY,
    CLOSE,
    PING,
    TEXT,
    Client,
    connect,
    frame,
    request,
    upgrade,
    wait_until,
)

SECONDS = soak.times(8)
ATTACKERS = 20
MIB = 1024 * 1024

PATHS = [
    *("/", "/crash", "/wait", "/endless", "/broken", "/nothing", "//", "/%ff%00", "/?" + "x" * 500),
    *(
        "/ws/echo",
        "/ws/flood",
        "/ws/listen",
        "/ws/return",
        "/ws/crash",
        "/ws/private",
        "/ws/silent",
        "/ws/4401",
    ),
]
FRAMES = [
    frame(TEXT, b"hello"),
    frame(TEXT, b"hello", masked=False),
    frame(TEXT, b"\xff"),
    frame(TEXT, b"a", final=False),
    frame(0, b"b"),
    frame(BINARY, b"x" * 70000),
    frame(PING, b"?"),
    frame(PING, b"?" * 126),
    frame(CLOSE, b"\x03\xe8"),
    frame(CLOSE, b"\x03"),
    frame(11, b"?"),
    frame(TEXT, b"x", reserved=4),
    b"\x82\xff\x00\x00\x00\x7f\xff\xff\xff\xff",
    b"x",
]
SEEDS = [
    request("/echo", "POST", b"hello"),
    request("/echo", "POST", b"5\r\nhello\r\n0\r\n\r\n", transfer_encoding="chunked"),
    request(
        "/", connection="Upgrade, HTTP2-Settings", upgrade="h2c", http2_settings="AAMAAABkAAQAoAAAAAIAAAAA"
    ),
    request("/upload", "PUT", content_length="1000000"),
    request("/echo", "POST", content_length="5", expect="100-continue"),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    upgrade("/ws/echo"),
]


async def mutated(client: Client, dice: random.Random) -> None:
    data = bytearray(dice.choice(SEEDS) * dice.choice([1, 1, 3]))
    for _ in range(dice.randrange(6)):
        at = dice.randrange(len(data))
        data[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
    cut = dice.randrange(len(data) + 1)
    await client.send(bytes(data[:cut]))
    await trio.sleep(dice.choice([0, 0.01]))
    await client.send(bytes(data[cut:]))


async def noise(client: Client, dice: random.Random) -> None:
    await client.send(dice.randbytes(dice.randrange(1, 3000)))


async def early(client: Client, dice: random.Random) -> None:
    await client.send(upgrade(dice.choice(PATHS)) + dice.choice(FRAMES))
    await client.send(dice.choice(FRAMES))


async def frames(client: Client, dice: random.Random) -> None:
    await client.open_websocket(dice.choice(["/ws/echo", "/ws/flood", "/ws/listen", "/ws/crash", "/ws/4401"]))
    for _ in range(dice.randrange(1, 20)):
        await client.send(dice.choice(FRAMES))


async def ask(client: Client, dice: random.Random) -> None:
    await client.send(request(dice.choice(PATHS), dice.choice(["GET", "HEAD", "POST", "OPTIONS"])))


async def ahead(client: Client, dice: random.Random) -> None:
    await client.send(b"".join(request(dice.choice(PATHS)) for _ in range(dice.randrange(2, 30))))


async def unread(client: Client, dice: random.Random) -> None:
    await client.send(request(dice.choice(["/endless", "/ws/flood"])))
    await trio.sleep(dice.random())


async def large(client: Client, dice: random.Random) -> None:
    path = dice.choice(["/echo", "/upload", "/ignore", "/wait"])
    await client.send(request(path, dice.choice(["POST", "PUT"]), b"x" * dice.choice([1, 70000, 3 * MIB])))


async def handshake(client: Client, dice: random.Random) -> None:
    name = dice.choice(["connection", "upgrade", "sec_websocket_key", "sec_websocket_protocol", "host"])
    await client.send(upgrade("/ws/echo", **{name: dice.choice(["\xe9", "", "a,b", "upgrade, \xff"])}))


async def many_headers(client: Client, dice: random.Random) -> None:
    await client.send(
        request("/", **{f"x_{n}": "y" * dice.randrange(50) for n in range(dice.randrange(2000))})
    )


ATTACKS: list[Callable[[Client, random.Random], Awaitable[None]]] = [
    mutated, mutated, mutated, noise, early, frames, ask, ahead, unread, large, handshake, many_headers,
]  # fmt: skip


async def attack(server: http_server.Server, dice: random.Random, tally: dict[str, int]) -> None:
    async with connect(server) as client:
        chosen = dice.choice(ATTACKS)
        with (
            trio.move_on_after(dice.choice([0.05, 0.3, 1.0])),
            contextlib.suppress(trio.BrokenResourceError, EOFError, AssertionError),
        ):
            await chosen(client, dice)
            if dice.random() < 0.5:
                while await client.receive():
                    pass
        if dice.random() < 0.3:
            client.stream.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    tally[chosen.__name__] = tally.get(chosen.__name__, 0) + 1


async def work(server: http_server.Server, tally: dict[str, int]) -> None:
    """Any error here fails the test: nobody else's misbehaviour is this client's trouble."""
    async with connect(server) as client, connect(server) as viewer:
        await viewer.open_websocket("/ws/echo")
        while True:
            text = b"%d" % tally.get("work", 0)
            with trio.fail_after(10):
                assert (await client.ask("/echo", "POST", text)).body == text
                assert await viewer.exchange(text) == text
            tally["work"] = tally.get("work", 0) + 1


async def storm(server: http_server.Server, seed: int, seconds: float) -> dict[str, int]:
    tally: dict[str, int] = {}

    async def attacker(number: int) -> None:
        dice = random.Random(f"{seed} {number}")
        while True:
            await attack(server, dice, tally)

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, server, tally)
            for number in range(ATTACKERS):
                nursery.start_soon(attacker, number)
    with trio.fail_after(20):
        await wait_until(lambda: server.connections == 0)
    return tally


def resident() -> int:
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.soak
@pytest.mark.parametrize("seed", [random.randrange(10**6)], ids=lambda seed: f"seed-{seed}")
async def test_attacks_at_once_harm_no_other_client_and_leave_nothing_behind(opened, app, seed):
    short = {
        "head_timeout": 0.5,
        "body_timeout": 0.5,
        "write_stall": 0.5,
        "ping_every": 3.0,
        "keep_alive": 5.0,
    }
    async with opened(patience=180 + 2 * SECONDS, **short) as server:
        logging.disable(logging.CRITICAL)
        try:
            await storm(server, seed, min(SECONDS / 4, 8))
            app.config["RECORD"].clear()
            before, memory = measure(), resident()
            tally = await storm(server, seed + 1, SECONDS)
            app.config["RECORD"].clear()
        finally:
            logging.disable(logging.NOTSET)
        assert tally["work"] > 0
        assert all(tally.get(each.__name__) for each in ATTACKS), tally
        after = measure()
        assert (after.descriptors, after.tasks) == (before.descriptors, before.tasks)
        assert after.objects < before.objects + 50  # thousands of connections came and went
        assert resident() - memory < 32 * MIB
