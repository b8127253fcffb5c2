"""Minted tokens over HTTP and WebSocket: what they open, for how long, and what ends them."""

import re
import time
from datetime import UTC, datetime

import pytest
import trio

from lightd.access.attempts import BURST
from lightd.http.live import session
from tests.api.front import HEADERS, TOKEN, open_api

pytestmark = pytest.mark.one_python

VENDOR = {"Accept": HEADERS["Accept"]}


def bearing(token):
    return {**VENDOR, "Authorization": f"Bearer {token}"}


async def mint(api, ttl="1h", **fields):
    return await api.post("/auth/tokens", {"ttl": ttl, **fields})


async def status_of(api, token, path="/containers", method="GET"):
    return (await api.ask(method, path, headers=bearing(token))).status_code


async def live(api):
    return {each["id"]: each for each in (await api.get("/auth/tokens"))["tokens"]}


async def test_token_is_minted_and_opens_what_the_master_opens(api):
    answer = await mint(api, "90m", remove_on_use=False)
    assert answer.keys() == {"token", "expires_at", "id"}
    assert re.fullmatch(r"lightd_[A-Za-z0-9_-]{43}", answer["token"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["expires_at"])
    left = datetime.fromisoformat(answer["expires_at"]).timestamp() - time.time()
    assert 5380 < left <= 5400
    assert datetime.fromisoformat(answer["expires_at"]).tzinfo == UTC
    for _ in range(3):
        assert await status_of(api, answer["token"]) == 200
    await api.create()
    async with api.console(token=f"?token={answer['token']}") as console:
        assert (await console.next())["data"] == "ready"


async def test_tokens_are_listed_without_their_secret(api):
    first = await mint(api)
    second = await mint(api, "1d", remove_on_use=True, containers=["s2", "s1"], permissions=["power"])
    shown = (await api.get("/auth/tokens"))["tokens"]
    assert [each.pop("id") for each in shown] == [first["id"], second["id"]]
    assert [each.pop("created_at") for each in shown] == pytest.approx([time.time()] * 2, abs=20)
    assert shown == [
        {
            "expires_at": first["expires_at"],
            "remove_on_use": False,
            "spent": False,
            "containers": None,
            "permissions": None,
            "sockets": 0,
        },
        {
            "expires_at": second["expires_at"],
            "remove_on_use": True,
            "spent": False,
            "containers": ["s1", "s2"],
            "permissions": ["power"],
            "sockets": 0,
        },
    ]


async def test_revoked_token_is_a_401_and_closes_its_sockets_alone(api):
    await api.create()
    one, other = await mint(api), await mint(api)
    async with (
        api.console(token=f"?token={one['token']}") as console,
        api.console("") as master,
        api.console("", token=f"?token={other['token']}") as kept,
    ):
        await console.next()
        assert (await live(api))[one["id"]]["sockets"] == 1
        said = await api.call("DELETE", f"/auth/tokens/{one['id']}")
        assert said == {"message": "Token revoked successfully", "id": one["id"]}
        assert await console.closed() == 4401
        assert console._connection.closed.reason == "the token was revoked"
        await api.power("start")
        for still in (kept, master):
            await still.until("event", "running")
    assert await status_of(api, one["token"]) == 401
    assert await status_of(api, other["token"]) == 200
    assert list(await live(api)) == [other["id"]]
    refused = await api.refused("DELETE", f"/auth/tokens/{one['id']}")
    assert refused == (404, "token_not_found", "no such token")


async def test_expired_token_is_a_401_and_closes_its_sockets_having_said_so(api):
    await api.create()
    minted = await mint(api, "2s")
    async with api.console(token=f"?token={minted['token']}") as console:
        said = await console.until("daemon_message")
        assert re.fullmatch(r"This session ends in [12] seconds?: its token expires\.", said["data"])
        assert await console.closed() == 4401
        assert console._connection.closed.reason == "the token has expired"
    assert await status_of(api, minted["token"]) == 401
    assert await live(api) == {}
    assert (await api.refused("DELETE", f"/auth/tokens/{minted['id']}"))[0] == 404


async def test_simultaneous_uses_over_http_have_one_winner(api):
    for _ in range(10):
        token = (await mint(api, remove_on_use=True))["token"]
        found = []

        async def use(token=token, found=found):
            found.append(await status_of(api, token))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(use)
        assert sorted(found) == [200, 401, 401, 401]


async def test_socket_and_a_request_at_once_are_one_use(api):
    await api.create()
    token = (await mint(api, remove_on_use=True))["token"]
    found = []

    async def shake():
        found.append((await api.shake_hands("/ws/none", headers=bearing(token))).status_code)

    async def ask():
        found.append(await status_of(api, token, "/nowhere"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(shake)
        nursery.start_soon(ask)
    assert sorted(found) == [401, 404]


async def test_token_for_one_use_opens_one_socket_which_lives_on_until_its_end(api):
    await api.create()
    minted = await mint(api, "3s", remove_on_use=True)
    async with api.console(token=f"?token={minted['token']}") as console:
        await console.next()
        assert (await api.shake_hands(f"/ws/s1?token={minted['token']}")).status_code == 401
        assert await status_of(api, minted["token"]) == 401
        shown = (await live(api))[minted["id"]]
        assert (shown["spent"], shown["sockets"]) == (True, 1)
        await api.power("start")
        await console.until("event", "running")
        assert await console.closed() == 4401
    assert await live(api) == {}


async def test_socket_of_a_spent_token_is_closed_by_its_revocation(api):
    await api.create()
    minted = await mint(api, remove_on_use=True)
    async with api.console(token=f"?token={minted['token']}") as console:
        await console.next()
        await api.call("DELETE", f"/auth/tokens/{minted['id']}")
        assert await console.closed() == 4401


async def test_spent_token_that_holds_nothing_open_is_not_listed(api):
    minted = await mint(api, remove_on_use=True)
    assert list(await live(api)) == [minted["id"]]
    assert await status_of(api, minted["token"]) == 200
    assert await live(api) == {}


async def test_token_that_is_revoked_during_a_handshake_opens_nothing(api, monkeypatch):
    await api.create()
    minted = await mint(api, remove_on_use=True)
    accept = session._accept

    async def slowly():
        socket = await accept()
        await api.call("DELETE", f"/auth/tokens/{minted['id']}")
        return socket

    monkeypatch.setattr(session, "_accept", slowly)
    async with api.console(token=f"?token={minted['token']}") as console:
        assert await console.closed() == 4401


async def test_use_is_spent_by_authentication_and_not_by_what_is_refused_before_it(api):
    token = (await mint(api, remove_on_use=True))["token"]
    bare = await api.ask("GET", "/containers", headers={"Authorization": f"Bearer {token}"})
    assert (bare.status_code, bare.json()["code"]) == (403, "vendor_header_required")
    assert (await api.ask("GET", "/api/v1/public/ping", headers=bearing(token))).status_code == 200
    assert await status_of(api, token, "/nowhere") == 404
    assert await status_of(api, token) == 401
    token = (await mint(api, remove_on_use=True))["token"]
    assert (await api.shake_hands(f"/ws/none?token={token}")).status_code == 404
    assert (await api.shake_hands(f"/ws/none?token={token}")).status_code == 401


async def test_token_use_that_can_not_be_recorded_lets_nobody_in(api):
    once, lasting = await mint(api, remove_on_use=True), await mint(api)
    api.journal.fault = "the disk is full"
    answer = await api.ask("GET", "/containers", headers=bearing(once["token"]))
    assert (answer.status_code, answer.json()["code"]) == (507, "journal_unavailable")
    assert (await api.shake_hands(f"/ws?token={once['token']}")).status_code == 507
    assert await status_of(api, lasting["token"]) == 200
    assert (await api.refused("POST", "/auth/tokens", {"ttl": "1h"}))[:2] == (507, "journal_unavailable")
    api.journal.fault = None
    with trio.fail_after(20):
        while (found := await status_of(api, once["token"])) == 503:
            await trio.sleep(0.05)
    assert found == 200
    assert await status_of(api, once["token"]) == 401


async def test_only_the_master_may_mint_list_and_revoke(api):
    minted = await mint(api, permissions=["admin"])
    for method, path in [
        ("POST", "/auth/tokens"),
        ("GET", "/auth/tokens"),
        ("DELETE", f"/auth/tokens/{minted['id']}"),
        ("DELETE", "/auth/tokens/x"),
    ]:
        answer = await api.ask(method, path, headers=bearing(minted["token"]))
        assert (answer.status_code, answer.json()["code"]) == (403, "master_token_required")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "ttl: is missing"),
        *(({"ttl": ttl}, "ttl: must be a whole number and one of s, m, h, d") for ttl in (
            "", "1", "h", "0s", "-1s", "1.5h", "1 h", "1H", "1w", "31d", "721h", "2592001s", "9999999d",
            "01h", "1h1h", "\uff11h", 3600, None, True, ["1h"],
        )),
        ({"ttl": "1h", "remove_on_use": "yes"}, "remove_on_use: must be true or false"),
        ({"ttl": "1h", "remove_on_use": None}, "remove_on_use: must be true or false"),
        ({"ttl": "1h", "containers": "s1"}, "containers: must be a list"),
        ({"ttl": "1h", "containers": None}, "containers: must be a list"),
        ({"ttl": "1h", "containers": ["s1", "-x"]}, "containers: entry 2 must be 1 to 63"),
        ({"ttl": "1h", "containers": ["s1", 7]}, "containers: entry 2 must be"),
        ({"ttl": "1h", "containers": ["s1"] * 257}, "containers: must be a list of at most 256"),
        ({"ttl": "1h", "permissions": ["power", "root"]}, 'permissions: entry 2 must be "console.read"'),
        ({"ttl": "1h", "permissions": {}}, "permissions: must be a list"),
        ({"ttl": "1h", "permissions": None}, "permissions: must be a list"),
        ({"ttl": "1h", "scope": []}, "scope: unknown field"),
    ],
)  # fmt: skip
async def test_wrong_token_request_is_a_400_that_names_the_mistake(api, body, named):
    status, code, message = await api.refused("POST", "/auth/tokens", body)
    assert (status, code) == (400, "invalid_request")
    assert named in message
    assert await live(api) == {}


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("1s", 1), ("59m", 3540), ("720h", 2_592_000), ("30d", 2_592_000)]
)
async def test_ttl_is_a_number_and_a_unit(api, ttl, seconds):
    answer = await mint(api, ttl)
    left = datetime.fromisoformat(answer["expires_at"]).timestamp() - time.time()
    assert seconds - 20 < left <= seconds


