"""The main job, on a real engine, through the real command, HTTP and WebSocket."""

import socket

import trio

from tests.rig import engine
from tests.support.daemon import USER, free_port, inspect


async def test_server_lives_its_whole_life(daemon):
    volume = await daemon.volume()
    await daemon.post(f"/volumes/{volume}/files", {"path": "conf/motd.txt", "content": "Welcome\n"})
    port = free_port()
    await daemon.post("/network/ports", {"ip": "127.0.0.1", "port": port, "protocol": "tcp"})
    await daemon.create(
        volume_id=volume,
        command="cat conf/motd.txt; stdin-echo",
        start_pattern="Ready",
        install_script="#!/bin/sh\necho installing in $(pwd); touch installed\n",
        ports=[{"ip": "127.0.0.1", "port": port}],
        limits={"memory": 64 * 1024 * 1024, "cpu": 0.5, "pids": 64},
        stop={"type": "command", "value": "stop", "timeout": 20},
    )
    async with daemon.console() as console:
        assert (await console.next())["data"] == "ready"
        await daemon.power("start", wait=0)
        await console.until("event", "running")
        assert "Welcome" in console.text
        await console.send("send_command", command="hello")
        await console.until("console", "got: hello")
        await console.until("stats")
        await daemon.power("stop", wait=0)
        ended = await console.until("event", "exit")
        assert (ended["code"], ended["oom_killed"], ended["crashed"]) == (0, False, False)
        assert console.states == ["ready", "starting", "running", "stopping", "exit"]
        assert "Stopping" in console.text
    shown = await daemon.show()
    assert shown["state"] == "offline"
    assert shown["exit"]["code"] == 0
    await daemon.call("DELETE", "/containers/s1")
    assert daemon.in_docker() == {}
    assert (await daemon.get("/network/ports"))["ports"][0]["in_use"] is False
    files = (await daemon.get(f"/volumes/{volume}/files"))["files"]
    assert [entry["name"] for entry in files] == ["conf", "installed"]


async def test_container_is_made_as_the_contract_says(daemon):
    await daemon.create(
        limits={"memory": 64 * 1024 * 1024, "cpu": 0.5, "pids": 64}, environment={"EULA": "true"}
    )
    made = inspect("s1")
    config, host = made["Config"], made["HostConfig"]
    assert config["Entrypoint"] == ["/bin/sh", "/app/data/entrypoint.sh"]
    assert config["WorkingDir"] == "/home/container"
    assert config["Tty"] is True
    assert config["OpenStdin"] is True
    assert config["User"] == USER
    assert "EULA=true" in config["Env"]
    assert config["Labels"]["lightd.managed"] == "true"
    assert config["Labels"]["lightd.internal_id"] == "s1"
    assert config["Labels"]["lightd.node"] == daemon.node
    assert host["Init"] is True
    assert host["Memory"] == 64 * 1024 * 1024
    assert host["NanoCpus"] == 500_000_000
    assert host["PidsLimit"] == 64
    assert "no-new-privileges" in host["SecurityOpt"]
    assert host["LogConfig"]["Type"] == "local"
    mounts = {mount["Destination"]: mount["RW"] for mount in made["Mounts"]}
    assert mounts == {"/home/container": True, "/app/data": False, "/etc/machine-id": False}


async def test_server_that_ignores_its_signal_is_killed_after_the_grace(daemon):
    await daemon.create(command="ignore-sigterm", start_pattern="Ready", stop={"timeout": 1})
    await daemon.power("start")
    await daemon.power("stop")
    shown = await daemon.show()
    assert shown["exit"]["code"] == 137
    assert shown["state"] == "offline"


async def test_kill_is_not_kept_waiting_by_a_slow_stop(daemon):
    await daemon.create(command="ignore-sigterm", start_pattern="Ready", stop={"timeout": 3000})
    await daemon.power("start")
    await daemon.power("stop", wait=0)
    assert (await daemon.power("kill"))["status"] == "succeeded"
    assert (await daemon.show())["exit"]["code"] == 137


