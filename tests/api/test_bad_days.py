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
from tests.api.front import open_edge

DOWN = {"error": "the container engine does not answer", "code": "engine_unavailable"}


async def test_what_needs_the_engine_is_a_503_while_it_does_not_answer(edge):
    await edge.create()
    body = await edge.a_body("s2")
    edge.engine.go_down()
    await edge.wait_engine(up=False)
    for method, path in [
        ("POST", "/containers"),
        ("DELETE", "/containers/s1"),
        ("POST", "/containers/s1/start"),
        ("POST", "/containers/s1/stop"),
        ("POST", "/containers/s1/kill"),
        ("POST", "/containers/s1/restart"),
    ]:
        answer = await edge.ask(method, path, body if path == "/containers" else None)
        assert (answer.status_code, answer.json()) == (503, DOWN)
        assert answer.headers["Retry-After"] == "5"
    async with edge.console() as console:
        await console.send("power", action="start")
        assert (await console.until("error"))["data"] == DOWN["error"]
    edge.engine.come_back()
    await edge.wait_engine()
    assert (await edge.power("start"))["status"] == "succeeded"


async def test_what_needs_no_engine_is_answered_while_it_is_down(edge):
    edge.engine.go_down()
    await edge.wait_engine(up=False)
    volume = await edge.volume()
    await edge.post(f"/volumes/{volume}/files", {"path": "x", "content": ""})
    await edge.port(25565)
    assert await edge.get("/containers") == {"containers": []}
    assert (await edge.ask("GET", "/api/v1/public/ping", headers={})).status_code == 200


async def test_an_action_under_way_goes_on_when_the_engine_comes_back(edge):
    await edge.create(start_pattern="Ready")
    edge.faults.errors["start"] = EngineUnavailable("gone for a moment")
    assert (await edge.power("start", wait="0.02"))["status"] == "pending"
    edge.faults.errors.clear()
    await edge.system.fleet.get("s1").wait_until(lambda view: view.state.power_state == "running")


