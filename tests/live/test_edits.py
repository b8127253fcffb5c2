"""Editing a living server, on a real engine: what its process is held to, and what the next one takes on."""

from tests.rig import engine
from tests.support.daemon import inspect

ID = "edited"
MIB = 1024 * 1024
MEMORY = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"
TELLS = f"echo Ready; while read -r line; do echo limit $({MEMORY}); done"
"""Prints the ceiling that its cgroup has, whenever it is told something."""

HOLDS = r"held=$(head -c 30000000 /dev/zero | tr '\0' x); echo Ready; read -r line"
"""Keeps 30 MB in memory."""


async def edit(daemon, body, status=200):
    return await daemon.call("PATCH", f"/containers/{ID}", body, status)


async def test_new_limits_hold_for_the_running_process(daemon):
    await daemon.create(ID, command=TELLS, start_pattern="Ready", limits={"memory": 128 * MIB, "cpu": 0.5})
    await daemon.power("start", ID)
    before = inspect(ID)["State"]["StartedAt"]
    limits = {"memory": 64 * MIB, "cpu": 0.75, "pids": 77}
    answered = await edit(daemon, {"limits": limits})
    assert (answered["applied"], answered["at_next_start"]) == (["limits"], [])
    now = inspect(ID)
    assert now["State"]["StartedAt"] == before
    host = now["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (
        64 * MIB,
        64 * MIB,
        750_000_000,
        77,
    )
    async with daemon.console(ID) as console:
        await console.send("send_command", command="tell")
        await console.until("console", f"limit {64 * MIB}")
    assert (await daemon.show(ID))["limits"] == limits


async def test_limit_that_is_taken_away_is_gone_from_the_next_start_on(daemon):
    await daemon.create(ID, command=TELLS, start_pattern="Ready", limits={"memory": 64 * MIB})
    await daemon.power("start", ID)
    answered = await edit(daemon, {"limits": {}})
    assert (answered["applied"], answered["at_next_start"]) == ([], ["limits"])
    assert inspect(ID)["HostConfig"]["Memory"] == 64 * MIB
    await daemon.power("restart", ID)
    assert inspect(ID)["HostConfig"]["Memory"] == 0


async def test_less_memory_than_is_in_use_is_refused_where_docker_can_tell(daemon):
    """With cgroup v1 it is an error; with v2 the kernel makes room, by ending the process at worst."""
    await daemon.create(ID, command=HOLDS, start_pattern="Ready", limits={"memory": 256 * MIB})
    await daemon.power("start", ID)
    little = {"limits": {"memory": 16 * MIB}, "startup_command": "never"}
    if engine.call("GET", "/info")["CgroupVersion"] == "1":
        refused = await edit(daemon, little, status=409)
        assert refused["code"] == "limits_refused"
        assert "memory limit" in refused["error"]
        shown = await daemon.show(ID)
        assert (shown["state"], shown["limits"]["memory"]) == ("running", 256 * MIB)
        assert shown["startup_command"] == HOLDS  # all of it or nothing
    else:
        await edit(daemon, little)
    assert (await daemon.show(ID))["limits"]["memory"] == inspect(ID)["HostConfig"]["Memory"]


async def test_command_and_an_environment_are_seen_by_the_next_process_alone(daemon):
    await daemon.create(ID, start_pattern="Ready", environment={"WORLD": "old"})
    await daemon.power("start", ID)
    before = inspect(ID)["Id"]
    answered = await edit(
        daemon,
        {
            "startup_command": 'echo "$WORLD is loaded"; stdin-echo',
            "start_pattern": "is loaded",
            "environment": {"WORLD": "new"},
        },
    )
    assert answered["applied"] == []
    assert answered["at_next_start"] == ["startup_command", "start_pattern", "environment"]
    assert inspect(ID)["Id"] == before
    async with daemon.console(ID) as console:
        await console.send("send_command", command="hello")
        await console.until("console", "got: hello")
        await daemon.power("restart", ID)
        await console.until("console", "new is loaded")
    assert inspect(ID)["Id"] != before
    assert daemon.in_docker() == {f"lightd-{ID}": "running"}


async def test_stop_policy_holds_at_once(daemon):
    await daemon.create(ID, start_pattern="Ready", stop={"timeout": 3000, "type": "command", "value": "no"})
    await daemon.power("start", ID)
    answered = await edit(daemon, {"stop": {"type": "command", "value": "stop", "timeout": 20}})
    assert (answered["applied"], answered["at_next_start"]) == (["stop"], [])
    assert (await daemon.power("stop", ID))["status"] == "succeeded"
    assert (await daemon.show(ID))["exit"]["code"] == 0
