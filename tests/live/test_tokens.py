"""Minted tokens on a real daemon: two uses at once, and a daemon that is killed between two."""

import httpx
import trio

from tests.support.daemon import HEADERS, NO_AUTHORITIES

USES = 5


async def use(daemon, token, found):
    async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES, timeout=60) as client:
        bearer = {**HEADERS, "Authorization": f"Bearer {token}"}
        found.append((await client.get(daemon.url + "/containers", headers=bearer)).status_code)


async def use_at_once(daemon, token):
    found = []
    async with trio.open_nursery() as nursery:
        for _ in range(USES):
            nursery.start_soon(use, daemon, token, found)
    return sorted(found)


async def test_simultaneous_uses_of_a_token_for_one_use_have_exactly_one_winner(daemon):
    for _ in range(10):
        minted = await daemon.post("/auth/tokens", {"ttl": "1h", "remove_on_use": True})
        assert await use_at_once(daemon, minted["token"]) == [200] + [401] * (USES - 1)


async def test_use_is_had_once_whenever_the_daemon_is_killed(daemon):
    for pause in (0.0, 0.001, 0.003, 0.01):
        minted = await daemon.post("/auth/tokens", {"ttl": "1h", "remove_on_use": True})
        lasting = await daemon.post("/auth/tokens", {"ttl": "1h"})
        found = []

        async def try_to(found=found, token=minted["token"]):
            try:
                await use(daemon, token, found)
            except httpx.TransportError:
                found.append(None)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(try_to)
            await trio.sleep(pause)
            daemon.kill()
        await daemon.start()
        found += await use_at_once(daemon, minted["token"])
        assert found.count(200) <= 1
        assert found.count(401) >= USES - 1
        again = []
        await use(daemon, lasting["token"], again)
        assert again == [200]
        assert minted["token"] not in daemon.log.read_text()


async def test_revoked_and_an_expired_token_close_their_sockets(daemon):
    revoked = await daemon.post("/auth/tokens", {"ttl": "1h"})
    expiring = await daemon.post("/auth/tokens", {"ttl": "2s", "remove_on_use": True})
    closed = {}

    async def look_on(minted, *, task_status):
        async with daemon.console("", token=minted["token"]) as console:
            task_status.started()
            closed[minted["id"]] = await console.closed(), console._connection.closed.reason

    async with trio.open_nursery() as nursery:
        for minted in (revoked, expiring):
            await nursery.start(look_on, minted)
        await daemon.call("DELETE", f"/auth/tokens/{revoked['id']}")
    assert closed == {
        revoked["id"]: (4401, "the token was revoked"),
        expiring["id"]: (4401, "the token has expired"),
    }
    assert (await daemon.get("/auth/tokens")) == {"tokens": []}
