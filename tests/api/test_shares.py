"""One token takes no more than its share of what all have in common; the master token is served anyway."""

import pytest
import trio

from lightd.access import request_shares
from lightd.http.live import session
from tests.api.front import HEADERS, PATIENCE


async def mint(edge):
    token = (await edge.post("/auth/tokens", {"ttl": "1h"}))["token"]
    return token, {**HEADERS, "Authorization": f"Bearer {token}"}


async def test_requests_of_one_token_have_a_limit_and_the_others_go_on(edge, monkeypatch):
    monkeypatch.setattr(request_shares, "REQUESTS", 3)
    edge.faults.gates["start"] = trio.Event()
    await edge.create()
    _, greedy = await mint(edge)
    _, other = await mint(edge)
    answers = []

    async def wait():
        answers.append(await edge.ask("POST", "/containers/s1/start?wait=60", headers=greedy))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        with trio.fail_after(PATIENCE):
            while (refused := await edge.ask("GET", "/containers", headers=greedy)).status_code == 200:
                await trio.sleep(0.01)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert refused.headers["Retry-After"]
        for headers in (other, HEADERS):
            assert (await edge.ask("GET", "/containers", headers=headers)).status_code == 200
        monkeypatch.setattr(request_shares, "ALL_REQUESTS", 3)
        refused = await edge.ask("GET", "/containers", headers=other)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert (await edge.ask("GET", "/containers")).status_code == 200
        edge.faults.gates["start"].set()
    assert (await edge.ask("GET", "/containers", headers=greedy)).status_code == 200


async def test_sockets_of_one_token_have_a_limit_whatever_they_watch(edge, monkeypatch):
    monkeypatch.setattr(request_shares, "SOCKETS", 2)
    await edge.create()
    token, _ = await mint(edge)
    async with edge.console(token=f"?token={token}"), edge.console("", token=f"?token={token}"):
        for path in ("/ws", "/ws/s1"):
            refused = await edge.shake_hands(f"{path}?token={token}")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_sockets")
        async with edge.console(), edge.console(""):
            pass


@pytest.mark.parametrize("path", ["s1", ""])
async def test_master_token_opens_a_socket_where_others_have_all_that_there_are(edge, monkeypatch, path):
    monkeypatch.setattr(session, "MOST_SESSIONS", 1)
    monkeypatch.setattr(session, "RESERVED", 1)
    await edge.create()
    token, _ = await mint(edge)
    query = f"?token={token}"
    async with edge.console(path, token=query):
        assert (await edge.shake_hands(f"/ws/{path}".rstrip("/") + query)).status_code == 429
        async with edge.console(path):
            refused = await edge.shake_hands(f"/ws/{path}".rstrip("/"), headers=HEADERS)
            assert refused.status_code == 429
