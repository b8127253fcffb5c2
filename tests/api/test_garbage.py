"""What a viewer may send that is no frame of the API: each is refused with a sentence, and that is all."""

import json
import random
import string

import pytest
import trio

from tests.api.front import PATIENCE

SOCKETS = 20
FRAMES = 18  # a socket may send 20 a second
EVENTS = [
    "send_command",
    "power",
    "request_logs",
    "resize",
    "",
    "Power",
    "__class__",
    "event",
    None,
    1,
    [],
    {},
]
VALUES = [
    *(None, True, 0, -1, 1.5, 1e400, 10**400, "", "x" * 5000, "\0", "a\nb", "\ud83d", [], {}, [[]], {"": 0}),
    *("start;rm", "START", "../", "%s%n", "{{7*7}}", float("nan"), "1", ["start"], {"action": "start"}),
]
FIELDS = ["command", "action", "lines", "columns", "rows", "event", "odd", "__init__", ""]


def a_piece(dice):
    """Anything but a valid frame."""
    kind = dice.randrange(6)
    if kind == 0:
        return "".join(dice.choice(string.printable) for _ in range(dice.randrange(200)))
    if kind == 1:
        return dice.choice(
            ["[" * 30_000, '{"a":' * 9000, "1" * 60_000, '"' + "\\u0000" * 9000 + '"', "{}", "null"]
        )
    if kind == 2:
        text = '{"event": "power", "action": "start", "odd": 1, "odder": 2}'
        at = dice.randrange(len(text) - 1)
        return text[:at] + dice.choice(["", "\0", '"', "\u2028", "\\", "}"]) + text[at + 1 :]
    if kind == 3:
        return '{"event":"power","event":"power","action":"none"}'
    value = {"event": dice.choice(EVENTS)}
    value |= {dice.choice(FIELDS): dice.choice(VALUES) for _ in range(dice.randrange(1, 5))}
    return json.dumps({**value, "odd": 0})


@pytest.mark.parametrize("seed", [random.randrange(10**6)], ids=lambda seed: f"seed-{seed}")
async def test_garbage_is_refused_frame_by_frame_and_the_neighbour_goes_on(api, seed):
    await api.running()
    before = await api.types()
    refused = []

    async def attack(number):
        dice = random.Random(f"{seed} {number}")
        async with api.console() as console:
            for _ in range(FRAMES):
                piece = a_piece(dice)
                await console._connection.send_message(piece)
                frame = await console.until("error")
                assert isinstance(frame["data"], str)
                assert 0 < len(frame["data"]) < 2000, piece[:200]
                refused.append(piece)
            await console._connection.send_message(b"\x00\xff")  # binary
            await console.until("error", "frames must be text")

    async with api.console() as neighbour, trio.open_nursery() as nursery:
        for number in range(SOCKETS):
            nursery.start_soon(attack, number)
        for number in range(10):
            await neighbour.send("send_command", command=f"still {number}")
            await neighbour.until("console", f"still {number}")
    assert len(refused) == SOCKETS * FRAMES
    assert await api.types() == before
    assert (await api.show())["state"] == "running"


@pytest.mark.parametrize("path", ["s1", ""])
async def test_flood_of_garbage_is_limited_and_costs_its_sender_alone(api, path):
    await api.running()
    async with api.console(path) as flooder, api.console() as neighbour:

        async def flood():
            for _ in range(2000):
                await flooder._connection.send_message("garbage")

        async def read():
            while True:
                await flooder.next()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(flood)
            for number in range(10):
                await neighbour.send("send_command", command=f"line {number}")
                await neighbour.until("console", f"line {number}")
            with trio.fail_after(PATIENCE):
                while len(flooder.frames) < 60:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(flooder._connection._stream)  # its turn to say goodbye would come late
        if path:
            assert any("20 messages a second" in each.get("data", "") for each in flooder.frames)
        assert len(flooder.frames) < 2000  # it is read no faster than the limit: all would take 100 seconds
