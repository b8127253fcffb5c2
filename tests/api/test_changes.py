"""Reinstalling, rebinding and editing over HTTP, and the operations that tell how it went."""

import attrs
import pytest
import trio

from lightd.http.panel_import import to_adopt
from lightd.http.routes import changes
from tests.api.front import open_api
from tests.support.fake_engine import engine

pytestmark = pytest.mark.one_python

STOP = {"type": "command", "value": "stop", "timeout": 5}


async def operation(api, answer):
    return await api.get(f"/operations/{answer['operation_id']}")


async def change(api, what, body, **params):
    return await api.post(f"/containers/s1/{what}", body, **{"wait": 20, **params})


async def holders(api):
    ports = (await api.get("/network/ports"))["ports"]
    return {port["port"]: port["used_by"] for port in ports}


async def test_reinstallation_is_accepted_done_and_told(api):
    api.engine.registry.add("newer:1")
    await api.running()
    answer = await api.post("/containers/s1/reinstall", {"image": "newer:1", "install_script": "echo hi"})
    assert answer.pop("operation_id").startswith("reinstall-")
    assert answer == {"message": "Container reinstall started", "internal_id": "s1"}
    await api.system.fleet.get("s1").wait_until(lambda view: view.state.change is None)
    shown = await api.show()
    assert (shown["image"], shown["install_script"], shown["install_state"], shown["state"]) == (
        "newer:1",
        "echo hi",
        "ready",
        "offline",
    )


async def test_reinstallation_needs_no_body(api):
    await api.create()
    answer = await api.post("/containers/s1/reinstall", wait=20)
    assert answer["status"] == "succeeded"
    told = await operation(api, answer)
    assert told["started_at"] <= told["finished_at"]
    assert {key: told[key] for key in ("kind", "internal_id", "status", "error")} == {
        "kind": "reinstall",
        "internal_id": "s1",
        "status": "succeeded",
        "error": None,
    }


async def test_reinstallation_without_its_script_is_told_by_its_operation_and_its_event(api):
    await api.running(install_script="echo installing")
    for body, runs in (({"run_script": False}, False), ({}, True)):
        answer = await change(api, "reinstall", body)
        assert answer["status"] == "succeeded"
        assert (await operation(api, answer))["run_script"] is runs
        events = (await api.get("/containers/s1/events"))["events"]
        (data,) = [event["data"] for event in events if event["operation_id"] == answer["operation_id"]]
        assert (data["run_script"], data["install_script"]) == (runs, "echo installing")
    lines = [entry["text"] for entry in (await api.get("/containers/s1/logs"))["lines"]]
    assert lines.count("installing") == 2  # with the first installation
    assert "run_script" not in await operation(api, await api.power("start"))


async def test_image_is_edited_and_used_by_the_next_start(api):
    api.engine.registry.add("newer:1")
    await api.running(install_script="echo installing")
    before = await api.show()
    answer = await api.call("PATCH", "/containers/s1", {"image": "newer:1", "pull": "always"})
    assert (answer["applied"], answer["at_next_start"]) == (["pull"], ["image"])
    shown = await api.show()
    assert (shown["image"], shown["pull"], shown["state"]) == ("newer:1", "always", "running")
    assert shown["container_id"] == before["container_id"]
    assert "newer:1" not in api.engine.images
    assert (await api.power("restart"))["status"] == "succeeded"
    assert (await api.show())["container_id"] != before["container_id"]
    assert "newer:1" in api.engine.images


@pytest.mark.parametrize("body", [{"image": "no-such:1"}, {"image": "newer:1", "pull": "never"}])
async def test_image_that_can_not_be_had_fails_the_start_with_the_reason(api, body):
    api.engine.registry.add("newer:1")
    await api.create()
    await api.call("PATCH", "/containers/s1", body)
    answer = await api.power("start", status=409)
    assert answer["status"] == "failed"
    assert body["image"] in answer["error"]
    assert (await api.show())["error"] == answer["error"]
    await api.call("PATCH", "/containers/s1", {"image": engine.RIG_IMAGE, "pull": "missing"})
    assert (await api.power("start"))["status"] == "succeeded"


@pytest.mark.parametrize(("pull", "status"), [("missing", 200), ("never", 409)])
async def test_container_is_installed_as_its_pull_policy_says(api, pull, status):
    api.engine.registry.add("newer:1")
    body = await api.a_body(image="newer:1", pull=pull)
    await api.post("/containers", body, wait=20, status=status)


