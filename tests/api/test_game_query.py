"""``GET /containers/:id/query``: what a game server tells about its players, and servers that are hostile."""

import json
import struct
from contextlib import asynccontextmanager

import pytest
import trio

from lightd.games import queries
from lightd.games.minecraft import LONGEST
from tests.support.scoped import bearing, mint

STATUS = {
    "version": {"name": "Paper 1.21.4", "protocol": 769},
    "players": {
        "online": 2,
        "max": 20,
        "sample": [{"name": "alex"}, {"name": "st\x1b[31meve\u202e"}, {"id": 1}],
    },
    "description": {"text": "\u00a7aA ", "extra": [{"text": "Minecraft\n"}, " Server"]},
}


def to_number(value):
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def to_packet(status):
    text = status if isinstance(status, bytes) else json.dumps(status).encode()
    body = b"\0" + to_number(len(text)) + text
    return to_number(len(body)) + body


@asynccontextmanager
async def tcp_server(answer, asked=None):
    """A server on a free port that answers each connection with ``answer``."""

    async def serve(stream):
        request = await stream.receive_some(1000)
        if asked is not None:
            asked.append(request)
        try:
            if callable(answer):
                await answer(stream)
            else:
                await stream.send_all(answer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def udp_server(answer):
    """A server on a free port of 127.0.0.1 that sends the packets which ``answer`` returns for a request."""
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as here:
        await here.bind(("127.0.0.1", 0))

        async def serve():
            while True:
                packet, sender = await here.recvfrom(4096)
                for each in answer(packet):
                    await here.sendto(each, sender)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield here.getsockname()[1]
            nursery.cancel_scope.cancel()


async def started(api, port, protocol="minecraft"):
    transport = {"minecraft": "tcp", "source": "udp"}[protocol]
    binding = await api.port(port, protocol=transport)
    await api.running(ports=[binding], query={"protocol": protocol})


async def query(api):
    return await api.get("/containers/s1/query")


async def test_minecraft_server_tells_its_players_without_colours_and_control_characters(api):
    async with tcp_server(to_packet(STATUS)) as port:
        await started(api, port)
        found = await query(api)
    assert (found["reachable"], found["error"]) == (True, None)
    assert (found["players"], found["max_players"]) == (2, 20)
    assert found["names"] == ["alex", "st [31meve"]
    assert (found["version"], found["motd"], found["map"]) == ("Paper 1.21.4", "A Minecraft Server", None)
    assert found["latency"] >= 0


@pytest.mark.parametrize("challenged", [False, True])
async def test_source_server_tells_its_map_and_players(api, challenged):
    info = b"\xff\xff\xff\xffI\x11My server\0de_dust2\0csgo\0Counter-Strike\0" + struct.pack("<H", 730)
    info += bytes([2, 16, 0]) + b"dl\0\x01" + b"1.38\0"
    players = b"\xff\xff\xff\xffD\x02" + b"".join(
        b"\0" + name + b"\0" + struct.pack("<lf", 3, 1.5) for name in (b"alex", b"steve\x07")
    )

    def answer(packet):
        if challenged and not packet.endswith(b"abcd"):
            return [b"\xff\xff\xff\xffAabcd"]
        return [b"stray", players if packet[4:5] == b"U" else info]

    async with udp_server(answer) as port:
        await started(api, port, "source")
        found = await query(api)
    assert (found["players"], found["max_players"], found["names"]) == (2, 16, ["alex", "steve"])
    assert (found["map"], found["version"], found["motd"]) == ("de_dust2", "1.38", "My server")


@pytest.mark.parametrize(("names", "longest"), [(0.05, 20.0), (20.0, 1.0)])
async def test_source_server_that_does_not_name_its_players_is_told_without_names(
    api, monkeypatch, names, longest
):
    monkeypatch.setattr(queries, "NAMES_WAIT", names)
    monkeypatch.setattr(queries, "LONGEST_WAIT", longest)
    info = b"\xff\xff\xff\xffI\x11a\0b\0c\0d\0" + bytes([0, 0, 1, 9, 0]) + b"dl\0\0" + b"2\0"
    async with udp_server(lambda packet: [info] if packet[4:5] == b"T" else []) as port:
        await started(api, port, "source")
        found = await query(api)
    assert (found["reachable"], found["players"], found["names"]) == (True, 1, None)


async def test_answer_is_kept_and_asked_for_once_by_all(api):
    asked = []
    async with tcp_server(to_packet(STATUS), asked) as port:
        await started(api, port)
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(query, api)
        first = await query(api)
        await api.power("restart")
        second = await query(api)
    assert len(asked) == 2  # another run is asked anew
    assert first["at"] < second["at"]


async def trickle(stream):
    for byte in to_packet(STATUS):
        await stream.send_all(bytes([byte]))
        await trio.sleep(1)


async def flood(stream):
    while True:
        await stream.send_all(to_number(LONGEST) + b"\0" * 65536)


@pytest.mark.parametrize(
    "answer",
    [
        trickle,
        b"",
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n",
        b"\xff" * 100,
        to_number(2**31) + b"\0",
        to_packet(b"[" * 100_000),
        to_packet(b'{"players":'),
        to_packet(b"[]"),
        to_packet(b"\xff\xfe"),
        to_packet(STATUS)[:-1],
        to_number(3) + b"\x07\x01a",
        flood,
    ],
    ids=str,
)
async def test_hostile_server_is_not_reachable(api, monkeypatch, answer):
    monkeypatch.setattr(queries, "LONGEST_WAIT", 0.5)
    async with tcp_server(answer) as port:
        await started(api, port)
        found = await query(api)
    assert found["reachable"] is False
    assert found["error"]
    assert (found["players"], found["names"], found["motd"], found["latency"]) == (None, None, None, None)


async def test_texts_and_counts_of_a_server_are_bounded(api):
    deep = {"text": "a"}
    for _ in range(200):
        deep = {"extra": [deep]}
    status = {
        "players": {"online": -1, "max": 10**30, "sample": [{"name": "n" * 1000}] * 150},
        "version": {"name": ["x"]},
        "description": [deep] * 9 + ["m" * 5000] * 9,
    }
    async with tcp_server(to_packet(status)) as port:
        await started(api, port)
        found = await query(api)
    assert found["reachable"]
    assert (found["players"], found["max_players"], found["version"]) == (None, None, None)
    assert found["names"] == ["n" * 256] * 100
    assert found["motd"] is None or len(found["motd"]) <= 256


async def test_server_that_does_not_listen_is_not_reachable(api):
    async with tcp_server(b"") as port:
        pass
    await started(api, port)
    assert "cannot be reached" in (await query(api))["error"]


async def test_query_that_is_not_possible_says_what_to_do(api):
    binding = await api.port(25565)
    await api.create(ports=[binding])
    path = "/containers/s1/query"
    code, message = (await api.refused("GET", path))[1:3]
    assert code == "no_query"
    assert "PATCH" in message
    await api.ask("PATCH", "/containers/s1", {"query": {"protocol": "minecraft", "port": 1}})
    assert (await api.refused("GET", path))[:2] == (409, "not_running")
    await api.power("start")
    assert (await api.refused("GET", path))[:2] == (409, "no_query")
    await api.ask("PATCH", "/containers/s1", {"query": {"protocol": "source"}})
    assert (await api.refused("GET", path))[:2] == (409, "no_query")
    assert (await api.show())["query"] == {"protocol": "source", "port": None}


async def test_query_of_another_container_is_refused_to_a_token(api):
    await api.running()
    token = await mint(api, ["other"], ["console.read"])
    answer = await api.ask("GET", "/containers/s1/query", headers=bearing(token))
    assert answer.status_code in (403, 404)
