"""Docker and lightd are killed or stopped under running servers, as by a reboot; then both start again."""

import pytest
import trio

from tests.support.daemon import inspect, settled

ROUNDS = ("power is lost", "engine is killed", "engine is stopped")
NAMES = [f"s{number}" for number in range(6)]


async def end_all(second, daemon, way):
    """End the daemon, the engine and all servers; an orderly shutdown ends the daemon first."""
    if way == "engine is stopped":
        assert daemon.stop() == 0
        await second.stop()
        return
    daemon.kill()
    pids = [inspect(name)["State"]["Pid"] for name in NAMES]
    await second.kill()
    if way == "power is lost":
        for pid in filter(None, pids):
            second.cut_power(pid)


async def history(daemon, internal_id, kind):
    events = (await daemon.get(f"/containers/{internal_id}/events"))["events"]
    return [event for event in events if event["type"] == kind]


@pytest.mark.parametrize("way", ROUNDS)
async def test_servers_that_ran_are_restored_in_the_order_of_their_last_start(second, second_daemon, way):
    for name in NAMES:
        await second_daemon.create(name, start_pattern="Ready")
    await second_daemon.create("crashing", "sleep 1; exit 3", start_pattern=None)
    order = ["s4", "s1", "s5", "s0", "s2", "s3"]
    for name in order:
        await second_daemon.power("start", name)
    await second_daemon.power("restart", "s4")
    await second_daemon.power("stop", "s5")
    await second_daemon.power("start", "crashing")
    await settled(second_daemon, "crashing", state="offline")
    await end_all(second, second_daemon, way)
    await second.start()
    await second_daemon.start()
    wanted = ["s1", "s0", "s2", "s3", "s4"]
    began = {}
    for name in wanted:
        shown = await settled(second_daemon, name, state="running")
        assert inspect(name)["State"]["Running"]
        assert shown["exit"] is None
        (ended,) = (await history(second_daemon, name, "exited"))[-1:]
        assert (ended["data"]["expected"], ended["data"]["run"]) == (True, 2 if name == "s4" else 1)
        (restore,) = await history(second_daemon, name, "restore-scheduled")
        began[name] = (await history(second_daemon, name, "start-requested"))[-1]["seq"]
        assert began[name] > restore["seq"]
        assert await history(second_daemon, name, "restart-scheduled") == []
    assert sorted(began, key=began.get) == wanted
    for name in ("s5", "crashing"):
        assert (await second_daemon.show(name))["state"] == "offline"
        assert await history(second_daemon, name, "restore-scheduled") == []
    assert second_daemon.log.read_text().count("restoring s") == len(wanted)


async def test_servers_are_restored_when_the_engine_restarts_under_the_daemon(second, second_daemon):
    await second_daemon.create("s1", start_pattern="Ready", restart_policy={"mode": "always"})
    await second_daemon.create(
        "s2", "trap 'exit 5' TERM; echo Ready; while :; do sleep 0.1; done", start_pattern="Ready"
    )
    for name in ("s1", "s2"):
        await second_daemon.power("start", name)
    await second.restart()
    with trio.fail_after(60):
        for name in ("s1", "s2"):
            while not await history(second_daemon, name, "restore-scheduled"):
                await trio.sleep(0.05)
            await settled(second_daemon, name, state="running")
            assert await history(second_daemon, name, "restart-scheduled") == []
            assert [e["data"]["expected"] for e in await history(second_daemon, name, "exited")] == [True]
    assert inspect("s2")["State"]["Running"]


async def test_crash_while_lightd_was_away_is_no_interruption(second, second_daemon):
    await second_daemon.create("s1", "sleep 2; exit 7", start_pattern=None)
    await second_daemon.power("start", "s1")
    second_daemon.kill()
    await trio.sleep(3)
    await second.restart()
    await second_daemon.start()
    assert (await second_daemon.show("s1"))["state"] == "offline"
    (ended,) = await history(second_daemon, "s1", "exited")
    assert (ended["data"]["code"], ended["data"]["expected"]) == (7, False)


async def test_configuration_can_forbid_it(second, second_daemon):
    config = second_daemon.config.read_text()
    second_daemon.config.write_text(config.replace('"allowed_mounts"', '"restore": false, "allowed_mounts"'))
    second_daemon.stop()
    await second_daemon.start()
    await second_daemon.create("s1", start_pattern="Ready")
    await second_daemon.power("start", "s1")
    await second.restart()
    with trio.fail_after(60):
        while not await history(second_daemon, "s1", "restart-called-off"):
            await trio.sleep(0.05)
    assert (await second_daemon.show("s1"))["state"] == "offline"
    assert not inspect("s1")["State"]["Running"]
