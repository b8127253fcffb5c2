"""The routes of containers: what each answers, in the contract's own shape."""

import re

import trio

from actors.container.state import Phase
from tests.api.front import NO_VOLUME, USER, open_api
from tests.support.fake_engine import engine


def take_id(answer):
    """The operation's id out of an answer, which has one of its own each time."""
    operation_id = answer.pop("operation_id")
    assert re.fullmatch(r"[a-z]+-[0-9a-f]{32}", operation_id)
    return operation_id


async def test_creation_is_accepted_at_once(api):
    api.faults.gates["create_server"] = trio.Event()
    answer = await api.post("/containers", await api.a_body())
    take_id(answer)
    assert answer == {
        "message": "Container creation started",
        "internal_id": "s1",
        "state": "installing",
    }
    assert (await api.show())["install_state"] == "installing"
    api.faults.gates.pop("create_server").set()


async def test_all_that_was_asked_for_is_shown_with_its_defaults(api):
    body = await api.a_body()
    assert (await api.post("/containers", body, wait=20))["status"] == "succeeded"
    shown = await api.show()
    dated = {name: shown.pop(name) for name in ("created_at", "updated_at", "version", "container_id")}
    assert 0 < dated["created_at"] <= dated["updated_at"]
    assert dated["version"] == len(await api.types())
    assert dated["container_id"]
    assert shown == {
        "internal_id": "s1",
        "image": engine.RIG_IMAGE,
        "volume_id": body["volume_id"],
        "startup_command": "stdin-echo",
        "start_pattern": None,
        "ports": [],
        "limits": {"memory": None, "cpu": None, "pids": None},
        "mount": {},
        "install_script": None,
        "environment": {},
        "user": USER,
        "tty": True,
        "read_only": None,
        "stop": {"type": "signal", "value": "SIGTERM", "timeout": 10.0},
        "restart_policy": {"mode": "never", "max": 3, "within": 60.0},
        "pull": "missing",
        "labels": {},
        "display_name": None,
        "entrypoint": "shell",
        "install": None,
        "start_texts": [],
        "file_denylist": [],
        "egg": None,
        "query": {"protocol": "none", "port": None},
        "install_state": "ready",
        "state": "offline",
        "error": None,
        "exit": None,
        "started_at": None,
        "quarantined": False,
    }


async def test_all_that_was_asked_for_is_shown_as_it_was_asked_for(api, tmp_path):
    (tmp_path / "allowed/maps").mkdir(parents=True)
    asked = {
        "start_pattern": "Done .*!",
        "limits": {"memory": 536870912, "cpu": 1.5, "pids": 512},
        "mount": {
            "/custom/path": str(tmp_path / "allowed/maps"),
            "/custom/other": {"source": str(tmp_path / "allowed"), "read_only": True},
        },
        "install_script": "echo installing",
        "environment": {"EULA": "true", "EMPTY": ""},
        "user": "1000:1001",
        "tty": False,
        "read_only": True,
        "stop": {"type": "command", "value": "stop", "timeout": 30},
        "restart_policy": {"mode": "never", "max": 5, "within": 30},
    }
    await api.port(25565)
    await api.port(25565, protocol="udp", ip="0.0.0.0")
    ports = [{"ip": "127.0.0.1", "port": 25565}, {"ip": "0.0.0.0", "port": 25565, "protocol": "udp"}]
    ports[1]["container_port"] = 9
    await api.create(**asked, ports=ports)
    shown = await api.show()
    assert {name: shown[name] for name in asked} == asked
    assert shown["ports"] == [
        {"ip": "127.0.0.1", "port": 25565, "protocol": "tcp", "container_port": 25565},
        {"ip": "0.0.0.0", "port": 25565, "protocol": "udp", "container_port": 9},
    ]


async def test_user_without_a_group_is_given_the_one_of_that_number(api):
    await api.create(user="1000")
    assert (await api.show())["user"] == "1000:1000"


async def test_list_has_a_row_for_each_in_the_order_of_their_creation(api):
    await api.port(25565)
    assert await api.get("/containers") == {"containers": []}
    await api.create("b", ports=[{"ip": "127.0.0.1", "port": 25565}])
    await api.create("a")
    await api.power("start", "a")
    rows = (await api.get("/containers"))["containers"]
    assert [(row["internal_id"], row["state"]) for row in rows] == [("b", "offline"), ("a", "running")]
    assert rows[1]["cpu_usage"] is None or rows[1]["memory_usage"] > 0
    shown = await api.show("b")
    assert rows[0] == {
        "cpu_usage": None,
        "memory_usage": None,
        "volume_id": shown["volume_id"],
        "exit": None,
        "started_at": None,
        "created_at": shown["created_at"],
        "internal_id": "b",
        "container_id": shown["container_id"],
        "install_state": "ready",
        "state": "offline",
        "image": engine.RIG_IMAGE,
        "ports": [{"ip": "127.0.0.1", "port": 25565, "protocol": "tcp", "container_port": 25565}],
        "quarantined": False,
        "labels": {},
        "display_name": None,
    }


