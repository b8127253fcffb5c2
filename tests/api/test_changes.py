"""Reinstalling, rebinding and editing over HTTP, and the operations that tell how it went."""

import attrs
import pytest
import trio

from lightd.engines.fake import engine
from lightd.http.panel_import import to_adopt
from lightd.http.routes import changes
from tests.api.front import open_edge

STOP = {"type": "command", "value": "stop", "timeout": 5}


async def operation(edge, answer):
    return await edge.get(f"/operations/{answer['operation_id']}")


async def change(edge, what, body, **params):
    return await edge.post(f"/containers/s1/{what}", body, **{"wait": 20, **params})


async def holders(edge):
    ports = (await edge.get("/network/ports"))["ports"]
    return {port["port"]: port["used_by"] for port in ports}


async def test_a_reinstallation_is_accepted_done_and_told(edge):
    edge.engine.registry.add("newer:1")
    await edge.running()
    answer = await edge.post("/containers/s1/reinstall", {"image": "newer:1", "install_script": "echo hi"})
    assert answer.pop("operation_id").startswith("reinstall-")
    assert answer == {"message": "Container reinstall started", "internal_id": "s1"}
    await edge.system.fleet.get("s1").wait_until(lambda view: view.state.change is None)
    shown = await edge.show()
    assert (shown["image"], shown["install_script"], shown["install_state"], shown["state"]) == (
        "newer:1",
        "echo hi",
        "ready",
        "offline",
    )


async def test_a_reinstallation_needs_no_body(edge):
    await edge.create()
    answer = await edge.post("/containers/s1/reinstall", wait=20)
    assert answer["status"] == "succeeded"
    told = await operation(edge, answer)
    assert told["started_at"] <= told["finished_at"]
    assert {key: told[key] for key in ("kind", "internal_id", "status", "error")} == {
        "kind": "reinstall",
        "internal_id": "s1",
        "status": "succeeded",
        "error": None,
    }


async def test_a_missing_image_fails_a_reinstallation_and_the_server_runs_on(edge):
    await edge.running()
    answer = await change(edge, "reinstall", {"image": "no-such:image"})
    assert (answer["status"], answer["error"]) == ("failed", "There is no image no-such:image")
    shown = await edge.show()
    assert (shown["state"], shown["image"]) == ("running", engine.RIG_IMAGE)


async def test_other_ports_are_leased_and_the_old_ones_given_back(edge):
    old, new = await edge.port(25565), await edge.port(25566)
    await edge.running(ports=[old])
    answer = await change(edge, "rebind-network", {"ports": [{**new, "container_port": 25565}]})
    assert answer["message"] == "Network rebinding started"
    assert answer["status"] == "succeeded"
    assert await holders(edge) == {25565: None, 25566: "s1"}
    shown = await edge.show()
    assert shown["ports"] == [{**new, "container_port": 25565}]
    assert shown["state"] == "running"


async def test_a_port_that_is_taken_on_the_host_fails_the_rebinding_and_nothing_changes(edge):
    old, new = await edge.port(25565), await edge.port(25566)
    await edge.running(ports=[old])
    edge.engine.bound.add((25566, "tcp"))
    answer = await change(edge, "rebind-network", {"ports": [new]})
    assert (answer["status"], answer["error"]) == ("failed", "Port 25566/tcp is in use on the host")
    assert await holders(edge) == {25565: "s1", 25566: None}
    assert (await edge.show())["state"] == "running"


async def test_ports_of_somebody_else_or_outside_of_the_pool_are_refused_and_nothing_is_leased(edge):
    old, new, third = await edge.port(25565), await edge.port(25566), await edge.port(25567)
    await edge.create(ports=[old])
    await edge.create("s2", ports=[new])
    refused = await edge.refused("POST", "/containers/s1/rebind-network", {"ports": [third, new]})
    assert refused[:2] == (409, "port_in_use")
    strange = {"ip": "127.0.0.1", "port": 9}
    refused = await edge.refused("POST", "/containers/s1/rebind-network", {"ports": [third, strange]})
    assert refused[:2] == (404, "port_not_found")
    assert await holders(edge) == {25565: "s1", 25566: "s2", 25567: None}


async def test_a_container_has_at_most_64_ports_however_it_comes_by_them(edge):
    ports = [{"ip": "127.0.0.1", "port": number} for number in range(20_000, 20_065)]
    await edge.post("/network/ports/bulk", {"ports": ports})
    body = await edge.a_body(ports=ports)
    refusal = (400, "invalid_request", "ports: must be at most 64 ports")
    assert await edge.refused("POST", "/containers", body) == refusal
    conflict = await to_adopt(edge.system)(body)
    assert conflict.reason == refusal[2]
    await edge.create(ports=ports[:64])
    assert await edge.refused("POST", "/containers/s1/rebind-network", {"ports": ports}) == refusal
    assert set((await holders(edge)).values()) == {"s1", None}


