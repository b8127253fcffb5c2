"""One token takes no more than its share of what all have in common; the master token is served anyway."""

import pytest
import trio

from lightd.access import request_shares
from lightd.http.live import session
from tests.api.front import HEADERS, PATIENCE


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
