"""An action that failed while a request waited for it is an error, and says what failed and why."""

import pytest
import trio

from tests.support.fake_engine import engine
from tests.support.shell import Shell

MISSING = "There is no image no-such:image"


async def fail(api, action):
    """Let ``action`` fail; return its response."""
    if action == "create":
        return await api.ask("POST", "/containers?wait=20", await api.a_body(image="no-such:image"))
    await api.running()
    if action == "reinstall":
        return await api.ask("POST", "/containers/s1/reinstall?wait=20", {"image": "no-such:image"})
    if action == "rebind-network":
        port = await api.port(25566)
        api.engine.bound.add((25566, "tcp"))
        return await api.ask("POST", "/containers/s1/rebind-network?wait=20", {"ports": [port]})
    await api.call("PATCH", "/containers/s1", {"image": "no-such:image"})
    if action == "start":
        await api.power("stop")
    return await api.ask("POST", f"/containers/s1/{action}?wait=20")


@pytest.mark.parametrize(
    ("action", "message", "reason"),
    [
        ("create", "Container creation failed", MISSING),
        ("start", "Container start failed", MISSING),
        ("restart", "Container restart failed", MISSING),
        ("reinstall", "Container reinstall failed", MISSING),
        ("rebind-network", "Network rebinding failed", "Port 25566/tcp is in use on the host"),
    ],
)
async def test_action_that_failed_is_a_409_that_names_it_and_says_why(api, action, message, reason):
    answer = await fail(api, action)
    said = answer.json()
    assert answer.status_code == 409
    assert said == {
        "error": reason,
        "code": "operation_failed",
        "message": message,
        "internal_id": "s1",
        "operation_id": said["operation_id"],
        "status": "failed",
    }
    operation = await api.get(f"/operations/{said['operation_id']}")
    assert (operation["status"], operation["error"]) == ("failed", reason)
    entry = (await api.get("/audit", limit=1000))["entries"][-1]
    assert (entry["status"], entry["code"]) == (409, "operation_failed")


async def test_action_that_is_cancelled_while_it_is_waited_for_is_a_409(api):
    await api.create(start_pattern="never")
    found = []

    async def start():
        found.append(await api.ask("POST", "/containers/s1/start?wait=20"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        await api.system.fleet.get("s1").wait_until(lambda view: view.state.started_at is not None)
        await api.power("stop")
    said = found[0].json()
    assert (found[0].status_code, said["code"], said["status"]) == (409, "cancelled", "cancelled")
    assert said["message"] == "Container start cancelled"
    assert said["error"].startswith("cancelled on request (stop-")


async def test_action_that_is_not_waited_for_or_takes_longer_is_a_200(api):
    api.engine.pull_seconds = 1000.0
    api.engine.registry.add("slow:1")
    body = await api.a_body(image="slow:1")
    assert "status" not in await api.post("/containers", body)
    assert (await api.post("/containers", {**body, "internal_id": "s2"}, wait="0.01"))["status"] == "pending"
    assert "status" not in await api.post(
        "/containers", {**body, "internal_id": "s3", "image": "no-such:image"}
    )


async def test_response_to_a_failure_is_as_the_document_says(api):
    document = await api.get("/openapi.json")
    answer = document["paths"]["/containers/{internal_id}/start"]["post"]["responses"]["409"]
    assert "`operation_failed`" in answer["description"]
    schema = document["components"]["schemas"]["Error"]
    assert (await fail(api, "start")).json().keys() == schema["properties"].keys()


async def test_command_line_says_which_action_failed_and_why(api, tmp_path):
    await api.create()
    await api.call("PATCH", "/containers/s1", {"image": "no-such:image"})
    shell = Shell(api.url, tmp_path)
    assert await shell("start", "s1") == (1, "", f"lightd: s1: start failed: {MISSING}\n")
    code, out, _ = await shell("start", "s1", "--json")
    assert code == 1
    assert '"status": "failed"' in out
    assert '"operation_id": "start-' in out
    await api.call("PATCH", "/containers/s1", {"image": engine.RIG_IMAGE})
    assert (await shell("start", "s1"))[0] == 0