async def test_restart_is_a_stop_and_a_start(daemon):
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    before = (await daemon.show())["started_at"]
    async with daemon.console() as console:
        await daemon.power("restart")
        await console.until("daemon_message", "Container restarted")
        await console.until("event", "running")
        assert console.states[1:] == ["stopping", "exit", "starting", "running"]
    assert (await daemon.show())["started_at"] > before


async def test_exit_that_nobody_asked_for_is_a_crash_with_its_last_lines_before_it(daemon):
    await daemon.create(command="echo one; echo two; exit 7")
    async with daemon.console() as console:
        await daemon.power("start", status=None)  # it can end before it was seen to run
        ended = await console.until("event", "exit")
        assert (ended["code"], ended["crashed"]) == (7, True)
        assert "one\ntwo\n" in console.text
    assert (await daemon.show())["exit"]["code"] == 7


async def test_memory_hog_is_told_as_one(daemon):
    await daemon.create(command="memory-hog", limits={"memory": 32 * 1024 * 1024})
    async with daemon.console() as console:
        await daemon.power("start", wait=0)
        ended = await console.until("event", "exit")
    assert ended["oom_killed"] is True
    assert (await daemon.show())["exit"]["oom_killed"] is True


async def test_prompt_without_a_newline_can_be_the_start_pattern(daemon):
    await daemon.create(command="prompt", start_pattern="> $")
    assert (await daemon.power("start"))["status"] == "succeeded"
    assert (await daemon.show())["state"] == "running"


async def test_install_script_that_fails_gives_the_ports_back_and_says_why(daemon):
    address = {"ip": "127.0.0.1", "port": free_port()}
    await daemon.post("/network/ports", address)
    body = {"install_script": "echo broken; exit 3", "ports": [address]}
    answer = await daemon.create(wait=False, **body)
    assert answer["state"] == "installing"
    async with daemon.console() as console:
        await console.until("event", "failed")
    shown = await daemon.show()
    assert shown["install_state"] == "failed"
    assert "exit code 3" in shown["error"]
    with trio.fail_after(60):  # the event is told first
        while (await daemon.get(f"/network/ports/127.0.0.1/{address['port']}"))["in_use"]:
            await trio.sleep(0.05)
    refused = await daemon.post("/containers/s1/start", status=409)
    assert refused["code"] == "install_failed"


async def test_hanging_install_script_can_be_cancelled(daemon):
    await daemon.create(wait=False, install_script="echo begun; sleep 1000")
    async with daemon.console(query="&since_line=0") as console:
        await console.until("console", "begun")
        await daemon.power("kill")
        await console.until("event", "failed")
    assert (await daemon.show())["error"] == "cancelled on request"
    await daemon.call("DELETE", "/containers/s1")
    assert daemon.in_docker() == {}


async def test_missing_image_fails_the_installation(daemon):
    answer = await daemon.post(
        "/containers",
        {
            "internal_id": "s1",
            "image": "lightd-no-such-image:1",
            "volume_id": await daemon.volume(),
            "startup_command": "true",
        },
        409,
        wait=60,
    )
    assert answer["status"] == "failed"
    assert "lightd-no-such-image" in answer["error"]


async def test_port_that_the_host_uses_already_fails_the_start_and_can_be_tried_again(daemon):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        await daemon.post("/network/ports", {"ip": "127.0.0.1", "port": port})
        await daemon.create(start_pattern="Ready", ports=[{"ip": "127.0.0.1", "port": port}])
        answer = await daemon.power("start", status=409)
        assert answer["status"] == "failed"
        assert str(port) in answer["error"]
    assert (await daemon.power("start"))["status"] == "succeeded"


async def test_image_without_a_shell_fails_the_start(daemon):
    await daemon.create(image=engine.BROKEN_IMAGE, start_pattern="Ready")
    answer = await daemon.power("start", status=409)
    assert answer["status"] == "failed"
    assert (await daemon.show())["state"] == "offline"
