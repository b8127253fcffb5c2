"""When the engine, the journal or an actor is down: each answer says so, and all goes on afterwards."""

import attrs
import pytest
import trio
import trio.testing

from actors.container import fleet, messages
from actors.container.decider import DECIDER
from actors.container.engine import EngineUnavailable
from actors.container.fleet import stream_of
from actors.kernel import supervisor
from actors.kernel.journal import Append
from actors.kernel.supervisor import RestartIntensity
from actors.portpool.messages import PortsLeased
from tests.api.front import open_api

pytestmark = pytest.mark.one_python

DOWN = {"error": "the container engine does not answer", "code": "engine_unavailable"}


async def test_requests_that_need_the_engine_are_a_503_while_it_does_not_answer(api):
    await api.create()
    body = await api.a_body("s2")
    api.engine.go_down()
    await api.wait_engine(up=False)
    answers = []

    async def ask(method, path):
        answers.append(await api.ask(method, path, body if path == "/containers" else None))

    async with trio.open_nursery() as nursery:  # each waits for the next attempt to connect
        nursery.start_soon(ask, "DELETE", "/containers/s1")
        for action in ("", "/s1/start", "/s1/stop", "/s1/kill", "/s1/restart"):
            nursery.start_soon(ask, "POST", f"/containers{action}")
    assert [(each.status_code, each.json()) for each in answers] == [(503, DOWN)] * 6
    assert [each.headers["Retry-After"] for each in answers] == ["5"] * 6
    async with api.console() as console:
        await console.send("power", action="start")
        assert (await console.until("error"))["data"] == DOWN["error"]
    api.engine.come_back()
    await api.wait_engine()
    assert (await api.power("start"))["status"] == "succeeded"


async def test_requests_that_need_no_engine_are_answered_while_it_is_down(api):
    api.engine.go_down()
    await api.wait_engine(up=False)
    volume = await api.volume()
    await api.post(f"/volumes/{volume}/files", {"path": "x", "content": ""})
    await api.port(25565)
    assert await api.get("/containers") == {"containers": []}
    assert (await api.ask("GET", "/api/v1/public/ping", headers={})).status_code == 200


async def test_action_under_way_goes_on_when_the_engine_comes_back(api):
    await api.create(start_pattern="Ready")
    api.faults.errors["start"] = EngineUnavailable("gone for a moment")
    assert (await api.power("start", wait="0.02"))["status"] == "pending"
    api.faults.errors.clear()
    await api.system.fleet.get("s1").wait_until(lambda view: view.state.power_state == "running")


