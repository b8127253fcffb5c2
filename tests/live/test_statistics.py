"""Commands, statistics, labels and the node on a real engine: what they say is what Docker says."""

import trio

from tests.rig import engine
from tests.support.daemon import inspect

ID = "measured"
MIB = 1024 * 1024
HOLDS = (
    r"held=$(head -c 30000000 /dev/zero | tr '\0' x); echo Ready; while read -r line; do echo got $line; done"
)
"""Keeps 30 MB in memory, and answers."""


async def measured(daemon, pids):
    """The statistics, once there is a sample with so many processes."""
    with trio.fail_after(120):
        while True:
            found = await daemon.get(f"/containers/{ID}/stats")
            if found["current"] and found["current"]["pids"] == pids:
                return found
            await trio.sleep(0.2)


async def test_command_over_http_reaches_a_process_on_a_terminal_and_on_a_pipe(daemon):
    for number, tty in enumerate((True, False)):
        name = f"{ID}-{number}"
        await daemon.create(name, start_pattern="Ready", tty=tty)
        await daemon.power("start", name)
        async with daemon.console(name) as console:
            sent = await daemon.post(f"/containers/{name}/command", {"commands": ["one", "two"]})
            assert sent["count"] == 2
            await console.until("console", "got: two")
            assert console.text.index("got: one") < console.text.index("got: two")


async def test_statistics_are_dockers_and_outlive_the_process(daemon):
    limits = {"memory": 128 * MIB, "cpu": 0.5, "pids": 100}
    await daemon.create(ID, command=HOLDS, start_pattern="Ready", limits=limits)
    await daemon.power("start", ID)
    found = await measured(daemon, 2)  # the shell and Docker's init
    docker = engine.call("GET", f"/containers/lightd-{ID}/stats", stream=0)
    current, cache = found["current"], docker["memory_stats"]["stats"]
    used = docker["memory_stats"]["usage"] - cache.get("total_inactive_file", cache.get("inactive_file", 0))
    assert abs(current["memory_usage"] - used) < 8 * MIB
    assert current["memory_usage"] > 25 * MIB
    assert current["memory_limit"] == docker["memory_stats"]["limit"] == 128 * MIB
    assert docker["pids_stats"]["current"] == 2
    assert found["limits"] == limits
    assert found["volume"]["volume_id"] == (await daemon.show(ID))["volume_id"]
    await daemon.power("stop", ID)
    stopped = await daemon.get(f"/containers/{ID}/stats")
    assert stopped["current"] is None
    assert stopped["points"][0]["at"] == found["points"][0]["at"]


async def test_labels_change_without_a_new_container(daemon):
    await daemon.create(ID, start_pattern="Ready", labels={"customer": "42"}, display_name="Before")
    await daemon.power("start", ID)
    before = inspect(ID)["Id"]
    body = {"labels": {"customer": "43", "env": "prod"}, "display_name": "After"}
    answered = await daemon.call("PATCH", f"/containers/{ID}", body)
    assert sorted(answered["applied"]) == ["display_name", "labels"]
    await daemon.power("restart", ID)
    assert inspect(ID)["Id"] == before
    daemon.kill()
    await daemon.start()
    await daemon.engine_up()
    await daemon.power("restart", ID)
    assert inspect(ID)["Id"] == before
    rows = (await daemon.get("/containers", label="customer=43", state="running"))["containers"]
    assert [(row["internal_id"], row["display_name"]) for row in rows] == [(ID, "After")]


async def test_node_has_dockers_version(daemon):
    found = await daemon.get("/node")
    version = engine.call("GET", "/version")
    assert found["engine"] == {"kind": "docker", "available": True, "version": version["Version"]}
    assert found["host"]["kernel"] == version["KernelVersion"]
    assert found["host"]["memory"]["total"] == engine.call("GET", "/info")["MemTotal"]