async def test_missing_image_fails_a_reinstallation_and_the_server_runs_on(api):
    await api.running()
    answer = await change(api, "reinstall", {"image": "no-such:image"}, status=409)
    assert (answer["status"], answer["error"]) == ("failed", "There is no image no-such:image")
    shown = await api.show()
    assert (shown["state"], shown["image"]) == ("running", engine.RIG_IMAGE)


async def test_other_ports_are_leased_and_the_old_ones_given_back(api):
    old, new = await api.port(25565), await api.port(25566)
    await api.running(ports=[old])
    answer = await change(api, "rebind-network", {"ports": [{**new, "container_port": 25565}]})
    assert answer["message"] == "Network rebinding started"
    assert answer["status"] == "succeeded"
    assert await holders(api) == {25565: None, 25566: "s1"}
    shown = await api.show()
    assert shown["ports"] == [{**new, "container_port": 25565}]
    assert shown["state"] == "running"


async def test_port_that_is_taken_on_the_host_fails_the_rebinding_and_nothing_changes(api):
    old, new = await api.port(25565), await api.port(25566)
    await api.running(ports=[old])
    api.engine.bound.add((25566, "tcp"))
    answer = await change(api, "rebind-network", {"ports": [new]}, status=409)
    assert (answer["status"], answer["error"]) == ("failed", "Port 25566/tcp is in use on the host")
    assert await holders(api) == {25565: "s1", 25566: None}
    assert (await api.show())["state"] == "running"


async def test_ports_of_somebody_else_or_outside_of_the_pool_are_refused_and_nothing_is_leased(api):
    old, new, third = await api.port(25565), await api.port(25566), await api.port(25567)
    await api.create(ports=[old])
    await api.create("s2", ports=[new])
    refused = await api.refused("POST", "/containers/s1/rebind-network", {"ports": [third, new]})
    assert refused[:2] == (409, "port_in_use")
    strange = {"ip": "127.0.0.1", "port": 9}
    refused = await api.refused("POST", "/containers/s1/rebind-network", {"ports": [third, strange]})
    assert refused[:2] == (404, "port_not_found")
    assert await holders(api) == {25565: "s1", 25566: "s2", 25567: None}


async def test_container_has_at_most_64_ports_however_it_comes_by_them(api):
    ports = [{"ip": "127.0.0.1", "port": number} for number in range(20_000, 20_065)]
    await api.post("/network/ports/bulk", {"ports": ports})
    body = await api.a_body(ports=ports)
    refusal = (400, "invalid_request", "ports: must be at most 64 ports (got 65)")
    assert await api.refused("POST", "/containers", body) == refusal
    conflict = await to_adopt(api.system)(body)
    assert conflict.reason == refusal[2]
    await api.create(ports=ports[:64])
    assert await api.refused("POST", "/containers/s1/rebind-network", {"ports": ports}) == refusal
    assert set((await holders(api)).values()) == {"s1", None}


async def test_container_that_has_more_ports_from_before_keeps_them(tmp_path, monkeypatch):
    ports = [{"ip": "127.0.0.1", "port": number} for number in range(20_000, 20_065)]
    with monkeypatch.context() as earlier:
        earlier.setattr("lightd.api.container_fields.MOST_PORTS", 400)
        async with open_api(tmp_path) as api:
            await api.post("/network/ports/bulk", {"ports": ports})
            await api.create(ports=ports)
    async with open_api(tmp_path) as api:
        assert list((await holders(api)).values()) == ["s1"] * 65
        assert len((await api.show())["ports"]) == 65


async def test_container_can_do_without_ports_and_keep_some(api):
    first, second = await api.port(25565), await api.port(25566)
    await api.create(ports=[first, second])
    assert (await change(api, "rebind-network", {"ports": [second]}))["status"] == "succeeded"
    assert await holders(api) == {25565: None, 25566: "s1"}
    assert (await change(api, "rebind-network", {"ports": []}))["status"] == "succeeded"
    assert await holders(api) == {25565: None, 25566: None}