async def test_a_container_that_has_more_ports_from_before_keeps_them(tmp_path, monkeypatch):
    ports = [{"ip": "127.0.0.1", "port": number} for number in range(20_000, 20_065)]
    with monkeypatch.context() as earlier:
        earlier.setattr("lightd.api.specs.MOST_PORTS", 400)
        async with open_edge(tmp_path) as edge:
            await edge.post("/network/ports/bulk", {"ports": ports})
            await edge.create(ports=ports)
    async with open_edge(tmp_path) as edge:
        assert list((await holders(edge)).values()) == ["s1"] * 65
        assert len((await edge.show())["ports"]) == 65


async def test_a_container_can_do_without_ports_and_keep_some(edge):
    first, second = await edge.port(25565), await edge.port(25566)
    await edge.create(ports=[first, second])
    assert (await change(edge, "rebind-network", {"ports": [second]}))["status"] == "succeeded"
    assert await holders(edge) == {25565: None, 25566: "s1"}
    assert (await change(edge, "rebind-network", {"ports": []}))["status"] == "succeeded"
    assert await holders(edge) == {25565: None, 25566: None}


async def test_the_same_ports_again_are_true_already(edge):
    port = await edge.port(25565)
    await edge.create(ports=[port])
    before = await edge.types()
    answer = await change(edge, "rebind-network", {"ports": [port]})
    assert answer["status"] == "succeeded"
    assert (await operation(edge, answer))["status"] == "succeeded"
    assert await edge.types() == before
    assert await holders(edge) == {25565: "s1"}


async def test_one_change_at_a_time(edge):
    await edge.create()
    edge.faults.gates["create_candidate"] = trio.Event()
    await edge.post("/containers/s1/reinstall")
    for what, body in (("reinstall", None), ("rebind-network", {"ports": []})):
        refused = await edge.refused("POST", f"/containers/s1/{what}", body)
        assert refused == (409, "changing", "container s1 is being reinstalled")
    refused = await edge.refused("PATCH", "/containers/s1", {"environment": {}})
    assert refused[:2] == (409, "changing")
    assert (await edge.refused("POST", "/containers/s1/start"))[:2] == (409, "changing")
    edge.faults.gates.pop("create_candidate").set()


async def test_a_port_that_a_refused_change_leased_is_given_back(edge):
    old, new = await edge.port(25565), await edge.port(25566)
    await edge.create(ports=[old])
    edge.faults.gates["create_candidate"] = trio.Event()
    await edge.post("/containers/s1/reinstall")
    assert (await edge.refused("POST", "/containers/s1/rebind-network", {"ports": [new]}))[1] == "changing"
    edge.faults.gates.pop("create_candidate").set()
    await edge.system.ports.wait_followed()
    with trio.fail_after(20):
        while await holders(edge) != {25565: "s1", 25566: None}:
            await trio.sleep(0.01)


async def test_a_failed_installation_is_repeated_with_its_ports(edge):
    port = await edge.port(25565)
    body = await edge.a_body(image="no-such:image", ports=[port])
    assert (await edge.post("/containers", body, wait=20))["status"] == "failed"
    assert await holders(edge) == {25565: None}
    assert (await change(edge, "reinstall", {"image": engine.RIG_IMAGE}))["status"] == "succeeded"
    assert await holders(edge) == {25565: "s1"}
    assert (await edge.power("start"))["status"] == "succeeded"


async def test_a_stop_cancels_a_pull_and_the_operation_says_by_what(edge):
    edge.engine.registry.add("slow:1")
    edge.engine.pull_seconds = 1000.0
    await edge.running()
    pulling = await edge.post("/containers/s1/reinstall", {"image": "slow:1"})
    assert (await operation(edge, pulling))["status"] == "pending"
    stopped = await edge.power("stop")
    assert stopped["status"] == "succeeded"
    told = await operation(edge, pulling)
    assert told["status"] == "cancelled"
    assert told["error"] == f"cancelled on request ({stopped['operation_id']})"


async def test_a_stop_cancels_a_start(edge):
    await edge.create(start_pattern="never")
    started = await edge.power("start", wait=0)
    assert (await operation(edge, started))["finished_at"] is None
    stopped = await edge.power("stop")
    told = await operation(edge, started)
    assert (told["kind"], told["status"]) == ("start", "cancelled")
    assert stopped["operation_id"] in told["error"]