async def test_token_may_be_for_a_container_that_is_yet_to_come(api):
    minted = await mint(api, containers=["s1"])
    await api.create()
    assert await status_of(api, minted["token"], "/containers/s1") == 200


async def test_revocation_by_what_is_no_token_id_is_a_400(api):
    for odd in ("x", "master", "A" * 24, "a" * 23, "a" * 25):
        status, code, message = await api.refused("DELETE", f"/auth/tokens/{odd}")
        assert (status, code) == (400, "invalid_id")
        assert message.startswith("token_id: ")
    assert (await api.refused("DELETE", f"/auth/tokens/{'a' * 24}"))[:2] == (404, "token_not_found")
    assert (await api.refused("GET", "/auth/tokens", odd=1))[:2] == (400, "invalid_request")


async def test_token_id_that_the_document_allows_is_one_for_the_daemon(api):
    schema = (await api.get("/openapi.json"))["components"]["parameters"]["token_id_parameter"]["schema"]
    for token_id in ("a" * 23, "a" * 24, "a" * 25, "A" * 24):
        _, code, _ = await api.refused("DELETE", f"/auth/tokens/{token_id}")
        assert bool(re.search(schema["pattern"], token_id)) == (code == "token_not_found")


async def test_tokens_are_known_after_a_restart_and_their_text_lies_nowhere(tmp_path, caplog):
    async with open_api(tmp_path) as api:
        lasting, spent, revoked = await mint(api), await mint(api, remove_on_use=True), await mint(api)
        assert await status_of(api, spent["token"]) == 200
        await api.call("DELETE", f"/auth/tokens/{revoked['id']}")
        await api.shake_hands(f"/ws/none?token={lasting['token']}")
    async with open_api(tmp_path) as api:
        found = [await status_of(api, each["token"]) for each in (lasting, spent, revoked)]
        assert found == [200, 401, 401]
        assert list(await live(api)) == [lasting["id"]]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    logged = "".join(f"{vars(record)}" for record in caplog.records if "lightd" in record.name)
    for each in (lasting, spent, revoked):
        assert each["token"].encode() not in kept
        assert each["token"] not in logged


