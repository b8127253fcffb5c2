"""The page of operations on the engine's bad days: each block as it stands, on an engine of its own."""

import json
import re

import pytest
import trio

from lightd.engines.docker import recipe
from tests.rig import engine
from tests.support.daemon import inspect, settled
from tests.support.doubles.engine_proxy import open_engine_proxy
from tests.support.page import open_shell
from tests.support.page_blocks import blocks

PAGE = "docs/operations.md"
ID = "engine-page"
OTHER = "engine-page-other"


@pytest.fixture
async def second_shell(second, second_daemon, tmp_path):
    engine.require("docker")
    async with open_shell(PAGE, second_daemon, ID, tmp_path / "bin", second) as shell:
        yield shell


async def test_engine_that_is_down_is_told_by_the_log_by_systemd_and_by_docker(
    second, second_daemon, second_shell
):
    (look,) = blocks(PAGE, "The engine is down")
    said = await second_shell.run(look)
    assert "Active: active" in said
    assert "Server Version:" in said
    assert "the container engine does not answer" not in said
    await second.stop()
    await told(second_daemon, "the container engine does not answer: ")
    refused = await second_daemon.post("/containers/no-such/start", status=None)
    assert refused["code"] in ("container_not_found", "engine_unavailable")
    said = await second_shell.run(look, failing=True)
    assert "the container engine does not answer: " in said
    assert "Active: inactive" in said
    assert "Cannot connect to the Docker daemon" in said
    assert '"status"' in said.splitlines()[-1]
    await second_shell.run("systemctl start docker")
    await second_daemon.engine_up()
    said = await second_shell.run(look)
    assert said.rindex("the container engine answers") > said.rindex("the container engine does not answer")


async def told(daemon, text):
    with trio.fail_after(60):
        while text not in daemon.log.read_text():
            await trio.sleep(0.05)


async def test_servers_run_on_through_a_restart_of_an_engine_with_live_restore(
    second, second_daemon, second_shell
):
    (restore,) = blocks(PAGE, "The engine is restarted", "json")
    restart, _ = blocks(PAGE, "The engine is restarted")
    await second_daemon.create(ID, start_pattern="Ready")
    await second_daemon.power("start", ID)
    before = inspect(ID)["State"]["Pid"]
    second.settings.write_text(restore)
    async with second_daemon.console(ID) as console:
        assert "Live Restore Enabled: true" in await second_shell.run(restart)
        await second_daemon.engine_up()
        assert inspect(ID)["State"]["Pid"] == before
        await console.send("send_command", command="still here")
        await console.until("console", "got: still here")
        assert "exit" not in console.states
    assert (await second_daemon.show(ID))["state"] == "running"


async def test_servers_that_ended_without_live_restore_are_started_again_as_the_log_and_the_events_say(
    second, second_daemon, second_shell
):
    restart, look = blocks(PAGE, "The engine is restarted")
    second.settings.write_text(json.dumps({"live-restore": False}))
    await second_daemon.create(ID, start_pattern="Ready")
    await second_daemon.power("start", ID)
    before = inspect(ID)["State"]["Pid"]
    assert "Live Restore Enabled: false" in await second_shell.run(restart)
    await told(second_daemon, "restoring ")
    await settled(second_daemon, ID, state="running")
    logged, event = (await second_shell.run(look)).strip().splitlines()
    assert f"restoring {ID}: " in logged
    assert event == "restore-scheduled"
    assert inspect(ID)["State"]["Pid"] not in (0, before)
    history = (await second_daemon.get(f"/containers/{ID}/events"))["events"]
    ends = [event["data"] for event in history if event["type"] == "exited"]
    assert [end["expected"] for end in ends] == [True]


async def test_engine_that_hangs_is_told_from_one_that_does_not_and_writes_where(
    second, second_daemon, second_shell
):
    engine.require_root()
    (look,) = blocks(PAGE, "The engine hangs")
    await second_daemon.create(ID, start_pattern="Ready")
    said = await second_shell.run(look)
    assert "hangs" not in said
    assert f"lightd-{ID}" not in said  # which lists what runs alone
    await wrote(second, 1)
    second.hang()
    said = await second_shell.run(look)
    second.go_on()
    assert "hangs" in said.splitlines()
    assert said.splitlines()[-1] == "hangs on this one"
    await wrote(second, 2)


