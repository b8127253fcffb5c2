"""What a token may see and send on a WebSocket: each kind of frame, both ways."""

from contextlib import AsyncExitStack

import pytest
import trio

from actors.tokens.grant import PERMISSIONS
from lightd.http.live import session
from tests.api.front import TOKEN
from tests.support.scoped import mint, read_frames

pytestmark = pytest.mark.one_python

SENT = {
    "send_command": {"command": "say hi"},
    "resize": {"columns": 100, "rows": 20},
    "request_logs": {"lines": 5},
    "power": {"action": "start"},
}


def by(token):
    return {"token": f"?token={token}"}


async def refused(api, path, token, query=""):
    """The status and the slug of a handshake that isn't granted."""
    answer = await api.shake_hands(f"/ws{path}?token={token}{query}")
    return answer.status_code, answer.json()["code"]


async def test_socket_is_opened_for_a_container_of_the_token_and_for_no_other(api):
    await api.create("s1")
    await api.create("s2")
    token = await mint(api, ["s1"], [])
    async with api.console("s1", **by(token)) as console:
        assert (await console.next())["data"] == "ready"
    there, nowhere = await refused(api, "/s2", token), await refused(api, "/none", token)
    assert there == nowhere == (404, "container_not_found")
    assert await refused(api, "/-s2", token) == (400, "invalid_id")
    assert await refused(api, "/s1%2F..%2Fs2", token) == (404, "route_not_found")
    for headers in ({"Sec-WebSocket-Protocol": f"lightd.{token}"}, {"Authorization": f"Bearer {token}"}):
        assert (await api.shake_hands("/ws/s2", headers=headers)).status_code == 404


def kinds_that(permissions):
    """The kinds that the page lets those permissions see."""
    needed = read_frames(2)
    return {kind for kind, needs in needed.items() if needs == "any token" or needs in permissions}


async def test_viewer_is_sent_the_kinds_that_it_may_see_and_misses_none_of_them(api, on_air):
    await api.create(command="line-printer 40 0; stdin-echo", start_pattern="Ready")
    sets = ([], *([each] for each in PERMISSIONS), ["console.read", "stats"], list(PERMISSIONS))
    async with AsyncExitStack() as stack:
        consoles = []
        for permissions in sets:
            token = await mint(api, ["s1"], permissions)
            consoles.append(await stack.enter_async_context(api.console(**by(token))))
        master = await stack.enter_async_context(api.console())
        assert len(on_air[0]._containers) == 4  # one for all who may see the same
        await api.power("start")
        await master.until("stats")
        await api.power("restart")
        await api.power("kill")
        for console in (*consoles, master):
            while [f["data"] for f in console.frames if f["event"] == "daemon_message"].count(
                "Container stopped"
            ) < 2:
                await console.next()
    told = [frame for frame in master.frames if frame["event"] != "stats"]
    for permissions, console in zip(sets, consoles, strict=True):
        may_see = kinds_that(permissions)
        assert {frame["event"] for frame in console.frames} <= may_see, permissions
        assert ("stats" in permissions) == any(frame["event"] == "stats" for frame in console.frames)
        # The same frames in the same order, but for how lines were joined.
        apart = [frame for frame in console.frames if frame["event"] not in ("stats", "console")]
        assert apart == [frame for frame in told if frame["event"] != "console"]
        assert console.text == (master.text if "console.read" in permissions else "")
    assert master.text.count("line 40\n") == 2


async def test_lines_and_their_gap_are_for_those_who_may_read_the_console(api):
    await api.create(command="line-printer 50 0; stdin-echo", start_pattern="Ready")
    api.system.fleet.get("s1").console.lines.items = 10
    await api.power("start")
    while (
        api.system.fleet.get("s1").console.lines.last < 51
    ):  # the pattern is seen before the lines are split
        await trio.sleep(0.01)
    blind, reading = await mint(api, ["s1"], ["stats", "power"]), await mint(api, ["s1"], ["console.read"])
    assert await refused(api, "/s1", blind, "&since_line=5") == (403, "permission_denied")
    async with api.console(query="&since_line=5", **by(reading)) as console:
        assert (await console.until("gap"))["missed"] == 36
        await console.until("console", "Ready")
    async with api.console(query="&since=0", **by(blind)) as console:
        await console.send("power", action="kill")
        await console.until("event", "exit")
        assert console.states == ["installing", "ready", "starting", "running", "stopping", "exit"]
        assert {frame["event"] for frame in console.frames} <= {"event", "daemon_message", "stats"}


async def test_new_viewer_is_sent_the_last_stats_if_it_may_see_them(api):
    await api.running()
    async with api.console() as console:
        await console.until("stats")
    async with api.console(**by(await mint(api, ["s1"], ["stats"]))) as console:
        assert [(await console.next())["event"] for _ in range(2)] == ["event", "stats"]
    async with api.console(**by(await mint(api, ["s1"], ["console.read"]))) as console:
        for _ in range(2):
            await console.send("request_logs")
            await console.until("logs")
        assert {frame["event"] for frame in console.frames} == {"event", "logs"}


