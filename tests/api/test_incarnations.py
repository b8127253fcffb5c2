"""Tokens and the containers that were made anew under the ids that they name."""

import trio

from lightd.http.live import session
from tests.api.front import open_edge
from tests.support.scoped import bearing, mint


async def statuses(edge, token, volume_id=None):
    """What a token gets at: the container, its history, and its volume's files."""
    paths = ["/containers/a", "/containers/a/events", "/containers/a/logs"]
    paths += [] if volume_id is None else [f"/volumes/{volume_id}/files?path="]
    return {(await edge.ask("GET", path, headers=bearing(token))).status_code for path in paths}


async def make_anew(edge):
    """Delete ``a`` and make it again on another volume; return that."""
    await edge.call("DELETE", "/containers/a")
    await edge.create("a")
    return (await edge.show("a"))["volume_id"]


async def test_a_token_for_a_deleted_container_reaches_nothing_of_one_made_anew_under_its_id(edge):
    await edge.create("a")
    token, wider = await mint(edge, ["a"]), await mint(edge, ["a", "b"])
    assert await statuses(edge, token) == {200}
    volume_id = await make_anew(edge)
    assert await statuses(edge, token, volume_id) == {401}
    assert await statuses(edge, wider, volume_id) == {404}
    listed = (await edge.ask("GET", "/containers", headers=bearing(wider))).json()
    assert listed == {"containers": []}
    assert (await edge.shake_hands(f"/ws/a?token={wider}")).status_code == 404


async def test_a_token_whose_last_container_was_deleted_is_revoked_and_its_sockets_close(edge):
    await edge.create("a")
    token = await mint(edge, ["a"])
    async with edge.console("", token=f"?token={token}") as console:
        await edge.call("DELETE", "/containers/a")
        assert await console.closed() == session.REVOKED
    assert (await edge.get("/auth/tokens"))["tokens"] == []


async def test_a_token_minted_before_its_container_is_made_reaches_the_first_of_that_id(edge):
    token = await mint(edge, ["a"])
    assert await statuses(edge, token) == {404}
    await edge.create("a")
    volume_id = (await edge.show("a"))["volume_id"]
    assert await statuses(edge, token, volume_id) == {200}
    await make_anew(edge)
    assert await statuses(edge, token, volume_id) == {401}


async def test_a_token_minted_between_deletion_and_creation_reaches_the_new_container(edge):
    await edge.create("a")
    await edge.call("DELETE", "/containers/a")
    token = await mint(edge, ["a"])
    await edge.create("a")
    assert await statuses(edge, token) == {200}


async def test_a_deletion_is_known_to_tokens_after_a_restart_too(tmp_path, monkeypatch):
    async def never(*_):
        await trio.sleep_forever()

    monkeypatch.setattr("lightd.daemon.retire", never)  # the daemon dies before it revokes
    async with open_edge(tmp_path) as edge:
        await edge.create("a")
        old = await mint(edge, ["a"])
        volume_id = await make_anew(edge)
        new = await mint(edge, ["a"])
        assert len((await edge.get("/auth/tokens"))["tokens"]) == 2
    async with open_edge(tmp_path) as edge:
        assert await statuses(edge, old, volume_id) == {401}
        assert await statuses(edge, new) <= {200, 404}  # the fake engine has lost it
    monkeypatch.undo()
    async with open_edge(tmp_path) as edge:
        with trio.fail_after(20):
            while len((await edge.get("/auth/tokens"))["tokens"]) > 1:
                await trio.sleep(0.01)
        assert (await edge.get("/auth/tokens"))["tokens"][0]["containers"] == ["a"]


async def test_the_history_of_what_had_the_id_before_is_for_the_master_alone(edge):
    await edge.create("a")
    await make_anew(edge)
    token = await mint(edge, ["a"])
    shown = (await edge.ask("GET", "/containers/a/events", headers=bearing(token))).json()["events"]
    assert [each["type"] for each in shown] == ["created", "image-ensured", "script-finished", "installed"]
    assert (await edge.types("a")).count("created") == 2
    async with edge.console("a", "&since=0", token=f"?token={token}") as console:
        seen = [await console.next() for _ in range(2)]
    assert [each["data"] for each in seen] == ["installing", "ready"]
    async with edge.console("", "&since=0", token=f"?token={token}") as console:
        assert [(await console.next())["data"] for _ in range(2)] == ["installing", "ready"]


async def test_the_nodes_stream_of_a_token_ends_with_each_of_its_containers(edge):
    await edge.create("a")
    await edge.create("b")
    token = await mint(edge, ["a", "b"])
    async with edge.console("", token=f"?token={token}") as console:
        await edge.power("start", "b")
        await make_anew(edge)
        await edge.power("kill", "b")
        with trio.fail_after(20):
            while (await console.next()).get("data") != "exit":
                pass
        told = [(each["internal_id"], each["data"]) for each in console.frames if each["event"] == "event"]
    assert [data for internal_id, data in told if internal_id == "a"] == ["deleted"]


async def test_a_request_let_in_before_its_container_was_made_anew_does_nothing_to_that(edge):
    await edge.create("a")
    token = await mint(edge, ["a", "b"])
    body = b'{"environment": {"STOLEN": "1"}}'
    gone = trio.Event()

    async def slowly():
        yield body[:5]
        await gone.wait()
        yield body[5:]

    answers = []

    async def patch():
        url, length = f"{edge.url}/containers/a", {"Content-Length": str(len(body))}
        answer = await edge.client.request(
            "PATCH", url, headers={**bearing(token), **length}, content=slowly()
        )
        answers.append(answer.status_code)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(patch)
        await trio.sleep(0.3)
        await make_anew(edge)
        gone.set()
    assert answers == [404]
    assert (await edge.show("a"))["environment"] == {}