async def test_container_is_deleted_with_its_ports_given_back_and_its_volume_kept(api):
    address = await api.port(25565)
    await api.running(ports=[address])
    volume = (await api.show())["volume_id"]
    answer = await api.call("DELETE", "/containers/s1")
    take_id(answer)
    assert answer == {"message": "Container deleted successfully"}
    assert (await api.get("/network/ports/127.0.0.1/25565"))["in_use"] is False
    assert (await api.refused("GET", "/containers/s1"))[:2] == (404, "container_not_found")
    assert (await api.get(f"/volumes/{volume}"))["id"] == volume
    assert list(await api.engine.list()) == []


async def test_deletion_that_takes_longer_than_one_waits_is_pending(api):
    await api.create()
    api.faults.gates["remove"] = trio.Event()
    answer = await api.call("DELETE", "/containers/s1", wait=0)
    take_id(answer)
    assert answer == {"message": "Container deletion started", "status": "pending"}
    assert (await api.call("DELETE", "/containers/s1", wait=0))["status"] == "pending"
    assert (await api.refused("POST", "/containers/s1/start"))[:2] == (409, "deleting")
    assert await api.types() == [
        "created",
        "image-ensured",
        "script-finished",
        "installed",
        "deletion-requested",
    ]
    member = api.system.fleet.get("s1")
    api.faults.gates.pop("remove").set()
    await member.wait_until(lambda view: view.state.phase is Phase.DELETED)
    assert await api.get("/containers") == {"containers": []}


async def test_id_is_free_again_after_the_deletion(api):
    await api.create()
    await api.call("DELETE", "/containers/s1")
    await api.create()
    assert (await api.show())["install_state"] == "ready"


async def test_request_during_the_recording_of_a_deletion_is_told_that_the_container_is_gone(api):
    await api.create()
    api.faults.gates["remove"] = trio.Event()
    await api.call("DELETE", "/containers/s1", wait=0)
    api.journal.gate = trio.Event()
    api.faults.gates.pop("remove").set()
    await api.journal.held.wait()  # the deletion is being recorded
    told = []

    async def start():
        told.append(await api.refused("POST", "/containers/s1/start"))

    mailbox = api.system.fleet.get("s1").handle._mailbox
    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        while not mailbox._queue:
            await trio.sleep(0.001)
        api.journal.gate.set()
    assert told == [(404, "container_not_found", "no such container")]


async def test_history_has_every_event_with_its_operation(api):
    created = await api.create()
    started = await api.power("start")
    told = await api.get("/containers/s1/events")
    events = told["events"]
    assert [event["type"] for event in events] == [
        "created",
        "image-ensured",
        "script-finished",
        "installed",
        "start-requested",
        "started",
        "became-ready",
    ]
    assert all(event.keys() == {"seq", "type", "at", "data", "operation_id"} for event in events)
    assert events[0]["operation_id"] == created["operation_id"]
    assert events[4]["operation_id"] == started["operation_id"]
    assert events[4]["data"] == {"run": 1}
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    assert told["next"] == events[-1]["seq"]


async def test_history_is_read_page_by_page(api):
    await api.create()
    whole = (await api.get("/containers/s1/events"))["events"]
    found, since = [], 0
    while (page := await api.get("/containers/s1/events", since=since, limit=3))["events"]:
        assert len(page["events"]) <= 3
        found += page["events"]
        since = page["next"]
    assert found == whole
    assert page == {"events": [], "next": whole[-1]["seq"]}


async def test_page_that_cannot_be_is_refused(api):
    await api.create()
    for query in ("since=-1", "since=x", "limit=0", "limit=1001", "limit=1.0"):
        status, code, said = await api.refused("GET", f"/containers/s1/events?{query}")
        assert (status, code) == (400, "invalid_request")
        assert said.startswith(f"{query.partition('=')[0]}: must be ")


async def test_container_that_does_not_exist_is_a_404_everywhere(api):
    for method, path in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/start"),
        ("POST", "/stop"),
        ("POST", "/kill"),
        ("POST", "/restart"),
        ("POST", "/revive"),
        ("GET", "/events"),
    ]:
        assert await api.refused(method, f"/containers/none{path}") == (
            404,
            "container_not_found",
            "no such container",
        )
        status, code, said = await api.refused(method, f"/containers/-none{path}")
        assert (status, code) == (400, "invalid_id")
        assert said.startswith("internal_id: must be 1 to 63 ")


async def test_containers_are_found_again_by_the_next_daemon(tmp_path):
    async with open_api(tmp_path) as api:
        await api.port(25565)
        await api.create(ports=[{"ip": "127.0.0.1", "port": 25565}])
        before = await api.show()
    async with open_api(tmp_path) as api:
        again = await api.show()
        changing = ("container_id", "updated_at", "version")  # the new engine has lost it
        assert {**before, **{name: again[name] for name in changing}} == again
        assert (await api.get("/network/ports/127.0.0.1/25565"))["used_by"] == "s1"
        assert (await api.power("start"))["status"] == "succeeded"


async def test_volume_that_does_not_exist_is_a_404(api):
    body = await api.a_body(volume_id=NO_VOLUME)
    assert await api.refused("POST", "/containers", body) == (404, "volume_not_found", "no such volume")
    assert await api.get("/containers") == {"containers": []}