async def test_guessing_is_limited_and_keeps_no_neighbour_out(api):
    minted = await mint(api)
    for number in range(BURST):
        assert await status_of(api, f"lightd_guess_number_{number:04}") == 401
    answer = await api.ask("GET", "/containers", headers=bearing("lightd_guess_number_9999"))
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert 1 <= int(answer.headers["Retry-After"]) <= 3
    assert (await api.shake_hands("/ws?token=lightd_guess_number_9999")).status_code == 429
    assert await status_of(api, TOKEN) == 200  # it was used from here before
    assert await status_of(api, minted["token"]) == 200
    assert (await api.ask("GET", "/containers", headers=VENDOR)).status_code == 401
    assert (await api.ask("GET", "/api/v1/public/ping", headers=bearing("lightd_guess"))).status_code == 200
    await api.call("DELETE", f"/auth/tokens/{minted['id']}")


async def test_token_that_was_good_once_is_no_guess(api):
    spent, lasting = await mint(api, remove_on_use=True), await mint(api)
    for _ in range(2 * BURST):
        await status_of(api, spent["token"])
        await status_of(api, lasting["token"])
    assert await status_of(api, spent["token"]) == 401
    assert await status_of(api, "lightd_a_first_wrong_guess") == 401


async def test_wrong_guess_counts_beside_a_good_token_too(api):
    minted = await mint(api)
    for number in range(BURST):
        guess = f"/ws/none?token=lightd_guess_number_{number:04}"
        assert (await api.shake_hands(guess, headers=bearing(minted["token"]))).status_code == 404
    assert await status_of(api, "lightd_guess_number_9999") == 429