async def test_same_ports_again_are_true_already(api):
    port = await api.port(25565)
    await api.create(ports=[port])
    before = await api.types()
    answer = await change(api, "rebind-network", {"ports": [port]})
    assert answer["status"] == "succeeded"
    assert (await operation(api, answer))["status"] == "succeeded"
    assert await api.types() == before
    assert await holders(api) == {25565: "s1"}


async def test_one_change_at_a_time(api):
    await api.create()
    api.faults.gates["create_candidate"] = trio.Event()
    await api.post("/containers/s1/reinstall")
    for what, body in (("reinstall", None), ("rebind-network", {"ports": []})):
        refused = await api.refused("POST", f"/containers/s1/{what}", body)
        assert refused == (409, "changing", "container s1 is being reinstalled")
    refused = await api.refused("PATCH", "/containers/s1", {"environment": {}})
    assert refused[:2] == (409, "changing")
    assert (await api.refused("POST", "/containers/s1/start"))[:2] == (409, "changing")
    api.faults.gates.pop("create_candidate").set()


async def test_port_that_a_refused_change_leased_is_given_back(api):
    old, new = await api.port(25565), await api.port(25566)
    await api.create(ports=[old])
    api.faults.gates["create_candidate"] = trio.Event()
    await api.post("/containers/s1/reinstall")
    assert (await api.refused("POST", "/containers/s1/rebind-network", {"ports": [new]}))[1] == "changing"
    api.faults.gates.pop("create_candidate").set()
    await api.system.ports.wait_followed()
    with trio.fail_after(20):
        while await holders(api) != {25565: "s1", 25566: None}:
            await trio.sleep(0.01)


async def test_failed_installation_is_repeated_with_its_ports(api):
    port = await api.port(25565)
    body = await api.a_body(image="no-such:image", ports=[port])
    await api.post("/containers", body, wait=20, status=409)
    assert await holders(api) == {25565: None}
    assert (await change(api, "reinstall", {"image": engine.RIG_IMAGE}))["status"] == "succeeded"
    assert await holders(api) == {25565: "s1"}
    assert (await api.power("start"))["status"] == "succeeded"


async def test_stop_cancels_a_pull_and_the_operation_says_by_what(api):
    api.engine.registry.add("slow:1")
    api.engine.pull_seconds = 1000.0
    await api.running()
    pulling = await api.post("/containers/s1/reinstall", {"image": "slow:1"})
    assert (await operation(api, pulling))["status"] == "pending"
    stopped = await api.power("stop")
    assert stopped["status"] == "succeeded"
    told = await operation(api, pulling)
    assert told["status"] == "cancelled"
    assert told["error"] == f"cancelled on request ({stopped['operation_id']})"


async def test_stop_cancels_a_start(api):
    await api.create(start_pattern="never")
    started = await api.power("start", wait=0)
    assert (await operation(api, started))["finished_at"] is None
    stopped = await api.power("stop")
    told = await operation(api, started)
    assert (told["kind"], told["status"]) == ("start", "cancelled")
    assert stopped["operation_id"] in told["error"]


async def test_operations_survive_a_restart(tmp_path):
    async with open_api(tmp_path) as api:
        created = await api.create()
        failed = await api.post("/containers/s1/reinstall", {"image": "no-such:image"}, wait=20, status=409)
        deleted = await api.call("DELETE", "/containers/s1")
    async with open_api(tmp_path) as api:
        told = [await operation(api, each) for each in (created, failed, deleted)]
        assert [(each["kind"], each["status"]) for each in told] == [
            ("install", "succeeded"),
            ("reinstall", "failed"),
            ("delete", "succeeded"),
        ]
        assert told[1]["error"] == "There is no image no-such:image"


async def test_command_for_the_present_state_is_an_operation_that_succeeded(api):
    await api.running()
    answer = await api.power("start")
    assert (await operation(api, answer))["status"] == "succeeded"


async def test_command_that_is_under_way_already_is_an_operation_that_ends_with_it(api):
    await api.create(start_pattern="never")
    await api.power("start", wait=0)
    again = await api.power("start", wait=0)
    assert (again["status"], (await operation(api, again))["status"]) == ("pending", "pending")
    await api.power("kill")
    with trio.fail_after(20):
        while (told := await operation(api, again))["status"] == "pending":
            await trio.sleep(0.01)
    assert told["status"] == "failed"