async def test_frame_without_its_permission_is_an_error_and_the_socket_stays(api):
    await api.running()
    needed = read_frames(1)
    assert needed.keys() == SENT.keys()
    member = api.system.fleet.get("s1")
    for permission in (None, *PERMISSIONS):
        token = await mint(api, ["s1"], [] if permission is None else [permission])
        async with api.console(**by(token)) as console:
            await console.next()
            before = member.view.position, member.console.lines.last, member.console.columns
            for kind, needs in needed.items():
                await console.send(kind, **SENT[kind])
                if needs != permission:
                    said = (await console.until("error"))["data"]
                    assert said == f"this token lacks the permission {needs}"
                    # What is wrong with a frame beside that is told to those who may send it.
                    await console.send(kind, odd=1)
                    assert (await console.until("error"))["data"] == said
            await console.send("nothing")
            assert "must be one of" in (await console.until("error"))["data"]
            logs = [frame["data"] for frame in console.frames if frame["event"] == "logs"]
            assert len(logs) == (permission == "console.read")
            if permission in (None, "stats", "admin", "files.write", "console.read", "network"):
                now = member.view.position, member.console.lines.last, member.console.columns
                assert now == before, permission
    assert member.console.columns == 100
    assert "got: say hi" in [line.text for line in await member.console.end(100)]


async def test_viewer_that_may_not_read_is_not_told_what_it_sends(api):
    await api.running()
    token = await mint(api, ["s1"], ["console.write"])
    async with api.console() as master, api.console(**by(token)) as console:
        await console.send("send_command", command="hello")
        await master.until("console", "got: hello")
        await console.send("request_logs")
        await console.until("error", "console.read")
        assert {frame["event"] for frame in console.frames} == {"event", "error"}


async def test_viewers_who_may_see_everything_share_one_station_whatever_their_token(api, on_air):
    await api.running()
    tokens = [TOKEN, await mint(api), await mint(api, ["s1"], ["console.read", "stats"])]
    async with AsyncExitStack() as stack:
        for token in tokens:
            console = await stack.enter_async_context(api.console(**by(token)))
            await console.next()
        (station,) = on_air[0]._containers.values()
        with trio.fail_after(5):
            while len(station.broadcast._live) < len(tokens):
                await trio.sleep(0.01)
    with trio.fail_after(5):
        while on_air[0]._containers:
            await trio.sleep(0.01)


async def test_nodes_stream_tells_what_the_token_reaches(api, on_air):
    for name in ("s1", "s2", "s3"):
        await api.create(name, start_pattern="Ready")
    async with AsyncExitStack() as stack:
        seen = {}
        for containers in (None, ("s1",), ("s1", "s3"), ("none",)):
            token = await mint(api, containers, [])
            seen[containers] = [
                await stack.enter_async_context(api.console("", query=query, **by(token)))
                for query in ("", "&since=0")
            ]
        assert len(on_air[0]._node) == 4
        for name in ("s2", "s1", "s3"):
            await api.power("start", name)
        for live, _ in [seen[None], seen["s1", "s3"]]:
            while live.states.count("running") < (3 if live is seen[None][0] else 2):
                await live.next()
        whole = seen[None][1]
        while whole.states.count("running") < 3:
            await whole.next()
        for containers, (live, replayed) in seen.items():
            wanted = [f for f in whole.frames if containers is None or f["internal_id"] in containers]
            while len(replayed.frames) < len(wanted):
                await replayed.next()
            assert replayed.frames == wanted
            running = [f for f in wanted if f["data"] in ("starting", "running")]
            while len(live.frames) < len(running):
                await live.next()
            assert live.frames == running
            with trio.move_on_after(0.05):
                await live.next()
            assert live.frames == running


async def test_thirty_sockets_of_one_tenant_keep_nobody_from_the_nodes_stream(api):
    api.allow_viewers(2)
    token, other = await mint(api, ["s1"]), await mint(api, ["s1"], [])
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(api.console("", **by(token)))
        for each in (token, other):
            assert await refused(api, "", each) == (429, "too_many_sockets")
        await stack.enter_async_context(api.console("", **by(await mint(api, ["s2"]))))
        await stack.enter_async_context(api.console(""))


async def test_viewers_of_a_container_are_as_many_as_the_configuration_says_after_a_reload(api):
    await api.create()
    token = await mint(api, ["s1"])
    reloaded = await api.reload(server={"viewers_per_container": 1})
    assert "server.viewers_per_container" in reloaded["applied"]
    async with api.console(**by(token)) as only:
        await only.next()
        assert await refused(api, "/s1", token) == (429, "too_many_sockets")
        await api.reload(server={"viewers_per_container": 2})
        async with api.console(**by(token)) as second:
            await second.next()


@pytest.mark.parametrize("containers", [["s1"], ["s1", "s2"]])
async def test_container_made_anew_under_its_name_is_reached_by_a_new_token(api, containers):
    await api.create()
    token = await mint(api, containers)
    async with api.console(**by(token)) as console:
        await console.next()
        await api.call("DELETE", "/containers/s1")
        assert await console.closed() == session.DELETED
    gone = (404, "container_not_found") if containers[1:] else (401, "unauthorized")
    assert await refused(api, "/s1", token) == gone
    await api.create()
    assert await refused(api, "/s1", token) == gone
    token = await mint(api, containers)
    async with api.console(**by(token)) as console:
        assert (await console.next())["data"] == "ready"
