"""One token takes no more than its share of what all have in common; the master token is served anyway."""

import socket
from contextlib import asynccontextmanager

import pytest
import trio

from lightd.access import request_shares
from lightd.http.live import session
from tests.api.front import HEADERS, PATIENCE, open_api


async def mint(api):
    token = (await api.post("/auth/tokens", {"ttl": "1h"}))["token"]
    return token, {**HEADERS, "Authorization": f"Bearer {token}"}


async def test_requests_of_one_token_have_a_limit_and_the_others_go_on(api, monkeypatch):
    monkeypatch.setattr(request_shares, "REQUESTS", 3)
    api.faults.gates["start"] = trio.Event()
    await api.create()
    _, greedy = await mint(api)
    _, other = await mint(api)
    answers = []

    async def wait():
        answers.append(await api.ask("POST", "/containers/s1/start?wait=60", headers=greedy))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        with trio.fail_after(PATIENCE):
            while (refused := await api.ask("GET", "/containers", headers=greedy)).status_code == 200:
                await trio.sleep(0.01)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert refused.headers["Retry-After"]
        for headers in (other, HEADERS):
            assert (await api.ask("GET", "/containers", headers=headers)).status_code == 200
        monkeypatch.setattr(request_shares, "ALL_REQUESTS", 3)
        refused = await api.ask("GET", "/containers", headers=other)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert (await api.ask("GET", "/containers")).status_code == 200
        api.faults.gates["start"].set()
    assert (await api.ask("GET", "/containers", headers=greedy)).status_code == 200


async def test_sockets_of_one_token_have_a_limit_whatever_they_watch(api, monkeypatch):
    monkeypatch.setattr(request_shares, "SOCKETS", 2)
    await api.create()
    token, _ = await mint(api)
    async with api.console(token=f"?token={token}"), api.console("", token=f"?token={token}"):
        for path in ("/ws", "/ws/s1"):
            refused = await api.shake_hands(f"{path}?token={token}")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_sockets")
        async with api.console(), api.console(""):
            pass


@pytest.mark.parametrize("path", ["s1", ""])
async def test_master_token_opens_a_socket_where_others_have_all_that_there_are(api, monkeypatch, path):
    api.allow_viewers(1)
    monkeypatch.setattr(session, "RESERVED", 1)
    await api.create()
    token, _ = await mint(api)
    query = f"?token={token}"
    async with api.console(path, token=query):
        assert (await api.shake_hands(f"/ws/{path}".rstrip("/") + query)).status_code == 429
        async with api.console(path):
            refused = await api.shake_hands(f"/ws/{path}".rstrip("/"), headers=HEADERS)
            assert refused.status_code == 429


@asynccontextmanager
async def unread_listing(api, headers):
    """A listing of some megabytes whose client does not read it."""
    volume = await api.volume()
    folder = api.system.folders.path_of(volume)
    for number in range(9000):
        (folder / ("\x01" * 200 + f"{number}")).touch()
    host, port = api.url.removeprefix("http://").split(":")
    client = trio.socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await client.connect((host, int(port)))
    async with trio.SocketStream(client) as stream:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        target = f"/volumes/{volume}/files?limit=10000"
        await stream.send_all(f"GET {target} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 200")
        yield f"{target}&path=."
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


async def test_answers_that_are_not_read_have_a_limit_for_each_token(api, monkeypatch):
    monkeypatch.setattr(request_shares, "UNREAD", 12 << 20)
    token, greedy = await mint(api)
    _, other = await mint(api)
    await api.create()
    async with unread_listing(api, greedy) as target:
        refused = await api.ask("GET", target, headers=greedy)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert "that its clients do not read" in refused.json()["error"]
        assert refused.headers["Retry-After"]
        assert (await api.ask("GET", "/containers", headers=greedy)).status_code == 200  # a small one
        for headers in (other, HEADERS):
            assert (await api.ask("GET", target, headers=headers)).status_code == 200
        monkeypatch.setattr(request_shares, "ALL_UNREAD", 1 << 20)
        refused = await api.ask("GET", target, headers=other)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert (await api.ask("GET", target)).status_code == 200
        monkeypatch.setattr(request_shares, "SMALL", 0)
        async with api.console(token=f"?token={token}") as console:
            await console.send("request_logs")
            assert "not read" in (await console.until("error"))["data"]
    monkeypatch.undo()
    with trio.fail_after(PATIENCE):
        while (await api.ask("GET", target, headers=greedy)).status_code != 200:
            await trio.sleep(0.01)


async def test_viewer_waits_for_old_lines_while_its_token_has_too_many_answers_unread(tmp_path, monkeypatch):
    async with open_api(tmp_path) as api:
        await api.create(command="line-printer 1000 0; stdin-echo", start_pattern="Ready")
        await api.power("start")
    monkeypatch.setattr(request_shares, "UNREAD", 12 << 20)
    async with open_api(tmp_path) as api, trio.open_nursery() as nursery:
        token, greedy = await mint(api)
        lines = []

        async def watch():
            async with api.console(token=f"?token={token}", query="&since_line=10") as console:
                lines.append("opened")
                await console.until("console", "Ready")
                lines.extend(console.text.splitlines())

        async with unread_listing(api, greedy):
            nursery.start_soon(watch)
            with trio.fail_after(PATIENCE):
                while not lines:
                    await trio.sleep(0.01)
            await trio.sleep(0.1)
            assert lines == ["opened"]
        with trio.fail_after(PATIENCE):
            while len(lines) < 990:
                await trio.sleep(0.01)
        assert lines[1] == "line 11"
