"""Power actions, and what ``wait`` tells of how they ended."""

import re

import trio

from lightd.access import rates
from lightd.engines.fake import engine
from tests.support.scoped import bearing, mint

STUBBORN = {"command": "ignore-sigterm", "start_pattern": "Ready", "stop": {"timeout": 3000}}


async def test_a_power_action_is_accepted_at_once(edge):
    await edge.create()
    for action in ("start", "stop", "kill", "restart"):
        answer = await edge.post(f"/containers/s1/{action}")
        assert re.fullmatch(r"[a-z]+-[0-9a-f]{32}", answer.pop("operation_id"))
        assert answer == {"message": f"Container {action} initiated", "internal_id": "s1"}


async def test_a_server_is_started_restarted_and_stopped(edge):
    await edge.create(start_pattern="Ready")
    assert (await edge.power("start"))["status"] == "succeeded"
    shown = await edge.show()
    assert shown["state"] == "running"
    assert (await edge.power("restart"))["status"] == "succeeded"
    assert (await edge.show())["started_at"] > shown["started_at"]
    assert (await edge.power("stop"))["status"] == "succeeded"
    shown = await edge.show()
    assert shown["state"] == "offline"
    assert shown["exit"].keys() == {"code", "oom_killed", "at"}
    assert (shown["exit"]["code"], shown["exit"]["oom_killed"]) == (143, False)
    assert shown["exit"]["at"] > shown["started_at"]


async def test_an_action_that_is_already_true_changes_nothing(edge):
    await edge.create(start_pattern="Ready")
    for action in ("stop", "kill"):
        assert (await edge.power(action))["status"] == "succeeded"
    await edge.power("start")
    before = await edge.types()
    assert (await edge.power("start"))["status"] == "succeeded"
    assert await edge.types() == before


async def test_an_action_that_has_not_ended_in_time_is_pending(edge):
    await edge.running(**STUBBORN)
    assert (await edge.power("stop", wait=0))["status"] == "pending"
    assert (await edge.power("stop", wait="0.05"))["status"] == "pending"
    assert (await edge.show())["state"] == "stopping"
    assert (await edge.power("kill"))["status"] == "succeeded"
    assert (await edge.show())["exit"]["code"] == 137


async def test_a_start_that_ends_in_a_crash_has_failed_and_says_how(edge):
    await edge.create(command="echo broken; exit 3", start_pattern="never")
    answer = await edge.power("start")
    assert answer["status"] == "failed"
    assert answer["error"] == "the process ended with exit code 3"


async def test_a_start_that_the_engine_refuses_has_failed_and_says_why(edge):
    await edge.port(25565)
    edge.engine.bound.add((25565, "tcp"))
    await edge.create(ports=[{"ip": "127.0.0.1", "port": 25565}])
    answer = await edge.power("start")
    assert (answer["status"], answer["error"]) == ("failed", "Port 25565/tcp is in use on the host")
    shown = await edge.show()
    assert (shown["state"], shown["error"]) == ("offline", answer["error"])
    edge.engine.bound.clear()
    assert (await edge.power("start"))["status"] == "succeeded"


