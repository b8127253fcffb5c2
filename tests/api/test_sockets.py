"""WebSockets as connections: who gets one, how many, and what ends them."""

from contextlib import AsyncExitStack

import pytest
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from lightd.http.live import frames
from tests.api.front import TOKEN, open_api

AUTHORIZATION = [(b"Authorization", f"Bearer {TOKEN}".encode())]
OFFER = [f"lightd.{TOKEN}"]


async def test_token_may_stand_in_three_places(api):
    await api.create()
    for options in (
        {},
        {"token": "", "extra_headers": AUTHORIZATION},
        {"token": "", "subprotocols": OFFER},
        {"token": "", "subprotocols": ["chat", *OFFER]},
        {"token": "?token=wrong", "extra_headers": AUTHORIZATION},
    ):
        async with api.console(**options) as console:
            assert (await console.next())["data"] == "ready"
            chosen = OFFER[0] if "subprotocols" in options else None
            assert console._connection.subprotocol == chosen


async def test_handshake_without_a_valid_token_is_a_401(api):
    for query, headers in [
        ("", {}),
        ("?token=", {}),
        (f"?token={TOKEN}x", {}),
        ("?token=%ff%ed%a0%80", {}),
        ("", {"Authorization": "Bearer wrong"}),
        ("", {"Sec-WebSocket-Protocol": TOKEN}),
        ("", {"Sec-WebSocket-Protocol": "lightd.wrong"}),
    ]:
        for path in ("/ws/none", "/ws", "/ws/no/where"):
            answer = await api.shake_hands(path + query, headers=headers)
            assert answer.status_code == 401
            assert answer.json() == {"error": "a valid token is needed", "code": "unauthorized"}
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_handshake_that_cannot_be_granted_is_answered_as_a_request(api):
    await api.create()
    for path, status, code in [
        ("none", 404, "container_not_found"),
        ("-none", 400, "invalid_id"),
        ("s1/x", 404, "route_not_found"),
        ("s1?since=-1", 400, "invalid_request"),
        ("s1?since_line=x", 400, "invalid_request"),
        ("s1?since=1&since=2", 400, "invalid_request"),
        ("s1?odd=1", 400, "invalid_request"),
    ]:
        answer = await api.shake_hands(f"/ws/{path}", headers={"Authorization": f"Bearer {TOKEN}"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["X-Request-Id"]


async def test_page_is_no_websocket(api):
    for path, status, code in [
        ("/containers", 405, "method_not_allowed"),
        ("/containers/s1/events", 400, "websocket_mismatch"),
        ("/nowhere", 404, "route_not_found"),
    ]:
        answer = await api.shake_hands(path, headers={"Authorization": f"Bearer {TOKEN}"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_thirty_sockets_a_container_and_not_one_more(api):
    await api.create()
    await api.create("s2")
    async with AsyncExitStack() as stack:
        for _ in range(29):
            await stack.enter_async_context(api.console())
        async with api.console() as last:
            await last.next()
            answer = await api.shake_hands("/ws/s1", headers={"Authorization": f"Bearer {TOKEN}"})
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_sockets")
            assert answer.headers["Retry-After"]
            async with api.console("s2") as other:
                await other.next()
        with trio.fail_after(20):
            while (await api.shake_hands("/ws/s1?x", headers=dict(AUTHORIZATION))).status_code == 429:
                await trio.sleep(0.01)
        async with api.console() as again:
            await again.next()


async def test_end_of_a_container_closes_its_sockets_with_4404(api):
    await api.running()
    async with api.console() as console:
        await api.call("DELETE", "/containers/s1")
        assert await console.closed() == 4404
        assert console.states == ["running", "stopping", "exit", "deleted"]


async def test_end_of_the_daemon_closes_every_socket_with_1001(tmp_path):
    codes = []

    async def look_on(api, path, *, task_status):
        async with api.console(path) as console:
            await console.send("resize", columns=0)
            await console.until("error")
            task_status.started()
            codes.append(await console.closed())

    async with trio.open_nursery() as nursery, open_api(tmp_path) as api:
        await api.create()
        for path in ("s1", ""):
            await nursery.start(look_on, api, path)
    assert codes == [1001, 1001]


async def test_bug_in_a_session_closes_it_with_1011_and_no_other(api, monkeypatch, caplog):
    await api.create()
    async with api.console() as healthy:
        await healthy.next()
        with monkeypatch.context() as broken:
            broken.setattr(frames, "to_state", lambda view: 1 / 0)
            async with api.console() as console:
                assert await console.closed() == 1011
        await api.power("start")
        await healthy.until("event", "running")
    assert "ZeroDivisionError" in caplog.text


async def test_bug_in_what_a_viewer_asks_for_closes_it_with_1011(api, monkeypatch):
    await api.create()
    async with api.console() as console:
        monkeypatch.setattr(frames, "to_logs", lambda lines, first: 1 / 0)
        await console.send("request_logs")
        assert await console.closed() == 1011


async def test_viewer_that_leaves_is_not_counted_any_more(api):
    await api.create()
    url = f"{api.url.replace('http', 'ws', 1)}/ws/s1?token={TOKEN}"
    for _ in range(35):
        async with open_websocket_url(url) as connection:
            await connection.get_message()
            await connection.aclose()
            with pytest.raises(ConnectionClosed):
                await connection.get_message()


async def test_nodes_stream_has_the_display_names_that_containers_have_now(api):
    async with api.console("") as node:
        await api.create("a", start_pattern="Ready", display_name="Survival")
        await api.create("b")
        await api.call("PATCH", "/containers/a", {"display_name": "Creative"})
        await api.power("start", "a")
        await node.until("event", "running")
    named = [(frame["internal_id"], frame.get("display_name")) for frame in node.frames]
    before, after, other = ("a", "Survival"), ("a", "Creative"), ("b", None)
    assert named == [before, before, other, other, after, after]
    async with api.console("a") as console:
        assert "display_name" not in await console.next()


async def test_node_has_a_stream_of_every_containers_events(api):
    async with api.console("") as node:
        await node.send("power", action="kill")
        assert (await node.until("error"))["data"] == "the node's stream takes no frames"
        await api.create("a", start_pattern="Ready")
        await api.create("b")
        await api.power("start", "a")
        await node.until("event", "running")
    told = [(frame["internal_id"], frame["data"]) for frame in node.frames if frame["event"] == "event"]
    states = {"a": ["installing", "ready", "starting", "running"], "b": ["installing", "ready"]}
    assert {name: [state for each, state in told if each == name] for name in states} == states
    seqs = [frame["seq"] for frame in node.frames if frame["event"] == "event"]
    assert seqs == sorted(seqs)
    async with api.console("", query=f"&since={seqs[3]}") as again:
        assert (await again.next())["data"] == "starting"
    assert (await api.shake_hands(f"/ws?token={TOKEN}&since_line=1")).status_code == 400