async def test_operations_survive_a_restart(tmp_path):
    async with open_edge(tmp_path) as edge:
        created = await edge.create()
        failed = await edge.post("/containers/s1/reinstall", {"image": "no-such:image"}, wait=20)
        deleted = await edge.call("DELETE", "/containers/s1")
    async with open_edge(tmp_path) as edge:
        told = [await operation(edge, each) for each in (created, failed, deleted)]
        assert [(each["kind"], each["status"]) for each in told] == [
            ("install", "succeeded"),
            ("reinstall", "failed"),
            ("delete", "succeeded"),
        ]
        assert told[1]["error"] == "There is no image no-such:image"


async def test_what_is_true_already_is_an_operation_that_succeeded(edge):
    await edge.running()
    answer = await edge.power("start")
    assert (await operation(edge, answer))["status"] == "succeeded"


async def test_what_is_on_its_way_is_an_operation_that_ends_with_it(edge):
    await edge.create(start_pattern="never")
    await edge.power("start", wait=0)
    again = await edge.power("start", wait=0)
    assert (again["status"], (await operation(edge, again))["status"]) == ("pending", "pending")
    await edge.power("kill")
    with trio.fail_after(20):
        while (told := await operation(edge, again))["status"] == "pending":
            await trio.sleep(0.01)
    assert told["status"] == "failed"


async def test_only_the_newest_of_such_operations_are_remembered(edge, monkeypatch):
    monkeypatch.setattr("lightd.api.operations.REMEMBERED", 2)
    await edge.create()
    answers = [await edge.power("stop") for _ in range(3)]
    assert (await edge.refused("GET", f"/operations/{answers[0]['operation_id']}"))[:2] == (
        404,
        "operation_not_found",
    )
    assert (await operation(edge, answers[2]))["status"] == "succeeded"


@pytest.mark.parametrize("operation_id", ["nonsense", "start-" + "0" * 32, "start-xyz", "%00"])
async def test_an_operation_that_never_was_is_not_found(edge, operation_id):
    assert (await edge.refused("GET", f"/operations/{operation_id}"))[:2] == (404, "operation_not_found")


async def test_an_operation_on_ports_is_not_one_of_a_container(edge):
    await edge.port(25565)
    record = (await edge.system.bus.history("portpool"))[0]
    assert (await edge.refused("GET", f"/operations/{record.cause}"))[0] == 404


# Edits


async def test_an_edit_says_what_holds_and_what_waits(edge):
    await edge.running()
    body = {
        "startup_command": "echo other",
        "start_pattern": "other",
        "environment": {"A": "1"},
        "stop": STOP,
        "restart_policy": {"mode": "on-crash", "max": 1, "within": 5},
        "limits": {"memory": 2**30, "cpu": 1.5, "pids": 9},
    }
    answer = await edge.call("PATCH", "/containers/s1", body)
    assert answer == {
        "message": "Container updated",
        "applied": ["stop", "restart_policy", "limits"],
        "at_next_start": ["startup_command", "start_pattern", "environment"],
    }
    shown = await edge.show()
    assert {key: shown[key] for key in body} == body
    assert shown["state"] == "running"


async def test_a_root_file_system_is_writable_only_where_the_configuration_allows_it(edge, tmp_path):
    await edge.running()
    status, code, said = await edge.refused("PATCH", "/containers/s1", {"read_only": False})
    assert (status, code) == (403, "writable_root_not_allowed")
    assert "docker.allow_writable_root" in said
    assert (await edge.show())["read_only"] is None
    answer = await edge.call("PATCH", "/containers/s1", {"read_only": True})
    assert answer["at_next_start"] == ["read_only"]
    edge.system.config = attrs.evolve(
        edge.system.config, docker=attrs.evolve(edge.system.config.docker, allow_writable_root=True)
    )
    await edge.call("PATCH", "/containers/s1", {"read_only": False})
    assert (await edge.show())["read_only"] is False


async def test_a_null_takes_the_pattern_away(edge):
    await edge.running()
    assert (await edge.call("PATCH", "/containers/s1", {"start_pattern": None}))["at_next_start"] == [
        "start_pattern"
    ]
    assert (await edge.show())["start_pattern"] is None


async def test_a_limit_that_is_taken_away_waits_for_the_next_start(edge):
    await edge.create(limits={"memory": 2**30})
    answer = await edge.call("PATCH", "/containers/s1", {"limits": {"pids": 5}})
    assert (answer["applied"], answer["at_next_start"]) == ([], ["limits"])