async def test_a_start_that_somebody_stops_is_cancelled_and_says_by_what(edge):
    await edge.create(start_pattern="never")
    answers = []

    async def start():
        answers.append(await edge.power("start"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        await edge.system.fleet.get("s1").wait_until(lambda view: view.state.started_at is not None)
        await edge.power("kill")
    assert answers[0]["status"] == "cancelled"
    assert re.fullmatch(r"cancelled on request \(kill-[0-9a-f]{32}\)", answers[0]["error"])


async def test_a_start_that_a_deletion_overtakes_is_cancelled(edge):
    await edge.create(start_pattern="never")
    answers = []

    async def start():
        answers.append(await edge.power("start"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        await edge.system.fleet.get("s1").wait_until(lambda view: view.state.started_at is not None)
        edge.faults.gates["signal"] = edge.faults.gates["remove"] = trio.Event()
        await edge.call("DELETE", "/containers/s1", wait=0)
        await edge.power("kill", wait=0)
        edge.faults.gates["remove"].set()
    assert answers[0]["status"] == "cancelled"


async def test_nothing_is_started_while_it_is_installed(edge):
    edge.faults.gates["ensure_image"] = trio.Event()
    await edge.post("/containers", await edge.a_body())
    said = (409, "installing", "container s1 is being installed")
    assert await edge.refused("POST", "/containers/s1/start") == said
    assert await edge.refused("POST", "/containers/s1/restart") == said


async def test_a_stop_or_a_kill_cancels_an_installation(edge):
    edge.faults.gates["ensure_image"] = trio.Event()
    for action in ("stop", "kill"):
        await edge.post("/containers", await edge.a_body())
        assert (await edge.power(action))["status"] == "succeeded"
        shown = await edge.show()
        assert (shown["install_state"], shown["error"]) == ("failed", "cancelled on request")
        assert (await edge.power(action))["status"] == "succeeded"
        assert (await edge.refused("POST", "/containers/s1/start"))[:2] == (409, "install_failed")
        await edge.call("DELETE", "/containers/s1")


async def test_an_installation_that_a_deletion_overtakes_is_cancelled(edge):
    edge.faults.gates["ensure_image"] = trio.Event()
    body = await edge.a_body()
    answers = []

    async def create():
        answers.append(await edge.post("/containers", body, wait=20))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(create)
        with trio.fail_after(20):
            while edge.system.fleet.get("s1") is None:
                await trio.sleep(0.001)
        await edge.call("DELETE", "/containers/s1")
    assert answers[0]["status"] == "cancelled"
    assert answers[0]["error"].startswith("the container is being deleted (delete-")


async def test_a_failed_installation_gives_its_ports_back_and_says_why(edge):
    address = await edge.port(25565)
    for fields, why in [
        ({"image": "no/such:image"}, "There is no image no/such:image"),
        ({"install_script": "exit 3"}, "the install script ended with exit code 3"),
    ]:
        body = await edge.a_body(ports=[address]) | fields
        answer = await edge.post("/containers", body, wait=20)
        assert (answer["status"], answer["error"]) == ("failed", why)
        assert (await edge.get("/network/ports/127.0.0.1/25565"))["in_use"] is False
        shown = await edge.show()
        assert (shown["install_state"], shown["state"], shown["error"]) == ("failed", "offline", why)
        assert (await edge.refused("POST", "/containers", body))[:2] == (409, "already_exists")
        await edge.call("DELETE", "/containers/s1")


async def test_an_installation_that_is_not_done_in_time_is_pending(edge):
    edge.engine.registry.add("slow:1")
    answer = await edge.post("/containers", await edge.a_body(image="slow:1"), wait=0)
    assert answer["status"] == "pending"


async def test_a_memory_hog_is_told_as_one(edge):
    await edge.create(command="memory-hog", start_pattern="never")
    said = "the process was killed for using more memory than it may"
    assert (await edge.power("start"))["error"] == said
    assert (await edge.show())["exit"]["oom_killed"] is True


async def test_an_image_without_a_shell_fails_the_start(edge):
    await edge.create(image=engine.BROKEN_IMAGE, start_pattern="Ready")
    assert (await edge.power("start"))["status"] == "failed"
    assert (await edge.show())["exit"]["code"] == 127


async def test_a_token_that_starts_too_often_is_refused_and_can_still_kill(edge):
    await edge.create()
    tenant = bearing(await mint(edge, ["s1"], ["power"]))
    statuses = []
    for _ in range(rates.STARTING.burst + 1):
        last = await edge.ask("POST", "/containers/s1/start", headers=tenant)
        statuses.append(last.status_code)
    assert statuses == [*[200] * rates.STARTING.burst, 429]
    assert last.json()["code"] == "too_often"
    assert 1 <= int(last.headers["Retry-After"]) <= 5
    assert (await edge.ask("POST", "/containers/s1/kill", headers=tenant)).status_code == 200
    await edge.power("start")  # the master has no limit
    async with edge.console(token=f"?token={tenant['Authorization'].split()[1]}") as console:
        await console.send("power", action="restart")
        error = await console.until("error")
        assert error["data"].startswith("this is started or restarted too often")
        await console.send("power", action="kill")
        await console.until("event", "exit")


async def test_a_token_that_changes_too_often_is_refused_before_anything_is_changed(edge):
    await edge.create()
    tenant = bearing(await mint(edge, ["s1"]))
    body = {"environment": {"A": "1"}}
    for _ in range(rates.CHANGING.burst):
        assert (await edge.ask("PATCH", "/containers/s1", body, headers=tenant)).status_code == 200
    volume_id = (await edge.show())["volume_id"]
    before = await edge.types()
    for method, path, late in (
        ("PATCH", "", {"environment": {"A": "2"}}),
        ("POST", "/rebind-network", {"ports": []}),
        ("POST", "/reinstall", {}),
    ):
        answer = await edge.ask(method, f"/containers/s1{path}", late, headers=tenant)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_often")
    assert await edge.types() == before
    sizes = [
        (await edge.ask("POST", f"/volumes/{volume_id}/resize", {"size": 10}, headers=tenant)).status_code
        for _ in range(rates.CHANGING.burst + 1)
    ]
    assert sizes[-1] == 429
