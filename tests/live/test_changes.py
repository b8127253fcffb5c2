"""Reinstalling, rebinding and editing a server, on a real engine, through the real command and HTTP."""

import operator
import socket

import httpx

from tests.rig import engine
from tests.support.changing import alone, ended, holders, lease
from tests.support.daemon import NO_AUTHORITIES, free_port, inspect

ID = "changing"
MIB = 1024 * 1024
STOP = {"type": "command", "value": "stop", "timeout": 20}


async def answer(port):
    """What an HTTP server on the host's port says, None where there is none."""
    try:
        async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES, timeout=60) as client:
            return (await client.get(f"http://127.0.0.1:{port}/")).text.strip()
    except httpx.TransportError:
        return None


async def events(daemon, kind):
    found = (await daemon.get(f"/containers/{ID}/events", limit=1000))["events"]
    return [event["data"] for event in found if event["type"] == kind]


# Reinstalling


async def test_running_server_is_installed_anew_keeps_its_files_and_rests(daemon):
    volume = await daemon.volume()
    await daemon.create(ID, volume_id=volume, start_pattern="Ready", stop=STOP)
    await daemon.post(f"/volumes/{volume}/files", {"path": "world.dat", "content": "precious"})
    await daemon.power("start", ID)
    before = inspect(ID)["Id"]
    async with daemon.console(ID) as console:
        answered = await daemon.post(
            f"/containers/{ID}/reinstall",
            {"install_script": "echo fetching the new release; cat world.dat; touch installed"},
            wait=60,
        )
        await console.until("event", "ready")
        assert console.states == ["running", "stopping", "exit", "installing", "ready"]
        assert "fetching the new release" in console.text
        assert "precious" in console.text
    assert answered["status"] == "succeeded", answered
    shown = await daemon.show(ID)
    assert (shown["state"], shown["install_state"], shown["exit"]) == ("offline", "ready", None)
    assert shown["container_id"] != before
    assert await alone(daemon) == "created"
    files = (await daemon.get(f"/volumes/{volume}/files"))["files"]
    assert [entry["name"] for entry in files] == ["installed", "world.dat"]
    assert (await daemon.power("start", ID))["status"] == "succeeded"


async def test_missing_image_leaves_the_server_running(daemon):
    await daemon.create(ID, start_pattern="Ready")
    await daemon.power("start", ID)
    before = inspect(ID)["State"]
    answered = await daemon.post(
        f"/containers/{ID}/reinstall", {"image": "lightd-no-such-image:1"}, 409, wait=60
    )
    assert answered["status"] == "failed"
    assert "lightd-no-such-image" in answered["error"]
    shown = await daemon.show(ID)
    assert (shown["state"], shown["image"]) == ("running", engine.IMAGE)
    assert "lightd-no-such-image" in shown["error"]
    assert inspect(ID)["State"]["StartedAt"] == before["StartedAt"]
    assert await events(daemon, "exited") == []


async def test_failing_script_leaves_the_old_container_to_be_started(daemon):
    await daemon.create(ID, start_pattern="Ready", stop=STOP)
    await daemon.power("start", ID)
    before = inspect(ID)["Id"]
    answered = await daemon.post(
        f"/containers/{ID}/reinstall", {"install_script": "echo broken; exit 3"}, 409, wait=60
    )
    assert answered["status"] == "failed"
    assert answered["error"] == "the install script ended with exit code 3"
    assert (await daemon.show(ID))["install_state"] == "ready"
    assert (await daemon.power("start", ID))["status"] == "succeeded"
    assert inspect(ID)["Id"] == before
    assert await alone(daemon) == "running"