async def test_limits_that_the_engine_refuses_change_nothing_at_all(edge):
    await edge.running(limits={"memory": 2**30})
    body = {"limits": {"memory": 7 * 2**20}, "environment": {"A": "1"}}
    refused = await edge.refused("PATCH", "/containers/s1", body)
    assert refused == (409, "limits_refused", "limits: The container uses more memory than that")
    shown = await edge.show()
    assert (shown["limits"]["memory"], shown["environment"]) == (2**30, {})


async def test_limits_that_hang_are_told_as_such(edge, monkeypatch):
    monkeypatch.setattr(changes, "APPLYING", 0.05)
    await edge.running()
    edge.faults.gates["update"] = trio.Event()
    refused = await edge.refused("PATCH", "/containers/s1", {"limits": {"pids": 5}, "stop": STOP})
    assert refused[:2] == (503, "engine_unavailable")
    assert "applied once it does" in refused[2]
    assert (await edge.show())["stop"]["type"] == "signal"
    edge.faults.gates.pop("update").set()


async def test_limits_need_an_engine_and_the_rest_does_not(edge):
    await edge.create()
    edge.engine.go_down()
    await edge.wait_engine(up=False)
    assert (await edge.refused("PATCH", "/containers/s1", {"limits": {"pids": 5}}))[0] == 503
    assert (await edge.call("PATCH", "/containers/s1", {"stop": STOP}))["applied"] == ["stop"]
    for what, body in (("reinstall", None), ("rebind-network", {"ports": []})):
        assert (await edge.refused("POST", f"/containers/s1/{what}", body))[0] == 503


async def test_an_edit_of_nothing_changes_nothing(edge):
    await edge.create()
    before = await edge.types()
    assert await edge.call("PATCH", "/containers/s1", {}) == {
        "message": "Container updated",
        "applied": [],
        "at_next_start": [],
    }
    await edge.call("PATCH", "/containers/s1", {"environment": {}, "limits": {}})
    assert await edge.types() == before


@pytest.mark.parametrize(
    ("what", "body", "named"),
    [
        ("PATCH", {"image": "x"}, "unknown field image"),
        ("PATCH", {"limits": None}, "limits: must not be null"),
        ("PATCH", {"startup_command": " "}, "startup_command: must not be empty"),
        ("PATCH", {"start_pattern": "("}, "start_pattern: is not a valid regular expression"),
        ("PATCH", {"limits": {"memory": 5}}, "limits.memory"),
        ("PATCH", {"stop": {"type": "signal", "value": "SIGNONE"}}, "stop.value"),
        ("PATCH", {"restart_policy": {"mode": "often"}}, "restart_policy.mode"),
        ("PATCH", [], "the body must be a JSON object"),
        ("reinstall", {"image": "a b"}, "image: must be the name of an image"),
        ("reinstall", {"image": None}, "image: must not be null"),
        ("reinstall", {"ports": []}, "unknown field ports"),
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
async def test_what_is_wrong_is_named_and_changes_nothing(edge, what, body, named):
    await edge.create()
    before = await edge.types()
    method = "PATCH" if what == "PATCH" else "POST"
    path = "/containers/s1" if what == "PATCH" else f"/containers/s1/{what}"
    status, _, said = await edge.refused(method, path, body)
    assert status == 400
    assert named in said
    assert await edge.types() == before


async def test_what_is_not_there_is_not_changed(edge):
    assert (await edge.refused("PATCH", "/containers/none", {}))[:2] == (404, "container_not_found")
    assert (await edge.refused("POST", "/containers/none/reinstall"))[:2] == (404, "container_not_found")
    refused = await edge.refused("POST", "/containers/none/rebind-network", {"ports": []})
    assert refused[:2] == (404, "container_not_found")


async def test_a_crash_is_told_in_the_history(edge):
    await edge.create(command="echo last words; exit 7", restart_policy={"mode": "on-crash", "max": 1})
    await edge.post("/containers/s1/start")
    member = edge.system.fleet.get("s1")
    await member.wait_until(lambda view: view.state.error is not None)
    events = (await edge.get("/containers/s1/events"))["events"]
    exits = [event["data"] for event in events if event["type"] == "exited"]
    assert [(each["code"], each["reason"], each["tail"]) for each in exits] == [
        (7, "the process ended with exit code 7", ["last words"])
    ] * 2
    assert events[-1]["type"] == "restarts-given-up"
    assert (await edge.show())["error"].startswith("crash loop: the process ended with exit code 7")
