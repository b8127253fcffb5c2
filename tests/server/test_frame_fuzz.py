"""WebSocket frames at random: what is right is answered as it should, what is wrong ends its socket alone."""

from __future__ import annotations

import random
import struct

import attrs
import pytest
import trio

from lightd.http.transport import server as http_server
from tests.server.leaks import measure
from tests.support import soak
from tests.support.client import BINARY, CLOSE, PING, PONG, TEXT, Client, connect, frame, wait_until

SECONDS = soak.times(8)
FUZZERS = 12
LARGEST = 64 * 1024
CODES = {0, 1000, 1002, 1003, 1005, 1007, 1008, 1009, 1011}
TEXTS = [
    "",
    "x",
    "{",
    "[]",
    "\0",
    "\ufeff",
    "😀" * 9,
    '{"event":"power"}',
    "[" * 3000,
    '"\\ud800"',
    "9" * 5000,
]


def a_message(dice: random.Random) -> tuple[int, bytes]:
    size = dice.choice([0, 1, 125, 126, 127, 65535, LARGEST, dice.randrange(2000)])
    if dice.random() < 0.5:
        return BINARY, dice.randbytes(size)
    return TEXT, (dice.choice(TEXTS) or "é" * (size // 2)).encode()


def cut(message: tuple[int, bytes], dice: random.Random) -> list[tuple[bytes, bytes | None]]:
    """The frames of a message, and of pings between them: each with the pong that it asks for."""
    opcode, payload = message
    cuts = sorted(dice.randrange(len(payload) + 1) for _ in range(dice.choice([0, 0, 1, 3, 20])))
    found: list[tuple[bytes, bytes | None]] = []
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(payload)], strict=True)):
        if dice.random() < 0.2:
            word = dice.randbytes(dice.randrange(126))
            found.append((frame(PING, word), word))
        if dice.random() < 0.1:
            found.append((frame(PONG, b"unasked"), None))
        final = number == len(cuts)
        found.append((frame(0 if number else opcode, payload[start:stop], final=final), None))
    return found


async def send_in_pieces(client: Client, data: bytes, dice: random.Random) -> None:
    at = 0
    while at < len(data):
        size = dice.choice([1, 2, 3, 7, 1000, 65536])
        await client.send(data[at : at + size])
        at += size
        if size < 3:
            await trio.lowlevel.checkpoint()


async def right(client: Client, dice: random.Random, tally: dict[str, int]) -> None:
    """Every message comes back as it was, every ping is answered in its place."""
    for _ in range(dice.randrange(1, 8)):
        message = a_message(dice)
        frames = cut(message, dice)
        expected = [(PONG, pong) for _, pong in frames if pong is not None] + [message]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_in_pieces, client, b"".join(each for each, _ in frames), dice)
            got = [await client.read_frame() for _ in expected]
        assert got == expected
        tally["answered"] = tally.get("answered", 0) + 1


def a_wrong_frame(dice: random.Random) -> bytes:
    """A head with everything at random, and a payload that may be there, or not."""
    length = dice.choice([0, 1, 125, 126, 127])
    head = bytes([dice.randrange(256), dice.randrange(2) << 7 | length])
    if length == 126:
        head += struct.pack("!H", dice.choice([0, 1, 125, 126, 65535]))
    elif length == 127:
        head += struct.pack(
            "!Q", dice.choice([0, 1, 65535, 65536, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
        )
    return head + dice.randbytes(dice.choice([0, 4, 4, 5, 129, 3000]))


async def wrong(client: Client, dice: random.Random, tally: dict[str, int]) -> None:
    """What comes back are frames as a server sends them, to the very end."""
    async with trio.open_nursery() as nursery:

        async def attack() -> None:
            for _ in range(dice.randrange(1, 30)):
                await client.try_to_send(a_wrong_frame(dice))
                await trio.lowlevel.checkpoint()
            if dice.random() < 0.5:
                await client.try_to_send(frame(CLOSE, dice.randbytes(dice.randrange(126))))

        nursery.start_soon(attack)
        with trio.move_on_after(dice.choice([0.05, 0.3])):
            await read_frames(client, tally)
        nursery.cancel_scope.cancel()


async def read_frames(client: Client, tally: dict[str, int]) -> None:
    while True:
        try:
            opcode, payload = await client.read_frame()
        except EOFError:
            return
        assert opcode in (TEXT, BINARY, CLOSE, PING, PONG, 0)
        assert opcode < CLOSE or len(payload) < 126
        if opcode == CLOSE:
            assert int.from_bytes(payload[:2], "big") in CODES or payload[:1] >= b"\x03", payload
            tally["closed"] = tally.get("closed", 0) + 1


@attrs.define
class Neighbour:
    """Talks on a socket of its own, and fails where it isn't answered."""

    server: http_server.Server
    answered: int = 0

    async def talk(self) -> None:
        async with connect(self.server) as client:
            await client.open_websocket("/ws/echo")
            while True:
                with trio.fail_after(10):
                    assert await client.exchange(b"%d" % self.answered) == b"%d" % self.answered
                self.answered += 1
                await trio.sleep(0.005)


async def fuzz(server: http_server.Server, seed: int, seconds: float) -> dict[str, int]:
    tally: dict[str, int] = {}
    neighbour = Neighbour(server)

    async def session(number: int) -> None:
        dice = random.Random(f"{seed} {number}")
        while True:
            async with connect(server) as client:
                await client.open_websocket("/ws/echo")
                await dice.choice([right, right, wrong])(client, dice, tally)
                if dice.random() < 0.3:
                    await wrong(client, dice, tally)
            tally["sessions"] = tally.get("sessions", 0) + 1

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(neighbour.talk)
            for number in range(FUZZERS):
                nursery.start_soon(session, number)
    with trio.fail_after(20):
        await wait_until(lambda: server.connections == 0)
    assert neighbour.answered > 0
    return tally


@pytest.mark.soak
@pytest.mark.parametrize("seed", [random.randrange(10**6)], ids=lambda seed: f"seed-{seed}")
async def test_frames_at_random_are_answered_or_end_their_socket_alone(opened, seed):
    limits = {"linger": 0.3, "write_stall": 1.0, "ping_every": 5.0}
    async with opened(patience=60 + 2 * SECONDS, **limits) as server:
        await fuzz(server, seed, SECONDS / 4)
        before = measure()
        tally = await fuzz(server, seed + 1, SECONDS)
        after = measure()
    assert tally["answered"] > 20, tally
    assert tally["closed"] > 5, tally
    assert (after.descriptors, after.tasks) == (before.descriptors, before.tasks)
    assert after.objects < before.objects + 50