async def test_nothing_is_done_while_nothing_can_be_recorded(edge):
    await edge.create(start_pattern="Ready")
    body = await edge.a_body("s2")
    edge.journal.fault = "/srv/lightd.db: the disk is full"
    for method, path, content in [
        ("POST", "/containers", body),
        ("POST", "/containers/s1/start", None),
        ("POST", "/network/ports", {"ip": "127.0.0.1", "port": 1}),
        ("POST", "/volumes", None),
    ]:
        answer = await edge.ask(method, path, content)
        assert (answer.status_code, answer.json()["code"]) == (507, "journal_unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert "/srv" not in answer.text
    edge.journal.fault = None
    rows = (await edge.get("/containers"))["containers"]
    assert [(row["internal_id"], row["state"]) for row in rows] == [("s1", "offline")]
    assert (await edge.power("start"))["status"] == "succeeded"


async def test_a_change_that_could_not_be_recorded_holds_no_port_once_something_else_is_changed(edge):
    ports = [await edge.port(25565), await edge.port(25566), await edge.port(25567)]
    await edge.create(ports=ports[:1])
    pool, edge.journal.fills_after = edge.system.ports, PortsLeased
    refused = await edge.refused("POST", "/containers/s1/rebind-network", {"ports": ports[1:2]})
    assert refused[:2] == (507, "journal_unavailable")
    await trio.testing.wait_all_tasks_blocked(0.05)  # the release is refused, too
    edge.journal.fault = edge.journal.fills_after = None
    assert len(pool.state.held_by("s1")) == 2
    with trio.fail_after(20):
        await edge.create("s2", ports=ports[2:])
    assert [key[1] for key in pool.state.held_by("s1")] == [25565]
    assert [key[1] for key in pool.state.held_by("s2")] == [25567]


async def quarantine(edge, internal_id="s1"):
    """Have the container's actor crash once, which is once too often."""
    member = edge.system.fleet.get(internal_id)
    member.place._child.intensity = RestartIntensity(restarts=0)
    edge.faults.errors["start"] = RuntimeError("a bug")
    await edge.power("start", internal_id, wait=0)
    with trio.fail_after(20):
        while not member.place.quarantined:
            await trio.sleep(0.001)
    edge.faults.errors.clear()


async def test_a_quarantined_container_is_shown_answers_503_and_can_be_revived(edge):
    await edge.create(start_pattern="Ready")
    assert await edge.refused("POST", "/containers/s1/revive") == (
        409,
        "not_quarantined",
        "container s1 is not in quarantine",
    )
    await quarantine(edge)
    assert (await edge.show())["quarantined"] is True
    assert (await edge.get("/containers"))["containers"][0]["quarantined"] is True
    for method, path in [("POST", "/containers/s1/kill"), ("DELETE", "/containers/s1")]:
        answer = await edge.ask(method, path)
        assert (answer.status_code, answer.json()["code"]) == (503, "quarantined")
        assert answer.headers["Retry-After"]
        assert "a bug" not in answer.text
    assert await edge.post("/containers/s1/revive") == {
        "message": "Container revived",
        "internal_id": "s1",
    }
    assert (await edge.power("start"))["status"] == "succeeded"
    assert (await edge.show())["quarantined"] is False


def breaking_on_restart(state, message):
    """``decide`` with a bug that shows in one container, on one command."""
    if state.spec is not None and state.spec.internal_id == "s1" and isinstance(message, messages.Restart):
        raise RuntimeError("a bug")
    return DECIDER.decide(state, message)


async def test_a_bug_puts_one_container_into_quarantine_and_the_others_never_notice(tmp_path, monkeypatch):
    monkeypatch.setattr(fleet, "DECIDER", attrs.evolve(DECIDER, decide=breaking_on_restart))
    async with open_edge(tmp_path) as edge:
        for internal_id in ("s1", "s2"):
            await edge.create(internal_id, start_pattern="Ready")
            await edge.power("start", internal_id)
        broken, other = edge.system.fleet.get("s1"), edge.system.fleet.get("s2")
        async with edge.console("s2") as console:
            await console.until("event", "running")
            await crash_until_quarantined(edge)
            await console.send("send_command", command="still here")
            await console.until("console", "got: still here")
            assert console.states == ["running"]
            assert (await edge.power("restart", "s2"))["status"] == "succeeded"
            await console.until("event", "running")
            assert not [frame for frame in console.frames if frame["event"] == "error"]
        assert (broken.place._child.restarts, other.place._child.restarts) == (3, 0)
        assert edge.engine.running() == ["s1", "s2"]
        edge.engine.exit("s1", 4)
        assert (await edge.show())["state"] == "running"  # as it was when its actor broke
        async with edge.console("s1") as console:
            await edge.post("/containers/s1/revive")
            assert (await console.until("event", "exit"))["code"] == 4
        shown = await edge.show()
        assert (shown["state"], shown["exit"]["code"], shown["quarantined"]) == ("offline", 4, False)
        assert (await edge.types()).count("exited") == 1
        assert (await edge.power("start"))["status"] == "succeeded"


async def crash_until_quarantined(edge):
    """Ask for what shows the bug, as often as its actor is there again."""
    with trio.fail_after(20):
        while not (await edge.show())["quarantined"]:
            answer = await edge.ask("POST", "/containers/s1/restart")
            assert answer.status_code in (500, 503)  # it broke on this one, or is in quarantine by now
            assert "a bug" not in answer.text
            await trio.sleep(0.05)


async def test_a_quarantined_container_still_has_its_console(edge):
    await edge.create(start_pattern="Ready")
    await quarantine(edge)
    async with edge.console() as console:
        assert (await console.next())["data"] == "starting"
        await console.send("power", action="kill")
        assert "quarantine" in (await console.until("error"))["data"]
        await console.send("request_logs")
        await console.until("logs")
    assert "lines" in await edge.get("/containers/s1/logs")


async def test_a_container_whose_history_is_broken_is_shown_and_its_name_stays_taken(tmp_path, monkeypatch):
    async with open_edge(tmp_path) as edge:
        await edge.create()
        broken = await edge.system.bus.history(stream_of("s1"))
        append = Append(stream_of("s1"), len(broken), (broken[0].event,))
        await edge.system.bus.publish(append)  # created twice: no such transition
    monkeypatch.setattr(supervisor, "RestartIntensity", lambda: RestartIntensity(restarts=0))
    async with open_edge(tmp_path) as edge:
        row = {
            "internal_id": "s1",
            "container_id": None,
            "install_state": "failed",
            "state": "offline",
            "image": None,
            "ports": [],
            "quarantined": True,
        }
        assert await edge.get("/containers") == {"containers": [row]}
        assert await edge.get("/containers/s1") == row
        assert (await edge.refused("POST", "/containers", await edge.a_body()))[:2] == (409, "already_exists")
        assert (await edge.refused("POST", "/containers/s1/start"))[:2] == (503, "quarantined")
        async with edge.console() as console:
            await console.send("send_command", command="x")
            assert (await console.until("error"))["data"] == "the container is not running"


@pytest.mark.parametrize("moment", ["create", "delete"])
async def test_an_unreachable_engine_does_not_keep_the_daemon_from_stopping(tmp_path, moment):
    async with open_edge(tmp_path) as edge:
        if moment == "create":
            edge.faults.gates["ensure_image"] = trio.Event()
            await edge.post("/containers", await edge.a_body())
        else:
            await edge.create()
            edge.faults.gates["remove"] = trio.Event()
            await edge.call("DELETE", "/containers/s1", wait=0)