async def test_requests_are_refused_without_effect_while_the_journal_fails(api):
    await api.create(start_pattern="Ready")
    body = await api.a_body("s2")
    api.journal.fault = "/srv/lightd.db: the disk is full"
    for method, path, content in [
        ("POST", "/containers", body),
        ("POST", "/containers/s1/start", None),
        ("POST", "/network/ports", {"ip": "127.0.0.1", "port": 1}),
        ("POST", "/volumes", None),
    ]:
        answer = await api.ask(method, path, content)
        assert (answer.status_code, answer.json()["code"]) == (507, "journal_unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert "/srv" not in answer.text
    api.journal.fault = None
    rows = (await api.get("/containers"))["containers"]
    assert [(row["internal_id"], row["state"]) for row in rows] == [("s1", "offline")]
    assert (await api.power("start"))["status"] == "succeeded"


async def test_change_that_could_not_be_recorded_holds_no_port_once_something_else_is_changed(api):
    ports = [await api.port(25565), await api.port(25566), await api.port(25567)]
    await api.create(ports=ports[:1])
    pool, api.journal.fills_after = api.system.ports, PortsLeased
    refused = await api.refused("POST", "/containers/s1/rebind-network", {"ports": ports[1:2]})
    assert refused[:2] == (507, "journal_unavailable")
    await trio.testing.wait_all_tasks_blocked(0.05)  # the release is refused, too
    api.journal.fault = api.journal.fills_after = None
    assert len(pool.state.held_by("s1")) == 2
    with trio.fail_after(20):
        await api.create("s2", ports=ports[2:])
    assert [key[1] for key in pool.state.held_by("s1")] == [25565]
    assert [key[1] for key in pool.state.held_by("s2")] == [25567]


async def quarantine(api, internal_id="s1"):
    """Have the container's actor crash once, which is once too often."""
    member = api.system.fleet.get(internal_id)
    member.handle._child.intensity = RestartIntensity(restarts=0)
    api.faults.errors["start"] = RuntimeError("a bug")
    await api.power("start", internal_id, wait=0)
    with trio.fail_after(20):
        while not member.handle.quarantined:
            await trio.sleep(0.001)
    api.faults.errors.clear()


async def test_quarantined_container_is_shown_answers_503_and_can_be_revived(api):
    await api.create(start_pattern="Ready")
    assert await api.refused("POST", "/containers/s1/revive") == (
        409,
        "not_quarantined",
        "container s1 is not in quarantine",
    )
    await quarantine(api)
    assert (await api.show())["quarantined"] is True
    assert (await api.get("/containers"))["containers"][0]["quarantined"] is True
    for method, path in [("POST", "/containers/s1/kill"), ("DELETE", "/containers/s1")]:
        answer = await api.ask(method, path)
        assert (answer.status_code, answer.json()["code"]) == (503, "quarantined")
        assert answer.headers["Retry-After"]
        assert "a bug" not in answer.text
    assert await api.post("/containers/s1/revive") == {
        "message": "Container revived",
        "internal_id": "s1",
    }
    assert (await api.power("start"))["status"] == "succeeded"
    assert (await api.show())["quarantined"] is False


def breaking_on_restart(state, message):
    """``decide`` with a bug that shows in one container, on one command."""
    if state.spec is not None and state.spec.internal_id == "s1" and isinstance(message, messages.Restart):
        raise RuntimeError("a bug")
    return DECIDER.decide(state, message)


async def test_bug_puts_one_container_into_quarantine_and_the_others_never_notice(tmp_path, monkeypatch):
    monkeypatch.setattr(fleet, "DECIDER", attrs.evolve(DECIDER, decide=breaking_on_restart))
    async with open_api(tmp_path) as api:
        for internal_id in ("s1", "s2"):
            await api.create(internal_id, start_pattern="Ready")
            await api.power("start", internal_id)
        broken, other = api.system.fleet.get("s1"), api.system.fleet.get("s2")
        async with api.console("s2") as console:
            await console.until("event", "running")
            await crash_until_quarantined(api)
            await console.send("send_command", command="still here")
            await console.until("console", "got: still here")
            assert console.states == ["running"]
            assert (await api.power("restart", "s2"))["status"] == "succeeded"
            await console.until("event", "running")
            assert not [frame for frame in console.frames if frame["event"] == "error"]
        assert (broken.handle._child.restarts, other.handle._child.restarts) == (3, 0)
        assert api.engine.running() == ["s1", "s2"]
        api.engine.exit("s1", 4)
        assert (await api.show())["state"] == "running"  # as it was when its actor broke
        async with api.console("s1") as console:
            await api.post("/containers/s1/revive")
            assert (await console.until("event", "exit"))["code"] == 4
        shown = await api.show()
        assert (shown["state"], shown["exit"]["code"], shown["quarantined"]) == ("offline", 4, False)
        assert (await api.types()).count("exited") == 1
        assert (await api.power("start"))["status"] == "succeeded"


async def crash_until_quarantined(api):
    """Ask for what shows the bug, as often as its actor is there again."""
    with trio.fail_after(20):
        while not (await api.show())["quarantined"]:
            answer = await api.ask("POST", "/containers/s1/restart")
            assert answer.status_code in (500, 503)  # it broke on this one, or is in quarantine by now
            assert "a bug" not in answer.text
            await trio.sleep(0.05)


async def test_quarantined_container_still_has_its_console(api):
    await api.create(start_pattern="Ready")
    await quarantine(api)
    async with api.console() as console:
        assert (await console.next())["data"] == "starting"
        await console.send("power", action="kill")
        assert "quarantine" in (await console.until("error"))["data"]
        await console.send("request_logs")
        await console.until("logs")
    assert "lines" in await api.get("/containers/s1/logs")


async def test_folder_of_the_volumes_that_is_gone_for_a_while_does_not_end_the_daemon(api, caplog):
    await api.running()
    folder = api.system.config.storage.volumes_path
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    api.system.janitor.call()
    with trio.fail_after(20):
        while "the folder of the volumes cannot be read" not in caplog.text:
            await trio.sleep(0.01)
    assert (await api.get("/node"))["host"]["disks"]["volumes"] is None
    assert (await api.show())["state"] == "running"
    elsewhere.rename(folder)
    volume = await api.volume()
    await api.call("DELETE", f"/volumes/{volume}")
    assert (await api.show())["state"] == "running"


async def test_container_whose_history_is_broken_is_shown_and_its_name_stays_taken(tmp_path, monkeypatch):
    async with open_api(tmp_path) as api:
        await api.create()
        broken = await api.system.bus.history(stream_of("s1"))
        append = Append(stream_of("s1"), len(broken), (broken[0].event,))
        await api.system.bus.publish(append)  # created twice: no such transition
    monkeypatch.setattr(supervisor, "RestartIntensity", lambda: RestartIntensity(restarts=0))
    async with open_api(tmp_path) as api:
        row = {
            "internal_id": "s1",
            "container_id": None,
            "install_state": "failed",
            "state": "offline",
            "image": None,
            "ports": [],
            "quarantined": True,
            "labels": {},
            "display_name": None,
            "volume_id": None,
            "exit": None,
            "started_at": None,
            "created_at": (await api.show())["created_at"],
        }
        listed = {**row, "cpu_usage": None, "memory_usage": None}
        assert await api.get("/containers") == {"containers": [listed]}
        assert await api.get("/containers/s1") == row
        assert (await api.refused("POST", "/containers", await api.a_body()))[:2] == (409, "already_exists")
        assert (await api.refused("POST", "/containers/s1/start"))[:2] == (503, "quarantined")
        async with api.console() as console:
            await console.send("send_command", command="x")
            assert (await console.until("error"))["data"] == "the container is not running"


@pytest.mark.parametrize("moment", ["create", "delete"])
async def test_unreachable_engine_does_not_keep_the_daemon_from_stopping(tmp_path, moment):
    async with open_api(tmp_path) as api:
        if moment == "create":
            api.faults.gates["ensure_image"] = trio.Event()
            await api.post("/containers", await api.a_body())
        else:
            await api.create()
            api.faults.gates["remove"] = trio.Event()
            await api.call("DELETE", "/containers/s1", wait=0)
