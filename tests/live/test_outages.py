"""The engine goes away and comes back; the daemon serves on and says nothing false."""

import pytest
import trio

from tests.rig import engine
from tests.support.daemon import USER, Daemon, free_port, open_client
from tests.support.doubles.engine_door import open_engine_door


@pytest.fixture
async def behind_a_door(docker, tmp_path):
    """A daemon, not started yet, whose engine is behind a door that is shut."""
    path = tmp_path / "engine.sock"
    settings = {"docker": {"socket_path": str(path), "allowed_mounts": [], "user": USER}}
    daemon = Daemon(tmp_path, settings=settings)
    async with open_engine_door(path, docker) as door:
        try:
            yield daemon, door
        finally:
            daemon.end()
            engine.remove_labelled(daemon.node)


async def start(daemon):
    async with open_client() as client:
        return await client.post(f"{daemon.url}/containers/s1/start", params={"wait": 30})


async def wait_refused(daemon):
    """Wait until the daemon has noticed that its engine is gone."""
    with trio.fail_after(60):
        while (answer := await start(daemon)).status_code != 503:
            await trio.sleep(0.1)
    assert answer.json()["code"] == "engine_unavailable"
    assert answer.headers["Retry-After"]


async def test_daemon_without_an_engine_serves_and_answers_503_where_it_needs_one(behind_a_door):
    daemon, door = behind_a_door
    await daemon.start()
    assert (await daemon.get("/containers"))["containers"] == []
    volume = await daemon.volume()
    address = {"ip": "127.0.0.1", "port": free_port()}
    await daemon.post("/network/ports", address)
    body = {
        "internal_id": "s1",
        "image": engine.IMAGE,
        "volume_id": volume,
        "startup_command": "stdin-echo",
        "ports": [address],
    }
    refused = await daemon.post("/containers", body, status=503)
    assert refused["code"] == "engine_unavailable"
    assert (await daemon.get(f"/network/ports/127.0.0.1/{address['port']}"))["in_use"] is False
    await door.open()
    await daemon.engine_up()
    assert (await daemon.post("/containers", body, wait=60))["status"] == "succeeded"


async def test_engine_that_goes_and_comes_back_causes_no_false_exit_and_the_console_goes_on(behind_a_door):
    daemon, door = behind_a_door
    await door.open()
    await daemon.start()
    await daemon.engine_up()
    await daemon.create(command="line-printer 0 0.05", start_pattern="line 1")
    await daemon.power("start")
    async with daemon.console(query="&since_line=0") as console:
        await console.until("console")
        await door.shut()
        await wait_refused(daemon)
        assert (await daemon.show())["state"] == "running"
        await door.open()
        await daemon.engine_up()
        count = len(console.text.splitlines())
        while len(console.text.splitlines()) < count + 60:
            await console.next()
        assert "exit" not in console.states
        numbers = [int(line.split()[1]) for line in console.text.splitlines()]
        assert sorted(set(numbers)) == list(range(1, numbers[-1] + 1))
        await daemon.power("kill")
        await console.until("event", "exit")


async def test_exit_during_the_outage_is_found_with_its_code(behind_a_door):
    daemon, door = behind_a_door
    await door.open()
    await daemon.start()
    await daemon.engine_up()
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    await door.shut()
    await wait_refused(daemon)
    engine.call("POST", "/containers/lightd-s1/kill", signal="KILL")
    await door.open()
    with trio.fail_after(60):
        while (shown := await daemon.show())["state"] != "offline":
            await trio.sleep(0.1)
    assert shown["exit"]["code"] == 137


async def test_stop_that_met_the_outage_is_done_when_it_is_over(behind_a_door):
    daemon, door = behind_a_door
    await door.open()
    await daemon.start()
    await daemon.engine_up()
    await daemon.create(command="ignore-sigterm", start_pattern="Ready", stop={"timeout": 1})
    await daemon.power("start")
    await daemon.power("stop", wait=0)
    await door.shut()
    await trio.sleep(2)
    assert (await daemon.show())["state"] == "stopping"
    await door.open()
    with trio.fail_after(60):
        while (shown := await daemon.show())["state"] != "offline":
            await trio.sleep(0.1)
    assert shown["exit"]["code"] == 137


async def test_engine_that_hangs_keeps_nobody_waiting_who_does_not_need_it(behind_a_door):
    daemon, door = behind_a_door
    await door.open()
    await daemon.start()
    await daemon.engine_up()
    await daemon.create("s1")
    await daemon.create("s2")
    door.hang()
    assert (await daemon.power("start", "s1", wait=0))["status"] == "pending"
    with trio.fail_after(10):
        assert (await daemon.show("s1"))["state"] == "starting"
        assert (await daemon.show("s2"))["state"] == "offline"
        await daemon.volume()
        assert (await daemon.power("start", "s2", wait=0))["status"] == "pending"
