"""Too much of everything: each is refused as what it is, never a 500, and the next request is served."""

import json
import time

import httpx
import pytest
import trio

from lightd.http import wire
from tests.api.front import HEADERS, NO_VOLUME

KIB = 1024
MANY = KIB * KIB - 100
GENEROUS = 2.0
"""Seconds, on a machine that stalls; it is about a hundredth of this on one that doesn't."""
DEEP = "[" * 50_000 + "]" * 50_000
FILES = f"/volumes/{NO_VOLUME}/files"


def a_container(**fields):
    body = {"internal_id": "s1", "image": "x", "volume_id": NO_VOLUME, "startup_command": "x", **fields}
    return json.dumps(body)


REQUESTS = {
    "a path of 40 KiB": ("GET", "/" + "a" * 40 * KIB, {}, None, 431),
    "a path of 20 KiB": ("GET", "/" + "a" * 20 * KIB, {}, None, 404),
    "a path of 5,000 parts": ("GET", "/a" * 5000, {}, None, 404),
    "an id of 20 KiB": ("GET", "/containers/" + "a" * 20 * KIB, {}, None, 400),
    "a query of 40 KiB": ("GET", "/containers?x=" + "a" * 40 * KIB, {}, None, 431),
    "a query of 999 names": ("GET", "/containers?" + "&".join(map("a{}=".format, range(999))), {}, None, 400),
    "a number of 5,000 digits": ("GET", "/containers/s1/logs?lines=" + "9" * 5000, {}, None, 400),
    "a header of 40 KiB": ("GET", "/containers", {"x": "y" * 40 * KIB}, None, 431),
    "a header's name of 40 KiB": ("GET", "/containers", {"x" * 40 * KIB: "y"}, None, 431),
    "300 headers": ("GET", "/containers", {f"x{n}": "" for n in range(300)}, None, 431),
    "5,000 headers": ("GET", "/containers", {f"x{n}": "y" for n in range(5000)}, None, 431),
    "a token of 30 KiB": ("GET", "/node", {"Authorization": f"Bearer lightd_{'x' * 30 * KIB}"}, None, 401),
    "an Accept of 10,000 types": ("GET", "/containers", {"Accept": "a/b," * 7000}, None, 403),
    "an Origin of 30 KiB": ("GET", "/containers", {"Origin": "https://" + "a" * 30 * KIB}, None, 200),
    "a body of 3 MiB": ("POST", "/containers", {}, "x" * 3 * KIB * KIB, 413),
    "JSON 50,000 deep": ("POST", "/containers", {}, DEEP, 400),
    "JSON deep within a field": ("POST", "/containers", {}, a_container()[:-1] + f',"x":{DEEP}}}', 400),
    "a number of 100,000 digits": ("POST", "/containers", {}, '{"limits":' + "9" * 100_000 + "}", 400),
    "100,000 fields": ("POST", "/containers", {}, json.dumps({str(n): 0 for n in range(10**5)}), 400),
    "a name of a MiB": ("POST", "/containers", {}, a_container(internal_id="a" * KIB * KIB), 400),
    "an image's name of a MiB": ("POST", "/containers", {}, a_container(image="a" * KIB * KIB), 400),
    "a command of a MiB": ("POST", "/containers", {}, a_container(startup_command="a" * KIB * KIB), 400),
    "a pattern of a MiB": ("POST", "/containers", {}, a_container(start_pattern="(a*)*" * 200_000), 400),
    "50,000 ports": ("POST", "/containers", {}, a_container(ports=[{"port": 1}] * 50_000), 400),
    "10,000 wrong ports": ("POST", "/containers", {}, a_container(ports=[{"port": 1}] * 10_000), 400),
    "a variable of a MiB": ("POST", "/containers", {}, a_container(environment={"a b" * 100_000: ""}), 400),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
async def test_request_that_is_too_large_is_refused_with_its_own_status(api, name):
    method, path, headers, body, status = REQUESTS[name]
    try:
        answer = await api.ask(method, path, headers={**HEADERS, **headers}, content=body)
    except (httpx.WriteError, httpx.LocalProtocolError):  # it was refused before all of it was sent
        assert status in (413, 431)
    else:
        assert answer.status_code == status, answer.text[:300]
        if status != 200:
            said = answer.json()
            assert set(said) == {"error", "code"}
            assert len(said["error"]) < 2000
    assert (await api.get("/containers")) == {"containers": []}


async def test_paths_in_a_volume_have_a_longest(api):
    volume = await api.volume()
    for path in ("a" * 300, "a/" * 3000 + "a", "a" * 500_000, "/".join(["b" * 250] * 50)):
        status, _, said = await api.refused("POST", f"/volumes/{volume}/folders", {"path": path})
        assert status == 400, said
        assert len(said) < 1000


async def test_mistakes_of_a_long_list_are_named_by_their_places(api):
    port = {"ip": "127.0.0.1", "port": 1}
    body = json.loads(a_container(ports=[port] * 1234 + [{**port, "port": 0}] + [port] * 2000))
    status, _, said = await api.refused("POST", "/containers", body)
    assert status == 400
    assert said.startswith("ports[1234].port: must be")


async def test_body_of_a_route_that_takes_none_is_refused_without_being_read_as_json(api, monkeypatch):
    await api.create()
    volume = await api.volume()
    monkeypatch.setattr(wire, "loads", None)
    for method, path in (
        ("POST", "/containers/s1/start"),
        ("POST", "/containers/s1/revive"),
        ("DELETE", "/containers/s1"),
        ("DELETE", f"/volumes/{volume}"),
        ("POST", "/remote/config/reload"),
    ):
        for body in (b"[1]", b"{", b'{"a": 1}', b"[" * KIB, b"\xff"):
            answer = await api.ask(method, path, content=body)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), (path, body[:20])
        answer = await api.ask(method, path, content=b"{" + b" " * 2 * KIB + b"}")
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large"), path
    assert (await api.ask("POST", "/containers/s1/start", content=b" {\n} ")).status_code == 200


async def test_body_of_a_mebibyte_of_values_leaves_the_loop_to_others(api):
    body = b'{"ports":[' + b'{"ip":"127.0.0.1","port":1,"x":[]},' * (MANY // 35)
    longest = 0.0

    async def attack():
        for shape in (body, b"[" + b"{}," * (MANY // 3), b'{"ports":"' + b"\\n" * (MANY // 2) + b'"}'):
            answer = await api.ask("POST", "/network/ports/bulk", content=shape)
            assert answer.status_code == 400
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(attack)
        while True:
            before = time.perf_counter()
            await trio.lowlevel.checkpoint()
            longest = max(longest, time.perf_counter() - before)
    assert longest < GENEROUS
