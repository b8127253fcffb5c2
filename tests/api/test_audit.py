"""What the audit says of each call, and that none gets past it."""

import re
from functools import partial

import pytest
import trio

from actors.kernel.journal import JournalUnavailable
from lightd.http import app as application
from lightd.http import audited
from lightd.http.live.hub import open_hub
from tests.api.front import HEADERS, NO_VOLUME, TOKEN, open_api

pytestmark = pytest.mark.one_python

VALUES = {"internal_id": "nobody", "volume_id": NO_VOLUME, "ip": "127.0.0.1", "port": "1"}


async def entries(api, since=0, **params):
    return (await api.get("/audit", since=since, **params))["entries"]


async def newest(api):
    return (await entries(api, limit=1000))[-1]


async def head(api):
    found = await entries(api, limit=1000)
    return found[-1]["seq"] if found else 0


async def changing_routes(api):
    """Every route that may change something, as a path with values for its variables."""
    async with open_hub(api.system.bus) as stations:
        rules = list(application.make_app(api.system, stations).url_map.iter_rules())
    return [
        (method, re.sub(r"<(?:\w+:)?(\w+)>", lambda found: VALUES.get(found[1], "x-1"), rule.rule))
        for rule in rules
        for method in sorted(rule.methods & audited.CHANGING)
        if not rule.websocket
    ]


async def test_every_route_that_may_change_something_leaves_one_entry_also_when_it_fails(api):
    routes = await changing_routes(api)
    assert len(routes) > 25
    for method, path in routes:
        for headers, content in [
            (HEADERS, b""),
            (HEADERS, b"{nonsense"),
            (HEADERS | {"Accept": "text/html"}, b""),
            (HEADERS, b'{"ttl":"1h","path":"a","paths":["a"],"content":"","size":1}'),
        ]:
            before = await head(api)
            answer = await api.ask(method, path, headers=headers, content=content)
            [entry] = await entries(api, before)
            assert (entry["method"], entry["route"]) == (method, path)
            assert entry["status"] == answer.status_code, (method, path)
            code = answer.json()["code"] if answer.is_error else None
            assert entry["code"] == code
            assert entry["request_id"] == answer.headers["X-Request-Id"]
            assert (entry["token_id"], entry["address"]) == ("master", "127.0.0.1")


async def test_reading_requests_leave_no_audit_entry(api):
    await api.create()
    before = await head(api)
    for path in ("/containers", "/containers/s1", "/volumes", "/network/ports", "/remote/config", "/audit"):
        await api.get(path)
    await api.ask("OPTIONS", "/containers")
    assert await entries(api, before) == []


async def test_request_without_a_valid_token_is_not_in_the_audit(api):
    for headers in ({}, {**HEADERS, "Authorization": "Bearer lightd_wrong_but_long_enough"}):
        assert (await api.ask("POST", "/volumes", headers=headers)).status_code == 401
        assert (await api.ask("POST", "/nowhere", headers=headers)).status_code == 401
    assert await entries(api) == []


async def test_path_that_is_no_route_is_recorded_with_neither_its_query_nor_a_token_in_it(api):
    await api.ask("POST", f"/containers/{TOKEN}/x?token={TOKEN}&secret=1")
    entry = await newest(api)
    assert (entry["status"], entry["code"]) == (404, "route_not_found")
    assert TOKEN not in str(entry)
    assert "secret" not in str(entry)


async def test_entry_says_what_it_was_about_and_which_operation_it_led_to(api):
    await api.create("s1")
    created = await newest(api)
    assert (created["route"], created["subject"], created["status"]) == ("/containers", "s1", 200)
    assert (await api.get(f"/operations/{created['operation_id']}"))["internal_id"] == "s1"
    volume = await api.volume()
    assert (await newest(api))["subject"] == volume
    await api.port(25565)
    assert (await newest(api))["subject"] == "127.0.0.1/25565"
    await api.power("start")
    started = await newest(api)
    assert (started["route"], started["subject"]) == ("/containers/s1/start", "s1")
    assert started["operation_id"].startswith("start-")
    await api.post(f"/volumes/{volume}/files", {"path": "a.txt", "content": "what nobody else may read"})
    assert "a.txt" not in str(await newest(api))
    assert "nobody else" not in str(await entries(api, limit=1000))


async def test_entries_come_page_by_page_oldest_first(api):
    for _ in range(5):
        await api.volume()
    first = await api.get("/audit", limit=3)
    assert [entry["seq"] for entry in first["entries"]] == [1, 2, 3]
    rest = await api.get("/audit", since=first["next"])
    assert [entry["seq"] for entry in rest["entries"]] == [4, 5]
    assert await api.get("/audit", since=rest["next"]) == {"entries": [], "next": rest["next"]}
    assert (await api.refused("GET", "/audit", limit=1001))[0] == 400
    assert (await api.refused("GET", "/audit", odd=1))[0] == 400


async def mint(api, **fields):
    minted = await api.post("/auth/tokens", {"ttl": "1h", **fields})
    return minted["id"], {**HEADERS, "Authorization": f"Bearer {minted['token']}"}


async def test_audit_is_read_by_the_master_only(api):
    token_id, headers = await mint(api)
    minted = await newest(api)
    assert (minted["route"], minted["subject"], minted["token_id"]) == ("/auth/tokens", token_id, "master")
    answer = await api.ask("GET", "/audit", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "master_token_required")
    assert (await api.ask("POST", "/volumes", headers=headers)).status_code == 201
    assert (await newest(api))["token_id"] == token_id


