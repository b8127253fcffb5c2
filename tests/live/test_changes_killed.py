"""The daemon is killed at any moment of a change: one whole server is there afterwards, old or new."""

import random

import trio

from tests.support.changing import alone, ended, holders, lease
from tests.support.daemon import free_port, inspect

ID = "halfway"
STOP = {"type": "command", "value": "stop", "timeout": 20}
KILLS = 5
SCRIPT = "echo begun; sleep 0.3; echo done"


async def kill_and_start(daemon, seconds):
    await trio.sleep(seconds)
    daemon.kill()
    await daemon.start()
    await daemon.engine_up()


async def check_whole(daemon, port):
    """Check that there is one container, made as the daemon says, which holds its port and starts."""
    await alone(daemon, ID)
    assert await holders(daemon) == {port: ID}
    shown, made = await daemon.show(ID), inspect(ID)
    assert made["Id"] == shown["container_id"]
    assert [entry["port"] for entry in shown["ports"]] == [port]
    bound = [
        binding["HostPort"] for found in made["HostConfig"]["PortBindings"].values() for binding in found
    ]
    assert bound == [str(port)]
    assert (await daemon.power("start", ID))["status"] == "succeeded"
    assert inspect(ID)["Id"] == shown["container_id"]


async def test_rebinding_is_done_whenever_the_daemon_is_killed(daemon):
    chance = random.Random(1)
    ports = [free_port(), free_port()]
    await lease(daemon, *ports)
    has = [{"ip": "127.0.0.1", "port": ports[0]}]
    await daemon.create(ID, start_pattern="Ready", stop=STOP, ports=has)
    await daemon.power("start", ID)
    for _ in range(KILLS):
        ports.reverse()
        body = {"ports": [{"ip": "127.0.0.1", "port": ports[0]}]}
        begun = await daemon.post(f"/containers/{ID}/rebind-network", body)
        await kill_and_start(daemon, chance.uniform(0.0, 0.7))
        operation = await ended(daemon, begun["operation_id"])
        assert operation["status"] == "succeeded", operation
        await check_whole(daemon, ports[0])


async def test_reinstallation_ends_as_its_script_does_whenever_the_daemon_is_killed(daemon):
    chance = random.Random(2)
    port = free_port()
    await lease(daemon, port)
    has = [{"ip": "127.0.0.1", "port": port}]
    await daemon.create(ID, start_pattern="Ready", stop=STOP, ports=has)
    await daemon.power("start", ID)
    for number in range(KILLS):
        fails = number % 2
        before = (await daemon.show(ID))["container_id"]
        body = {"install_script": f"{SCRIPT}; exit {fails}"}
        begun = await daemon.post(f"/containers/{ID}/reinstall", body)
        await kill_and_start(daemon, chance.uniform(0.0, 1.2))
        operation = await ended(daemon, begun["operation_id"])
        assert operation["status"] == ("failed" if fails else "succeeded"), operation
        assert ((await daemon.show(ID))["container_id"] == before) is bool(fails)
        await check_whole(daemon, port)


async def test_operations_are_told_by_a_daemon_that_was_not_there(daemon):
    await daemon.create(ID, start_pattern="Ready", stop=STOP)
    asked = [await daemon.power("start", ID)]
    failed = await daemon.post(
        f"/containers/{ID}/reinstall", {"image": "lightd-no-such-image:1"}, 409, wait=60
    )
    asked += [failed, await daemon.power("stop", ID), await daemon.power("start", ID)]
    asked.append(await daemon.post(f"/containers/{ID}/reinstall", {"install_script": "sleep 1000"}))
    while (await daemon.show(ID))["install_state"] != "installing":
        await trio.sleep(0.02)
    asked.append(await daemon.power("kill", ID))
    before = [await daemon.get(f"/operations/{answer['operation_id']}") for answer in asked]
    assert daemon.stop() == 0
    await daemon.start()
    after = [await daemon.get(f"/operations/{answer['operation_id']}") for answer in asked]
    assert after == before
    told = [(operation["kind"], operation["status"]) for operation in after]
    assert told == [
        ("start", "succeeded"),
        ("reinstall", "failed"),
        ("stop", "succeeded"),
        ("start", "succeeded"),
        ("reinstall", "cancelled"),
        ("kill", "succeeded"),
    ]
    assert "lightd-no-such-image" in after[1]["error"]
    assert after[4]["error"] == f"cancelled on request ({asked[5]['operation_id']})"
    assert all(operation["finished_at"] >= operation["started_at"] for operation in after)