async def test_stop_calls_a_hanging_script_off_and_the_operation_says_by_what(daemon):
    await daemon.create(ID, start_pattern="Ready", stop=STOP)
    await daemon.power("start", ID)
    async with daemon.console(ID) as console:
        begun = await daemon.post(f"/containers/{ID}/reinstall", {"install_script": "echo begun; sleep 1000"})
        await console.until("console", "begun")
        stopped = await daemon.power("stop", ID)
        assert (await daemon.power("start", ID))["status"] == "succeeded"
    cancelled = await ended(daemon, begun["operation_id"])
    assert (cancelled["kind"], cancelled["status"]) == ("reinstall", "cancelled")
    assert cancelled["error"] == f"cancelled on request ({stopped['operation_id']})"
    assert await alone(daemon) == "running"


# Other ports


async def test_running_server_gets_another_port_and_keeps_everything_else(daemon):
    volume = await daemon.volume()
    old, new = free_port(), free_port()
    await lease(daemon, old, new)
    await daemon.create(
        ID,
        volume_id=volume,
        command="http-server 8080",
        start_pattern="Ready",
        ports=[{"ip": "127.0.0.1", "port": old, "container_port": 8080}],
        environment={"EULA": "true"},
        limits={"memory": 64 * MIB, "pids": 64},
    )
    await daemon.power("start", ID)
    assert await answer(old) == "hello from 8080"
    before, was = await daemon.show(ID), inspect(ID)
    async with daemon.console(ID) as console:
        answered = await daemon.post(
            f"/containers/{ID}/rebind-network",
            {"ports": [{"ip": "127.0.0.1", "port": new, "container_port": 8080}]},
            wait=60,
        )
        await console.until("event", "running")
        await console.until("event", "running")
        assert console.states == ["running", "stopping", "exit", "ready", "starting", "running"]
    assert answered["status"] == "succeeded", answered
    assert await answer(new) == "hello from 8080"
    assert await answer(old) is None
    assert await holders(daemon) == {new: ID}
    assert await alone(daemon) == "running"
    after, now = await daemon.show(ID), inspect(ID)
    changing = {"container_id", "ports", "started_at", "updated_at", "version", "exit"}
    assert {key for key in after if after[key] != before[key]} <= changing
    assert now["Config"]["Env"] == was["Config"]["Env"]
    by_place = operator.itemgetter("Destination")  # Docker tells them in no order
    assert sorted(now["Mounts"], key=by_place) == sorted(was["Mounts"], key=by_place)
    assert now["HostConfig"]["Memory"] == was["HostConfig"]["Memory"] == 64 * MIB


async def test_port_may_come_to_lead_elsewhere_while_it_is_served(daemon):
    port = free_port()
    await lease(daemon, port)
    await daemon.create(
        ID,
        command="http-server 8081",
        start_pattern="Ready",
        ports=[{"ip": "127.0.0.1", "port": port, "container_port": 8080}],
    )
    await daemon.power("start", ID)
    binding = {"ip": "127.0.0.1", "port": port, "container_port": 8081}
    answered = await daemon.post(f"/containers/{ID}/rebind-network", {"ports": [binding]}, wait=60)
    assert answered["status"] == "succeeded", answered
    assert await answer(port) == "hello from 8081"


async def test_taken_port_leaves_the_server_serving_on_the_old_one(daemon):
    old = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        new = taken.getsockname()[1]
        await lease(daemon, old, new)
        await daemon.create(
            ID,
            command="http-server 8080",
            start_pattern="Ready",
            ports=[{"ip": "127.0.0.1", "port": old, "container_port": 8080}],
        )
        await daemon.power("start", ID)
        before = inspect(ID)["State"]["StartedAt"]
        answered = await daemon.post(
            f"/containers/{ID}/rebind-network", {"ports": [{"ip": "127.0.0.1", "port": new}]}, 409, wait=60
        )
    assert answered["status"] == "failed"
    assert answered["error"] == f"Port {new}/tcp is in use on the host"
    assert await answer(old) == "hello from 8080"
    assert inspect(ID)["State"]["StartedAt"] == before
    assert await holders(daemon) == {old: ID}
    assert await alone(daemon) == "running"