async def test_operations_that_change_nothing_are_remembered_up_to_a_bound(api, monkeypatch):
    monkeypatch.setattr("lightd.api.operations.REMEMBERED", 2)
    await api.create()
    answers = [await api.power("stop") for _ in range(3)]
    assert (await api.refused("GET", f"/operations/{answers[0]['operation_id']}"))[:2] == (
        404,
        "operation_not_found",
    )
    assert (await operation(api, answers[2]))["status"] == "succeeded"


@pytest.mark.parametrize("operation_id", ["nonsense", "start-" + "0" * 32, "start-xyz", "%00"])
async def test_operation_that_never_was_is_not_found(api, operation_id):
    assert (await api.refused("GET", f"/operations/{operation_id}"))[:2] == (404, "operation_not_found")


async def test_operation_on_ports_is_not_one_of_a_container(api):
    await api.port(25565)
    record = (await api.system.bus.history("portpool"))[0]
    assert (await api.refused("GET", f"/operations/{record.cause}"))[0] == 404


# Edits


async def test_edit_says_what_holds_and_what_waits(api):
    await api.running()
    body = {
        "startup_command": "echo other",
        "start_pattern": "other",
        "environment": {"A": "1"},
        "stop": STOP,
        "restart_policy": {"mode": "on-crash", "max": 1, "within": 5},
        "limits": {"memory": 2**30, "cpu": 1.5, "pids": 9},
    }
    answer = await api.call("PATCH", "/containers/s1", body)
    assert answer == {
        "message": "Container updated",
        "applied": ["stop", "restart_policy", "limits"],
        "at_next_start": ["startup_command", "start_pattern", "environment"],
    }
    shown = await api.show()
    assert {key: shown[key] for key in body} == body
    assert shown["state"] == "running"


async def test_root_file_system_is_writable_only_where_the_configuration_allows_it(api, tmp_path):
    await api.running()
    status, code, said = await api.refused("PATCH", "/containers/s1", {"read_only": False})
    assert (status, code) == (403, "writable_root_not_allowed")
    assert "docker.allow_writable_root" in said
    assert (await api.show())["read_only"] is None
    answer = await api.call("PATCH", "/containers/s1", {"read_only": True})
    assert answer["at_next_start"] == ["read_only"]
    api.system.config = attrs.evolve(
        api.system.config, docker=attrs.evolve(api.system.config.docker, allow_writable_root=True)
    )
    await api.call("PATCH", "/containers/s1", {"read_only": False})
    assert (await api.show())["read_only"] is False


async def test_null_takes_the_pattern_away(api):
    await api.running()
    assert (await api.call("PATCH", "/containers/s1", {"start_pattern": None}))["at_next_start"] == [
        "start_pattern"
    ]
    assert (await api.show())["start_pattern"] is None


async def test_limit_that_is_taken_away_waits_for_the_next_start(api):
    await api.create(limits={"memory": 2**30})
    answer = await api.call("PATCH", "/containers/s1", {"limits": {"pids": 5}})
    assert (answer["applied"], answer["at_next_start"]) == ([], ["limits"])


async def test_limits_that_the_engine_refuses_change_nothing_at_all(api):
    await api.running(limits={"memory": 2**30})
    body = {"limits": {"memory": 7 * 2**20}, "environment": {"A": "1"}}
    refused = await api.refused("PATCH", "/containers/s1", body)
    assert refused == (409, "limits_refused", "limits: The container uses more memory than that")
    shown = await api.show()
    assert (shown["limits"]["memory"], shown["environment"]) == (2**30, {})


async def test_limits_that_hang_are_told_as_such(api, monkeypatch):
    monkeypatch.setattr(changes, "APPLYING", 0.05)
    await api.running()
    api.faults.gates["update"] = trio.Event()
    refused = await api.refused("PATCH", "/containers/s1", {"limits": {"pids": 5}, "stop": STOP})
    assert refused[:2] == (503, "engine_unavailable")
    assert "applied once it does" in refused[2]
    assert (await api.show())["stop"]["type"] == "signal"
    api.faults.gates.pop("update").set()


async def test_limits_need_an_engine_and_the_rest_does_not(api):
    await api.create()
    api.engine.go_down()
    await api.wait_engine(up=False)
    assert (await api.refused("PATCH", "/containers/s1", {"limits": {"pids": 5}}))[0] == 503
    assert (await api.call("PATCH", "/containers/s1", {"stop": STOP}))["applied"] == ["stop"]
    for what, body in (("reinstall", None), ("rebind-network", {"ports": []})):
        assert (await api.refused("POST", f"/containers/s1/{what}", body))[0] == 503


