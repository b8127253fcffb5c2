"""The page of operations on the engine's bad days: each block as it stands, on an engine of its own."""

import json
import re

import pytest
import trio

from tests.live.test_engine_restarts import settled
from tests.rig import engine
from tests.support.daemon import free_port, inspect, serving
from tests.support.doubles.engine_proxy import open_engine_proxy
from tests.support.page import open_shell
from tests.support.page_blocks import blocks
from tests.support.second_engine import open_second_engine

PAGE = "docs/operations.md"
ID = "engine-page"
OTHER = "engine-page-other"


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    engine.require("docker")
    with open_second_engine(tmp_path_factory.mktemp("engine")) as second:
        yield second


@pytest.fixture
async def daemon(second, tmp_path):
    """A daemon on an engine that may be killed; afterwards both are as they were before."""
    async with serving(tmp_path, server={"host": "127.0.0.1", "port": free_port()}) as daemon:
        try:
            yield daemon
        finally:
            await second.ensure()


@pytest.fixture
async def shell(second, daemon, tmp_path):
    async with open_shell(PAGE, daemon, ID, tmp_path / "bin", second) as shell:
        yield shell


async def test_an_engine_that_is_down_is_told_by_the_log_by_systemd_and_by_docker(second, daemon, shell):
    (look,) = blocks(PAGE, "The engine is down")
    said = await shell.run(look)
    assert "Active: active" in said
    assert "Server Version:" in said
    assert "the container engine does not answer" not in said
    await second.stop()
    await told(daemon, "the container engine does not answer: ")
    refused = await daemon.post("/containers/no-such/start", status=None)
    assert refused["code"] in ("container_not_found", "engine_unavailable")
    said = await shell.run(look, failing=True)
    assert "the container engine does not answer: " in said
    assert "Active: inactive" in said
    assert "Cannot connect to the Docker daemon" in said
    assert '"status"' in said.splitlines()[-1]
    await shell.run("systemctl start docker")
    await daemon.engine_up()
    said = await shell.run(look)
    assert said.rindex("the container engine answers") > said.rindex("the container engine does not answer")


async def told(daemon, text):
    with trio.fail_after(60):
        while text not in daemon.log.read_text():
            await trio.sleep(0.05)


async def test_servers_run_on_through_a_restart_of_an_engine_with_live_restore(second, daemon, shell):
    (restore,) = blocks(PAGE, "The engine is restarted", "json")
    restart, _ = blocks(PAGE, "The engine is restarted")
    await daemon.create(ID, start_pattern="Ready")
    await daemon.power("start", ID)
    before = inspect(ID)["State"]["Pid"]
    second.settings.write_text(restore)
    async with daemon.console(ID) as console:
        assert "Live Restore Enabled: true" in await shell.run(restart)
        await daemon.engine_up()
        assert inspect(ID)["State"]["Pid"] == before
        await console.send("send_command", command="still here")
        await console.until("console", "got: still here")
        assert "exit" not in console.states
    assert (await daemon.show(ID))["state"] == "running"


async def test_without_live_restore_those_that_are_down_are_found_and_started(second, daemon, shell):
    restart, mend = blocks(PAGE, "The engine is restarted")
    second.settings.write_text(json.dumps({"live-restore": False}))
    await daemon.create(ID, start_pattern="Ready")
    await daemon.power("start", ID)
    before = inspect(ID)["State"]["Pid"]
    assert "Live Restore Enabled: false" in await shell.run(restart)
    shown = await settled(daemon, ID, state="offline")
    assert shown["exit"]["code"] == inspect(ID)["State"]["ExitCode"]
    await daemon.engine_up()
    found, answer = (await shell.run(mend)).strip().splitlines()
    assert found == ID
    assert json.loads(answer)["internal_id"] == ID
    await settled(daemon, ID, state="running")
    assert inspect(ID)["State"]["Pid"] not in (0, before)
    history = (await daemon.get(f"/containers/{ID}/events"))["events"]
    ends = [event["data"] for event in history if event["type"] == "exited"]
    assert [end["expected"] for end in ends] == [False]


async def test_an_engine_that_hangs_is_told_from_one_that_does_not_and_writes_where(second, daemon, shell):
    engine.require_root()
    (look,) = blocks(PAGE, "The engine hangs")
    await daemon.create(ID, start_pattern="Ready")
    said = await shell.run(look)
    assert "hangs" not in said
    assert f"lightd-{ID}" not in said  # which lists what runs alone
    await wrote(second, 1)
    second.hang()
    said = await shell.run(look)
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


async def test_an_engine_that_hangs_on_one_container_is_told_from_one_that_hangs(
    second, daemon, shell, tmp_path
):
    engine.require_root()
    (look,) = blocks(PAGE, "The engine hangs")
    for internal_id in (ID, OTHER):
        await daemon.create(internal_id, start_pattern="Ready")
        await daemon.power("start", internal_id)
    path = tmp_path / "proxy.sock"
    async with open_engine_proxy(path, second.socket) as proxy:
        shell.environ["DOCKER_HOST"] = f"unix://{path}"
        with proxy.holding(f"containers/lightd-{ID}/json"):
            said = (await shell.run(look)).splitlines()
    assert said[0].startswith("CONTAINER ID")
    assert {row.split()[-1] for row in said[1:3]} == {f"lightd-{ID}", f"lightd-{OTHER}"}
    assert "hangs" not in said
    assert said[-1] == "hangs on this one"
