"""Power actions, and what ``wait`` tells of how they ended."""

import re
from contextlib import asynccontextmanager

import pytest
import trio

from lightd.access import rates
from tests.support.fake_engine import engine
from tests.support.scoped import bearing, mint

pytestmark = pytest.mark.one_python

STUBBORN = {"command": "ignore-sigterm", "start_pattern": "Ready", "stop": {"timeout": 3000}}


async def test_power_action_is_accepted_at_once(api):
    await api.create()
    for action in ("start", "stop", "kill", "restart"):
        answer = await api.post(f"/containers/s1/{action}")
        assert re.fullmatch(r"[a-z]+-[0-9a-f]{32}", answer.pop("operation_id"))
        assert answer == {"message": f"Container {action} initiated", "internal_id": "s1"}


async def test_server_is_started_restarted_and_stopped(api):
    await api.create(start_pattern="Ready")
    assert (await api.power("start"))["status"] == "succeeded"
    shown = await api.show()
    assert shown["state"] == "running"
    assert (await api.power("restart"))["status"] == "succeeded"
    assert (await api.show())["started_at"] > shown["started_at"]
    assert (await api.power("stop"))["status"] == "succeeded"
    shown = await api.show()
    assert shown["state"] == "offline"
    assert shown["exit"].keys() == {"code", "oom_killed", "at", "crashed"}
    assert (shown["exit"]["code"], shown["exit"]["oom_killed"]) == (143, False)
    assert shown["exit"]["at"] > shown["started_at"]


async def test_action_that_is_already_true_changes_nothing(api):
    await api.create(start_pattern="Ready")
    for action in ("stop", "kill"):
        assert (await api.power(action))["status"] == "succeeded"
    await api.power("start")
    before = await api.types()
    assert (await api.power("start"))["status"] == "succeeded"
    assert await api.types() == before


async def test_action_that_has_not_ended_in_time_is_pending(api):
    await api.running(**STUBBORN)
    assert (await api.power("stop", wait=0))["status"] == "pending"
    assert (await api.power("stop", wait="0.05"))["status"] == "pending"
    assert (await api.show())["state"] == "stopping"
    assert (await api.power("kill"))["status"] == "succeeded"
    assert (await api.show())["exit"]["code"] == 137


async def test_start_that_ends_in_a_crash_has_failed_and_says_how(api):
    await api.create(command="echo broken; exit 3", start_pattern="never")
    answer = await api.power("start", status=409)
    assert answer["status"] == "failed"
    assert answer["error"] == "the process ended with exit code 3"


async def test_start_that_the_engine_refuses_has_failed_and_says_why(api):
    await api.port(25565)
    api.engine.bound.add((25565, "tcp"))
    await api.create(ports=[{"ip": "127.0.0.1", "port": 25565}])
    answer = await api.power("start", status=409)
    assert (answer["status"], answer["error"]) == ("failed", "Port 25565/tcp is in use on the host")
    shown = await api.show()
    assert (shown["state"], shown["error"]) == ("offline", answer["error"])
    api.engine.bound.clear()
    assert (await api.power("start"))["status"] == "succeeded"


@asynccontextmanager
async def starting(api):
    """Yield once a server that never becomes ready runs; at the end the list has the answer to its start."""
    await api.create(start_pattern="never")
    answers = []

    async def start():
        answers.append(await api.power("start", status=409))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        await api.system.fleet.get("s1").wait_until(lambda view: view.state.started_at is not None)
        yield answers


async def test_start_that_somebody_stops_is_cancelled_and_says_by_what(api):
    async with starting(api) as answers:
        await api.power("kill")
    assert answers[0]["status"] == "cancelled"
    assert re.fullmatch(r"cancelled on request \(kill-[0-9a-f]{32}\)", answers[0]["error"])


async def test_start_that_a_deletion_overtakes_is_cancelled(api):
    async with starting(api) as answers:
        api.faults.gates["signal"] = api.faults.gates["remove"] = trio.Event()
        await api.call("DELETE", "/containers/s1", wait=0)
        await api.power("kill", wait=0)
        api.faults.gates["remove"].set()
    assert answers[0]["status"] == "cancelled"


async def test_start_during_an_installation_is_refused(api):
    api.faults.gates["ensure_image"] = trio.Event()
    await api.post("/containers", await api.a_body())
    said = (409, "installing", "container s1 is being installed")
    assert await api.refused("POST", "/containers/s1/start") == said
    assert await api.refused("POST", "/containers/s1/restart") == said