async def wrote(second, times):
    """Wait until the engine has written that often where it is, into a file that its log names."""
    log = second.folder / "dockerd.log"
    with trio.fail_after(60):
        while len(re.findall(r"written to \S+\.log", log.read_text())) < times:
            await trio.sleep(0.1)


async def test_engine_that_hangs_on_one_container_is_told_from_one_that_hangs(
    second, second_daemon, second_shell, tmp_path
):
    engine.require_root()
    (look,) = blocks(PAGE, "The engine hangs")
    for internal_id in (ID, OTHER):
        await second_daemon.create(internal_id, start_pattern="Ready")
        await second_daemon.power("start", internal_id)
    path = tmp_path / "proxy.sock"
    async with open_engine_proxy(path, second.socket) as proxy:
        second_shell.environ["DOCKER_HOST"] = f"unix://{path}"
        with proxy.holding(f"containers/lightd-{ID}/json"):
            said = (await second_shell.run(look)).splitlines()
    assert said[0].startswith("CONTAINER ID")
    assert {row.split()[-1] for row in said[1:3]} == {f"lightd-{ID}", f"lightd-{OTHER}"}
    assert "hangs" not in said
    assert said[-1] == "hangs on this one"


async def run_server_on(second, second_daemon, second_shell, settings):
    """Restart the engine with ``settings``, and have one server running on it."""
    second.settings.write_text(json.dumps(settings))
    await second_shell.run("systemctl restart docker")
    await second_daemon.engine_up()
    await second_daemon.create(ID, start_pattern="Ready")
    await second_daemon.power("start", ID)


async def test_servers_run_on_through_an_upgrade_of_the_engine_and_a_change_of_its_settings(
    second, second_daemon, second_shell
):
    (upgrade,) = blocks(PAGE, "Docker is upgraded, or daemon.json is changed")
    await run_server_on(second, second_daemon, second_shell, {"live-restore": True})
    before = inspect(ID)["State"]["Pid"]
    changed = {"live-restore": True, "log-driver": "json-file", "default-shm-size": "8M"}
    second.settings.write_text(json.dumps(changed))
    assert re.fullmatch(r"\d+\.\d+.*", (await second_shell.run(upgrade)).splitlines()[-1])
    await second_daemon.engine_up()
    await settled(second_daemon, ID, state="running")
    after = inspect(ID)
    assert after["State"]["Pid"] == before
    assert after["HostConfig"]["LogConfig"]["Type"] == "local"
    async with second_daemon.console(ID) as console:
        await console.send("send_command", command="still here")
        await console.until("console", "got: still here")


async def test_logs_are_written_as_lightd_says_whatever_the_settings_of_the_engine(
    second, second_daemon, second_shell
):
    settings = {"log-driver": "local", "log-opts": {"mode": "non-blocking", "max-size": "1m"}}
    await run_server_on(second, second_daemon, second_shell, settings)
    assert inspect(ID)["HostConfig"]["LogConfig"]["Config"] == recipe.LOG


async def test_servers_run_again_after_an_upgrade_of_an_engine_without_live_restore(
    second, second_daemon, second_shell
):
    (upgrade,) = blocks(PAGE, "Docker is upgraded, or daemon.json is changed")
    await run_server_on(second, second_daemon, second_shell, {"live-restore": False})
    await second_shell.run(upgrade)
    with trio.fail_after(60):
        while (await types(second_daemon)).count("became-ready") < 2:
            await trio.sleep(0.1)
    assert (await types(second_daemon)).count("exited") == 1
    assert (await second_daemon.show(ID))["state"] == "running"


async def types(daemon):
    return [event["type"] for event in (await daemon.get(f"/containers/{ID}/events"))["events"]]
