"""The engine's own process is killed, stopped, hung and started again; what lightd says stays true."""

from pathlib import Path

import pytest
import trio

from tests.support.daemon import inspect, settled
from tests.support.second_engine import as_root


def test_engine_under_test_has_a_network_of_its_own(second):
    namespace = as_root("readlink", f"/proc/{second.pid}/ns/net")
    assert namespace.startswith("net:[")
    assert namespace != str(Path("/proc/self/ns/net").readlink())


async def restarted(second, *, live_restore):
    """Have the engine run with or without live-restore."""
    await second.stop()
    await second.start(live_restore=live_restore)


async def ends(daemon, internal_id="s1"):
    """What was recorded of every end of the container."""
    events = (await daemon.get(f"/containers/{internal_id}/events"))["events"]
    return [event["data"] for event in events if event["type"] == "exited"]


def check_true(shown):
    """What is shown is what Docker says."""
    state = inspect(shown["internal_id"])["State"]
    assert (shown["state"] == "running") is state["Running"]
    if not state["Running"]:
        assert shown["exit"]["code"] == state["ExitCode"]
        assert shown["exit"]["oom_killed"] is state["OOMKilled"]


async def test_engine_that_is_killed_and_restores_its_containers_ends_no_server(second, second_daemon):
    await restarted(second, live_restore=True)
    await second_daemon.engine_up()
    await second_daemon.create("s1", "line-printer 0 0.05", start_pattern="line 1")
    await second_daemon.create("s2", start_pattern="Ready")
    for internal_id in ("s1", "s2"):
        await second_daemon.power("start", internal_id)
    pids = [inspect(internal_id)["State"]["Pid"] for internal_id in ("s1", "s2")]
    async with second_daemon.console("s1", "&since_line=0") as printer, second_daemon.console("s2") as echo:
        await printer.until("console", "line 3\n")
        for _ in range(2):
            await second.kill()
            await trio.sleep(0.5)
            await second.start(live_restore=True)
            await second_daemon.engine_up()
            last = int(printer.text.splitlines()[-1].split()[1])
            await printer.until("console", f"line {last + 40}\n")
        with trio.fail_after(30):
            while "got: again" not in echo.text:
                await echo.send("send_command", command="again")
                with trio.move_on_after(1):
                    await echo.until("console", "got: again")
        assert "exit" not in printer.states + echo.states
    assert [inspect(internal_id)["State"]["Pid"] for internal_id in ("s1", "s2")] == pids
    for internal_id in ("s1", "s2"):
        shown = await second_daemon.show(internal_id)
        assert shown["state"] == "running"
        check_true(shown)
        assert await ends(second_daemon, internal_id) == []


async def test_exit_under_a_killed_engine_that_restores_is_found_with_its_code(second, second_daemon):
    await restarted(second, live_restore=True)
    await second_daemon.engine_up()
    await second_daemon.create("s1", "sleep 2; exit 7", start_pattern=None)
    await second_daemon.create("s2", start_pattern="Ready")
    for internal_id in ("s1", "s2"):
        await second_daemon.power("start", internal_id)
    await second.kill()
    await trio.sleep(3)
    await second.start(live_restore=True)
    shown = await settled(second_daemon, state="offline")
    check_true(shown)
    assert [(end["code"], end["expected"]) for end in await ends(second_daemon)] == [(7, False)]
    assert (await second_daemon.show("s2"))["state"] == "running"
    assert await ends(second_daemon, "s2") == []


@pytest.mark.parametrize("way", ["kill", "stop"])
async def test_servers_that_end_with_their_engine_are_told_once_and_are_started_again(
    second, second_daemon, way
):
    await restarted(second, live_restore=False)
    await second_daemon.engine_up()
    await second_daemon.create("s1", start_pattern="Ready")
    await second_daemon.create("s2", "sleep 0.5; exit 7")
    await second_daemon.create("s3", start_pattern="Ready")
    for internal_id in ("s1", "s2"):
        await second_daemon.power("start", internal_id)
    async with second_daemon.console("s1") as console:
        await getattr(second, way)()
        await trio.sleep(1)
        await second.start(live_restore=False)
        ended = await console.until("event", "exit")
        assert ended["crashed"] is False
        await console.until("event", "running")
        assert console.states.count("exit") == 1
    check_true(await settled(second_daemon, state="running"))
    check_true(await settled(second_daemon, "s2", state="offline"))
    assert [end["expected"] for end in await ends(second_daemon)] == [True]
    assert (await ends(second_daemon, "s2"))[-1]["code"] == 7
    assert (await ends(second_daemon, "s2"))[-1]["expected"] is False
    assert await ends(second_daemon, "s3") == []


async def test_servers_that_lost_their_power_with_the_engine_are_told_once_and_started_again(
    second, second_daemon
):
    await restarted(second, live_restore=True)
    await second_daemon.engine_up()
    await second_daemon.create(start_pattern="Ready")
    await second_daemon.power("start")
    pid = inspect("s1")["State"]["Pid"]
    second_daemon.kill()
    await second.kill()
    second.cut_power(pid)
    await second.start(live_restore=True)
    await second_daemon.start()
    check_true(await settled(second_daemon, state="running"))
    assert [end["expected"] for end in await ends(second_daemon)] == [True]


async def test_engine_that_hangs_for_a_while_is_waited_for_and_nothing_is_made_up(second, second_daemon):
    await second_daemon.create("s1", "line-printer 0 0.05", start_pattern="line 1")
    await second_daemon.create("s2", start_pattern="Ready")
    await second_daemon.create("s3", start_pattern="Ready")
    for internal_id in ("s1", "s3"):
        await second_daemon.power("start", internal_id)
    pid = inspect("s3")["State"]["Pid"]
    async with second_daemon.console("s1") as console:
        second.hang()
        assert (await second_daemon.power("start", "s2", wait=0))["status"] == "pending"
        second.signal("KILL", pid)
        with trio.fail_after(30):
            await second_daemon.get("/api/v1/public/ping")
            await second_daemon.volume()
            assert (await second_daemon.show("s1"))["state"] == "running"
            assert (await second_daemon.show("s2"))["state"] == "starting"
            assert len((await second_daemon.get("/containers"))["containers"]) == 3
            await second_daemon.get("/containers/s1/events")
        await trio.sleep(3)
        second.go_on()
        shown = await settled(second_daemon, "s3", state="offline")
        assert shown["exit"]["code"] == 137
        await settled(second_daemon, "s2", state="running")
        count = len(console.text.splitlines())
        while len(console.text.splitlines()) < count + 40:
            await console.next()
        assert "exit" not in console.states
    for internal_id in ("s1", "s2", "s3"):
        check_true(await second_daemon.show(internal_id))
    assert await ends(second_daemon, "s1") == await ends(second_daemon, "s2") == []
    assert len(await ends(second_daemon, "s3")) == 1
