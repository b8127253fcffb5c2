"""Real games run from lightd's own eggs: installed, started, joined, changed, stopped, removed.

The games are Debian's packages. Their eggs name public images; these tests put the rig's in their place.
"""

import contextlib
import gzip
import json
import socket
import struct
from importlib import resources

import attrs
import pytest
import ruamel.yaml
import trio

from tests.rig import engine, games
from tests.support.daemon import free_port, inspect, settled

EGGS = resources.files("lightd.eggs") / "examples"
PATIENCE = 30.0


# ---- clients


async def exchange(port, sent, size=1, protocol="tcp"):
    """Send a message to the game, and return what it answers, at least ``size`` bytes."""
    with trio.fail_after(PATIENCE):
        if protocol == "udp":
            return await ask_by_udp(port, sent)
        while True:  # Docker takes the connection also while the game does not listen yet, and drops it
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                with contextlib.suppress(trio.BrokenResourceError):
                    await stream.send_all(sent)
                    answer = await receive(stream, size)
                    if len(answer) >= size:
                        return answer
            await trio.sleep(0.2)


async def receive(stream, size):
    answer = b""
    while len(answer) < size and (more := await stream.receive_some(4096)):
        answer += more
    return answer


async def ask_by_udp(port, sent):
    client = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        await client.connect(("127.0.0.1", port))
        while True:  # a datagram can be lost
            await client.send(sent)
            with trio.move_on_after(1):
                try:
                    return await client.recv(4096)
                except ConnectionRefusedError:
                    await trio.sleep(0.1)


async def join_bzflag(port, values):
    answer = await exchange(port, b"BZFLAG\r\n\r\n", 9)
    assert answer[:4] == b"BZFS"
    assert answer[4:8].isdigit()  # the version of its protocol; then the player's number
    assert answer[8] < int(values["MAX_PLAYERS"])


async def join_teeworlds(port, values):
    token = b"\x01\x02\x03\x04"
    answer = await exchange(port, b"\x04\x00\x00\xff\xff\xff\xff\x05" + token + bytes(512), protocol="udp")
    assert answer[3:8] == token + b"\x05"  # for us, and it is the server's own token


async def join_luanti(port, values):
    hello = b"\x4f\x45\x74\x03\x00\x00\x00"
    answer = await exchange(port, hello + b"\x03\xff\xdc\x01\x00\x00", protocol="udp")
    assert answer[:4] == hello[:4]


async def join_armagetron(port, values):
    answer = await exchange(port, b"\x00\x34\x00\x00\x00\x00\x00\x00", protocol="udp")
    assert answer[:2] == b"\x00\x32"  # its information, with its port
    assert struct.pack(">H", port) in answer


async def join_pioneers(port, values):
    answer = await exchange(port, b"", 10)
    assert answer.startswith(b"version report\n")


async def join_wesnoth(port, values):
    answer = await exchange(port, bytes(4), 40)
    (size,) = struct.unpack(">I", answer[4:8])
    assert b"[version]" in gzip.decompress(answer[8 : 8 + size])


async def join_liquidwar(port, values):
    answer = await exchange(port, b"PING\n", 2)
    assert answer.startswith(b"OK")


async def join_gnugo(port, values):
    answer = await exchange(port, b"query_boardsize\nquit\n", 5)
    assert answer.startswith(b"= " + values["BOARD_SIZE"].encode())


# ---- games


def to_properties(text):
    return dict(line.split("=", 1) for line in text.replace(" = ", "=").splitlines() if "=" in line)


def to_words(text):
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def read_yaml(text):
    return ruamel.yaml.YAML(typ="safe").load(text)


@attrs.frozen
class Game:
    """A game: its client, a variable that is changed, the file that has it, and how a stop ends it."""

    join: object
    change: dict
    protocol: str = "tcp"
    file: str = ""
    read: object = to_words
    find: object = None
    exit_code: int = 0