async def test_handshake_offers_one_token_from_each_place(api):
    offers = ", ".join(f"lightd.lightd_guess_{number:08}" for number in range(5 * BURST))
    refused = await api.shake_hands("/ws", headers={"Sec-WebSocket-Protocol": offers})
    assert refused.status_code == 401
    many = "&".join(f"token=lightd_guess_{number:08}" for number in range(5 * BURST))
    assert (await api.shake_hands(f"/ws?{many}")).status_code == 401
    assert await status_of(api, "lightd_guess_number_9999") == 401


async def test_caller_is_the_master_without_authorization(tmp_path):
    sections = {"authorization": {"enabled": False, "token": TOKEN}}
    async with open_api(tmp_path, sections=sections) as api:
        answer = await api.ask("POST", "/auth/tokens", {"ttl": "1h"}, headers=VENDOR)
        assert answer.status_code == 200
        assert await status_of(api, "lightd_whatever_it_is", "/auth/tokens") == 200


async def test_socket_without_a_token_is_closed_when_authorization_is_enabled(tmp_path):
    sections = {"authorization": {"enabled": False, "token": TOKEN}}
    async with open_api(tmp_path, sections=sections) as api, api.console("", token="") as console:
        await console.send("power")
        await console.until("error")
        await api.reload()
        assert await console.closed() == 4401


async def test_replaced_master_token_leaves_minted_ones_as_they_are(api):
    minted = await mint(api)
    async with api.console("", token=f"?token={minted['token']}") as console:
        await console.send("power")
        await console.until("error")
        await api.reload(authorization={"token": "lightd_another_master_token"})
        assert await status_of(api, TOKEN) == 401
        assert await status_of(api, minted["token"]) == 200
        await console.send("power")
        await console.until("error")
