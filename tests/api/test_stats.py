"""Statistics over HTTP: the newest sample, the last hour, and who can see them."""

import trio

from actors.container.stats_history import STEP
from tests.api.front import PATIENCE

VALUES = {
    "cpu_usage",
    "memory_usage",
    "network_rx",
    "network_tx",
    "block_read",
    "block_write",
    "uptime",
    "pids",
}


async def measured(api, internal_id="s1"):
    with trio.fail_after(PATIENCE):
        while not (found := await api.get(f"/containers/{internal_id}/stats"))["current"]:
            await trio.sleep(0.05)
    return found


async def test_stats_of_a_running_container_are_complete(api):
    await api.running(limits={"memory": 64 * 1024 * 1024, "cpu": 0.5})
    found = await measured(api)
    volume_id = (await api.show())["volume_id"]
    assert (found["internal_id"], found["state"], found["step"]) == ("s1", "running", STEP)
    assert found["current"].keys() == {"at", "memory_limit", *VALUES}
    assert (found["current"]["memory_limit"], found["current"]["pids"]) == (64 * 1024 * 1024, 2)
    assert abs(found["current"]["at"] - api.system.clock()) < 60
    assert found["limits"] == {"memory": 64 * 1024 * 1024, "cpu": 0.5, "pids": None}
    assert found["volume"]["volume_id"] == volume_id
    (point, *_) = found["points"]
    assert point.keys() == {"at", *VALUES}
    assert point["at"] % STEP == 0


async def test_stats_of_a_container_that_does_not_run_have_its_last_hour(api):
    await api.running()
    await measured(api)
    await api.power("stop")
    found = await api.get("/containers/s1/stats")
    assert (found["state"], found["current"]) == ("offline", None)
    assert found["points"]


async def test_stats_of_a_new_container_are_empty(api):
    await api.create()
    found = await api.get("/containers/s1/stats")
    assert (found["current"], found["points"]) == (None, [])
    assert (await api.refused("GET", "/containers/none/stats"))[:2] == (404, "container_not_found")


async def test_size_and_usage_of_the_volume_are_in_bytes(accounted):
    api = accounted
    volume = (await api.post("/volumes", {"size": 10}, status=201))["id"]
    await api.create(volume_id=volume)
    await api.post(f"/volumes/{volume}/files", {"path": "a", "content": "x" * 100_000})
    found = {"used": 0}
    with trio.fail_after(60):  # a measurement that began before the file was there may end after it
        while found["used"] < 100_000:
            await api.get(f"/volumes/{volume}/quota")
            found = (await api.get("/containers/s1/stats"))["volume"]
    assert found["size"] == 10 * 1024 * 1024
    assert found["used"] < 1_000_000


async def test_stats_are_shown_while_the_folder_of_the_volume_is_missing(api):
    await api.running()
    folder = api.system.folders.path_of((await api.show())["volume_id"])
    folder.rename(folder.with_name("moved"))
    assert (await api.get("/containers/s1/stats"))["state"] == "running"


async def test_stats_of_all_are_those_that_a_token_can_see(api):
    await api.running()
    await api.create("s2")
    await measured(api)
    rows = {row["internal_id"]: row for row in (await api.get("/stats"))["containers"]}
    assert (rows["s1"]["state"], rows["s2"]["current"]) == ("running", None)
    assert rows["s1"]["current"].keys() == {"at", "memory_limit", *VALUES}
    minted = await api.post("/auth/tokens", {"ttl": "1h", "containers": ["s2"], "permissions": ["stats"]})
    headers = {"Authorization": f"Bearer {minted['token']}", "Accept": "Application/vnd.pkglatv1+json"}
    found = (await api.ask("GET", "/stats", headers=headers)).json()["containers"]
    assert [row["internal_id"] for row in found] == ["s2"]
    assert (await api.ask("GET", "/containers/s1/stats", headers=headers)).status_code == 404


async def test_whole_hour_is_sent_and_no_more(api):
    await api.running()
    member = api.system.fleet.get("s1")
    stats = (await measured(api))["current"]
    now, value = api.system.clock(), member.stats.value
    assert stats
    for second in range(5000, 0, -5):
        member.history.add(now - second, value, 1)
    found = await api.get("/containers/s1/stats")
    assert 355 <= len(found["points"]) <= 361