async def test_edit_of_nothing_changes_nothing(api):
    await api.create()
    before = await api.types()
    assert await api.call("PATCH", "/containers/s1", {}) == {
        "message": "Container updated",
        "applied": [],
        "at_next_start": [],
    }
    await api.call("PATCH", "/containers/s1", {"environment": {}, "limits": {}})
    assert await api.types() == before


@pytest.mark.parametrize(
    ("what", "body", "named"),
    [
        ("PATCH", {"volume_id": "x"}, "volume_id: unknown field"),
        ("PATCH", {"run_script": False}, "run_script: unknown field"),
        ("PATCH", {"image": "a//b:1"}, "image: must be the name of an image"),
        ("PATCH", {"image": "x/../../containers/y"}, "image: must be the name of an image"),
        ("PATCH", {"image": ""}, "image: must be the name of an image"),
        ("PATCH", {"image": None}, "image: must not be null"),
        ("PATCH", {"pull": "sometimes"}, 'pull: must be "missing", "always" or "never"'),
        ("PATCH", {"limits": None}, "limits: must not be null"),
        ("PATCH", {"startup_command": " "}, "startup_command: must not be empty"),
        ("PATCH", {"start_pattern": "("}, "start_pattern: is not a valid regular expression"),
        ("PATCH", {"limits": {"memory": 5}}, "limits.memory"),
        ("PATCH", {"stop": {"type": "signal", "value": "SIGNONE"}}, "stop.value"),
        ("PATCH", {"restart_policy": {"mode": "often"}}, "restart_policy.mode"),
        ("PATCH", [], "the body must be a JSON object"),
        ("reinstall", {"image": "a b"}, "image: must be the name of an image"),
        ("reinstall", {"image": "a//b:1"}, "image: must be the name of an image"),
        ("reinstall", {"image": None}, "image: must not be null"),
        ("reinstall", {"pull": "if-newer"}, 'pull: must be "missing", "always" or "never"'),
        ("reinstall", {"run_script": "no"}, "run_script: must be true or false"),
        ("reinstall", {"ports": []}, "ports: unknown field"),
        ("rebind-network", {}, "ports: is missing"),
        ("rebind-network", None, "ports: is missing"),
        ("rebind-network", {"ports": [{"ip": "x", "port": 1}]}, "ip: must be an IP address"),
        (
            "rebind-network",
            {"ports": [{"ip": "0.0.0.0", "port": 1}, {"ip": "0.0.0.0", "port": 1}]},
            "ports: one is given twice",
        ),
    ],
)
async def test_wrong_change_is_named_and_changes_nothing(api, what, body, named):
    await api.create()
    before = await api.types()
    method = "PATCH" if what == "PATCH" else "POST"
    path = "/containers/s1" if what == "PATCH" else f"/containers/s1/{what}"
    status, _, said = await api.refused(method, path, body)
    assert status == 400
    assert named in said
    assert await api.types() == before


async def test_change_of_a_missing_container_is_a_404(api):
    assert (await api.refused("PATCH", "/containers/none", {}))[:2] == (404, "container_not_found")
    assert (await api.refused("POST", "/containers/none/reinstall"))[:2] == (404, "container_not_found")
    refused = await api.refused("POST", "/containers/none/rebind-network", {"ports": []})
    assert refused[:2] == (404, "container_not_found")


async def test_crash_is_told_in_the_history(api):
    await api.create(command="echo last words; exit 7", restart_policy={"mode": "on-crash", "max": 1})
    await api.post("/containers/s1/start")
    member = api.system.fleet.get("s1")
    await member.wait_until(lambda view: view.state.error is not None)
    events = (await api.get("/containers/s1/events"))["events"]
    exits = [event["data"] for event in events if event["type"] == "exited"]
    assert [(each["code"], each["reason"], each["tail"]) for each in exits] == [
        (7, "the process ended with exit code 7", ["last words"])
    ] * 2
    assert events[-1]["type"] == "restarts-given-up"
    assert (await api.show())["error"].startswith("crash loop: the process ended with exit code 7")
