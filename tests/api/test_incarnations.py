"""Tokens and the containers that were made anew under the ids that they name."""

import pytest
import trio

from lightd.http.live import session
from tests.api.front import open_api
from tests.support.scoped import bearing, mint

pytestmark = pytest.mark.one_python


async def statuses(api, token, volume_id=None):
    """What a token gets at: the container, its history, and its volume's files."""
    paths = ["/containers/a", "/containers/a/events", "/containers/a/logs"]
    paths += [] if volume_id is None else [f"/volumes/{volume_id}/files?path="]
    return {(await api.ask("GET", path, headers=bearing(token))).status_code for path in paths}


async def make_anew(api):
    """Delete ``a`` and make it again on another volume; return that."""
    await api.call("DELETE", "/containers/a")
    await api.create("a")
    return (await api.show("a"))["volume_id"]


async def test_token_for_a_deleted_container_reaches_nothing_of_one_made_anew_under_its_id(api):
    await api.create("a")
    token, wider = await mint(api, ["a"]), await mint(api, ["a", "b"])
    assert await statuses(api, token) == {200}
    volume_id = await make_anew(api)
    assert await statuses(api, token, volume_id) == {401}
    assert await statuses(api, wider, volume_id) == {404}
    listed = (await api.ask("GET", "/containers", headers=bearing(wider))).json()
    assert listed == {"containers": []}
    assert (await api.shake_hands(f"/ws/a?token={wider}")).status_code == 404


async def test_token_whose_last_container_was_deleted_is_revoked_and_its_sockets_close(api):
    await api.create("a")
    token = await mint(api, ["a"])
    async with api.console("", token=f"?token={token}") as console:
        await api.call("DELETE", "/containers/a")
        assert await console.closed() == session.REVOKED
    assert (await api.get("/auth/tokens"))["tokens"] == []


async def test_token_minted_before_its_container_is_made_reaches_the_first_of_that_id(api):
    token = await mint(api, ["a"])
    assert await statuses(api, token) == {404}
    await api.create("a")
    volume_id = (await api.show("a"))["volume_id"]
    assert await statuses(api, token, volume_id) == {200}
    await make_anew(api)
    assert await statuses(api, token, volume_id) == {401}


async def test_token_minted_between_deletion_and_creation_reaches_the_new_container(api):
    await api.create("a")
    await api.call("DELETE", "/containers/a")
    token = await mint(api, ["a"])
    await api.create("a")
    assert await statuses(api, token) == {200}


async def test_deletion_is_known_to_tokens_after_a_restart_too(tmp_path, monkeypatch):
    async def never(*_):
        await trio.sleep_forever()

    monkeypatch.setattr("lightd.daemon.retire", never)  # the daemon dies before it revokes
    async with open_api(tmp_path) as api:
        await api.create("a")
        old = await mint(api, ["a"])
        volume_id = await make_anew(api)
        new = await mint(api, ["a"])
        assert len((await api.get("/auth/tokens"))["tokens"]) == 2
    async with open_api(tmp_path) as api:
        assert await statuses(api, old, volume_id) == {401}
        assert await statuses(api, new) <= {200, 404}  # the fake engine has lost it
    monkeypatch.undo()
    async with open_api(tmp_path) as api:
        with trio.fail_after(20):
            while len((await api.get("/auth/tokens"))["tokens"]) > 1:
                await trio.sleep(0.01)
        assert (await api.get("/auth/tokens"))["tokens"][0]["containers"] == ["a"]


async def test_history_of_what_had_the_id_before_is_for_the_master_alone(api):
    await api.create("a")
    await make_anew(api)
    token = await mint(api, ["a"])
    shown = (await api.ask("GET", "/containers/a/events", headers=bearing(token))).json()["events"]
    assert [each["type"] for each in shown] == ["created", "image-ensured", "script-finished", "installed"]
    assert (await api.types("a")).count("created") == 2
    async with api.console("a", "&since=0", token=f"?token={token}") as console:
        seen = [await console.next() for _ in range(2)]
    assert [each["data"] for each in seen] == ["installing", "ready"]
    async with api.console("", "&since=0", token=f"?token={token}") as console:
        assert [(await console.next())["data"] for _ in range(2)] == ["installing", "ready"]


async def test_nodes_stream_of_a_token_ends_with_each_of_its_containers(api):
    await api.create("a")
    await api.create("b")
    token = await mint(api, ["a", "b"])
    async with api.console("", token=f"?token={token}") as console:
        await api.power("start", "b")
        await make_anew(api)
        await api.power("kill", "b")
        with trio.fail_after(20):
            while (await console.next()).get("data") != "exit":
                pass
        told = [(each["internal_id"], each["data"]) for each in console.frames if each["event"] == "event"]
    assert [data for internal_id, data in told if internal_id == "a"] == ["deleted"]


async def test_request_let_in_before_its_container_was_made_anew_does_nothing_to_that(api):
    await api.create("a")
    token = await mint(api, ["a", "b"])
    body = b'{"environment": {"STOLEN": "1"}}'
    gone = trio.Event()

    async def slowly():
        yield body[:5]
        await gone.wait()
        yield body[5:]

    answers = []

    async def patch():
        url, length = f"{api.url}/containers/a", {"Content-Length": str(len(body))}
        answer = await api.client.request(
            "PATCH", url, headers={**bearing(token), **length}, content=slowly()
        )
        answers.append(answer.status_code)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(patch)
        await trio.sleep(0.3)
        await make_anew(api)
        gone.set()
    assert answers == [404]
    assert (await api.show("a"))["environment"] == {}