GAMES = {
    "armagetron": Game(
        join_armagetron, {"SERVER_NAME": "Second name"}, "udp", "settings/server_info.cfg",
        find=lambda found: found["SERVER_NAME"] == "Second name",
    ),
    "bzflag": Game(
        join_bzflag, {"MAX_PLAYERS": "3"}, file="bzflag.conf", find=lambda found: found["-mp"] == "3"
    ),
    "gnugo": Game(
        join_gnugo, {"BOARD_SIZE": "9"}, file="gnugo.json", read=json.loads,
        find=lambda found: found["board"] == {"size": 9}, exit_code=143,
    ),
    "liquidwar": Game(
        join_liquidwar, {"TEAMS": "3"}, file="liquidwar.yml", read=read_yaml,
        find=lambda found: found["server"]["teams"] == 3, exit_code=130,
    ),
    "luanti": Game(
        join_luanti, {"MOTD": "Good evening"}, "udp", "minetest.conf", to_properties,
        lambda found: found["motd"] == "Good evening",
    ),
    "pioneers": Game(join_pioneers, {"POINTS": "5"}, exit_code=130),
    "teeworlds": Game(
        join_teeworlds, {"SERVER_NAME": "Second name"}, "udp", "autoexec.cfg",
        find=lambda found: found["sv_name"] == '"Second name"', exit_code=130,
    ),
    "wesnoth": Game(join_wesnoth, {"THREADS": "2"}, exit_code=143),
}  # fmt: skip


@pytest.fixture(scope="session")
def packages(docker):
    """The images that stand for those that the eggs name."""
    try:
        games.build()
    except games.NoGames as error:
        engine.give_up(str(error))


def to_egg(name):
    """The egg, with the rig's images, as JSON."""
    text = (EGGS / f"{name}.yaml").read_text()
    text = text.replace("ghcr.io/parkervcp/yolks:debian", games.IMAGE)
    return read_yaml(text.replace("ghcr.io/parkervcp/installers:debian", games.INSTALLER))


def test_every_own_egg_has_a_game_here():
    assert {path.name.removesuffix(".yaml") for path in EGGS.iterdir()} == GAMES.keys()


@pytest.mark.parametrize("name", GAMES)
async def test_game_runs_from_its_egg_from_the_installation_to_the_end(packages, daemon, name):
    game, port, internal_id = GAMES[name], free_port(), f"game-{name}"
    imported = await daemon.post("/eggs", {"id": name, "egg": to_egg(name)}, status=201)
    assert imported["ignored"] == []
    volume = await daemon.volume()
    binding = {"ip": "127.0.0.1", "port": port, "protocol": game.protocol}
    await daemon.post("/network/ports", binding)
    body = {"internal_id": internal_id, "volume_id": volume, "egg": name, "ports": [binding]}
    created = await daemon.post("/containers", body, wait=120)
    assert (created["status"], created["missing"]) == ("succeeded", {})
    await daemon.power("start", internal_id)
    shown = await settled(daemon, internal_id, state="running")
    assert shown["egg"] == {"id": name, "version": imported["version"]}
    values = await to_values(daemon, internal_id)
    await game.join(port, values)

    await daemon.call("PATCH", f"/containers/{internal_id}/variables", game.change)
    await daemon.power("restart", internal_id)
    await settled(daemon, internal_id, state="running")
    await game.join(port, {**values, **game.change})
    if game.file:
        text = (daemon.folder / "storage/volumes" / volume / game.file).read_text()
        assert game.find(game.read(text)), text
        assert str(port) in text

    before = inspect(internal_id)["Id"]
    await daemon.power("stop", internal_id)
    shown = await settled(daemon, internal_id, state="offline")
    assert inspect(internal_id)["Id"] == before
    assert (shown["exit"]["code"], shown["exit"]["oom_killed"]) == (game.exit_code, False)
    await daemon.call("DELETE", f"/containers/{internal_id}", wait=60)


async def to_values(daemon, internal_id):
    shown = await daemon.get(f"/containers/{internal_id}/variables")
    return {each["env"]: each["value"] for each in shown["variables"]}