async def test_token_that_is_spent_is_nobody_s(api):
    token_id, headers = await mint(api, remove_on_use=True)
    assert (await api.ask("POST", "/volumes", headers=headers)).status_code == 201
    assert (await newest(api))["token_id"] == token_id
    before = await head(api)
    assert (await api.ask("POST", "/volumes", headers=headers)).status_code == 401
    assert await entries(api, before) == []


async def test_frames_that_change_something_are_recorded_without_a_command_s_text(api):
    await api.running()
    before = await head(api)
    async with api.console() as console:
        await console.send("send_command", command="op somebody")
        await console.until("console", "got: op somebody")
        await console.send("resize", columns=80, rows=24)
        await console.send("request_logs", lines=1)
        await console.until("logs")
        await console.send("send_command", command="two\nlines")
        await console.until("error")
        await console.send("power", action="stop")
        await console.until("event", "exit")
    found = await entries(api, before)
    assert [(entry["method"], entry["status"], entry["code"]) for entry in found] == [
        ("WS send_command", 200, None),
        ("WS send_command", 400, "invalid_request"),
        ("WS power stop", 200, None),
    ]
    assert {(entry["route"], entry["subject"], entry["token_id"]) for entry in found} == {
        ("/ws/s1", "s1", "master")
    }
    assert found[2]["operation_id"].startswith("stop-")
    assert "somebody" not in str(found)
    assert TOKEN not in str(found)


async def test_refused_requests_of_a_token_are_recorded_over_http_and_over_a_websocket(api):
    await api.running()
    token_id, headers = await mint(api, containers=["s1"], permissions=["console.read"])
    before = await head(api)
    for path in ("/containers/s1/stop", "/containers/s2/stop", "/volumes"):
        await api.ask("POST", path, headers=headers)
    token = headers["Authorization"].removeprefix("Bearer ")
    async with api.console(token=f"?token={token}") as console:
        await console.send("power", action="stop")
        await console.until("error")
        await console.send("send_command", command="hello")
        await console.until("error")
    found = await entries(api, before)
    assert [(entry["method"], entry["status"]) for entry in found] == [
        ("POST", 403),
        ("POST", 403),
        ("POST", 403),
        ("WS power stop", 403),
        ("WS send_command", 403),
    ]
    assert {entry["token_id"] for entry in found} == {token_id}


async def test_client_that_hangs_up_leaves_an_entry_without_an_outcome(api):
    await api.create(start_pattern="Ready")
    api.faults.gates["start"] = trio.Event()
    before = await head(api)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(api.power, "start", wait=100))
        while (await api.show())["state"] != "starting":
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    with trio.fail_after(20):
        while not (found := await entries(api, before)):
            await trio.sleep(0.01)
    assert [(entry["route"], entry["status"], entry["code"]) for entry in found] == [
        ("/containers/s1/start", None, "unanswered")
    ]
    assert found[0]["operation_id"].startswith("start-")
    api.faults.gates.pop("start").set()


async def test_changes_that_can_not_be_recorded_are_refused_but_room_can_be_made(api, monkeypatch):
    await api.running()
    volume = await api.volume()
    await api.post(f"/volumes/{volume}/files", {"path": "big", "content": "x"})
    before = await head(api)
    table = api.system.audit._table

    class Full:
        async def write(self, begun, ended):
            raise JournalUnavailable("the disk is full")

    monkeypatch.setattr(api.system.audit, "_table", Full())
    status, code, _ = await api.refused("POST", f"/volumes/{volume}/files", {"path": "new", "content": "x"})
    assert (status, code) == (507, "journal_unavailable")
    await api.call("DELETE", f"/volumes/{volume}/files", {"paths": ["big"]})
    async with api.console() as console:
        await console.send("send_command", command="hello")
        await console.until("console", "got: hello")
    monkeypatch.setattr(api.system.audit, "_table", table)
    await api.volume()
    found = await entries(api, before)
    assert [(entry["method"], entry["status"]) for entry in found] == [
        ("POST", 507),
        ("DELETE", 200),
        ("WS send_command", 200),
        ("POST", 201),
    ]
    files = (await api.get(f"/volumes/{volume}/files"))["files"]
    assert files == []


async def test_event_streams_do_not_show_the_audit(api):
    position = api.system.bus.head
    await api.ask("POST", "/nowhere")
    await api.ask("DELETE", "/containers/nobody")
    assert api.system.bus.head == position
    assert len(await entries(api)) >= 2


async def test_audit_keep_days_can_be_changed_by_a_reload(api):
    trail = api.system.audit
    clock, trail.clock = trail.clock, lambda: clock() - 30 * 24 * 3600
    for _ in range(3):
        await api.volume()
    trail.clock = clock
    assert len(await entries(api)) == 3
    assert (await api.reload(audit={"keep_days": 29}))["applied"] == ["audit.keep_days"]
    with trio.fail_after(20):
        while (found := await entries(api))[0]["seq"] != 4:
            await trio.sleep(0.01)
    assert [entry["route"] for entry in found] == ["/remote/config/reload"]


async def test_audit_is_there_after_a_restart(tmp_path):
    async with open_api(tmp_path) as api:
        for _ in range(3):
            await api.volume()
        before = await entries(api)
    async with open_api(tmp_path) as api:
        assert await entries(api) == before
        await api.volume()
        assert (await newest(api))["seq"] == before[-1]["seq"] + 1