async def test_stop_or_a_kill_cancels_an_installation(api):
    api.faults.gates["ensure_image"] = trio.Event()
    for action in ("stop", "kill"):
        await api.post("/containers", await api.a_body())
        assert (await api.power(action))["status"] == "succeeded"
        shown = await api.show()
        assert (shown["install_state"], shown["error"]) == ("failed", "cancelled on request")
        assert (await api.power(action))["status"] == "succeeded"
        assert (await api.refused("POST", "/containers/s1/start"))[:2] == (409, "install_failed")
        await api.call("DELETE", "/containers/s1")


async def test_installation_that_a_deletion_overtakes_is_cancelled(api):
    api.faults.gates["ensure_image"] = trio.Event()
    body = await api.a_body()
    answers = []

    async def create():
        answers.append(await api.post("/containers", body, wait=20, status=409))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(create)
        with trio.fail_after(20):
            while api.system.fleet.get("s1") is None:
                await trio.sleep(0.001)
        await api.call("DELETE", "/containers/s1")
    assert answers[0]["status"] == "cancelled"
    assert answers[0]["error"].startswith("the container is being deleted (delete-")


async def test_failed_installation_gives_its_ports_back_and_says_why(api):
    address = await api.port(25565)
    for fields, why in [
        ({"image": "no/such:image"}, "There is no image no/such:image"),
        ({"install_script": "exit 3"}, "the install script ended with exit code 3"),
    ]:
        body = await api.a_body(ports=[address]) | fields
        answer = await api.post("/containers", body, wait=20, status=409)
        assert (answer["status"], answer["error"]) == ("failed", why)
        assert (await api.get("/network/ports/127.0.0.1/25565"))["in_use"] is False
        shown = await api.show()
        assert (shown["install_state"], shown["state"], shown["error"]) == ("failed", "offline", why)
        again = await api.refused("POST", "/containers", body)
        assert again[:2] == (409, "already_exists")
        assert why in again[2]
        assert "DELETE /containers/s1 (the volume and its files are kept)" in again[2]
        assert "POST /containers/s1/reinstall" in again[2]
        await api.call("DELETE", "/containers/s1")


async def test_installation_that_is_not_done_in_time_is_pending(api):
    api.engine.registry.add("slow:1")
    answer = await api.post("/containers", await api.a_body(image="slow:1"), wait=0)
    assert answer["status"] == "pending"


async def test_memory_hog_is_told_as_one(api):
    await api.create(command="memory-hog", start_pattern="never")
    said = "the process was killed because it exceeded its memory limit"
    assert (await api.power("start", status=409))["error"] == said
    assert (await api.show())["exit"]["oom_killed"] is True


async def test_image_without_a_shell_fails_the_start(api):
    await api.create(image=engine.BROKEN_IMAGE, start_pattern="Ready")
    assert (await api.power("start", status=409))["status"] == "failed"
    assert (await api.show())["exit"]["code"] == 127


async def test_token_that_starts_too_often_is_refused_and_can_still_kill(api):
    await api.create()
    tenant = bearing(await mint(api, ["s1"], ["power"]))
    statuses = []
    for _ in range(rates.STARTING.burst + 1):
        last = await api.ask("POST", "/containers/s1/start", headers=tenant)
        statuses.append(last.status_code)
    assert statuses == [*[200] * rates.STARTING.burst, 429]
    assert last.json()["code"] == "too_often"
    assert 1 <= int(last.headers["Retry-After"]) <= 5
    assert (await api.ask("POST", "/containers/s1/kill", headers=tenant)).status_code == 200
    await api.power("start")  # the master has no limit
    async with api.console(token=f"?token={tenant['Authorization'].split()[1]}") as console:
        await console.send("power", action="restart")
        error = await console.until("error")
        assert error["data"].startswith("this is started or restarted too often")
        await console.send("power", action="kill")
        await console.until("event", "exit")


async def test_token_that_changes_too_often_is_refused_before_anything_is_changed(api):
    await api.create()
    tenant = bearing(await mint(api, ["s1"]))
    body = {"environment": {"A": "1"}}
    for _ in range(rates.CHANGING.burst):
        assert (await api.ask("PATCH", "/containers/s1", body, headers=tenant)).status_code == 200
    volume_id = (await api.show())["volume_id"]
    before = await api.types()
    for method, path, late in (
        ("PATCH", "", {"environment": {"A": "2"}}),
        ("POST", "/rebind-network", {"ports": []}),
        ("POST", "/reinstall", {}),
    ):
        answer = await api.ask(method, f"/containers/s1{path}", late, headers=tenant)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_often")
    assert await api.types() == before
    sizes = [
        (await api.ask("POST", f"/volumes/{volume_id}/resize", {"size": 10}, headers=tenant)).status_code
        for _ in range(rates.CHANGING.burst + 1)
    ]
    assert sizes[-1] == 429
