"""What a restart of the daemon finds: everything, with its true state."""

import json
import random
import sys

import httpx
import pytest
import trio

from tests.rig import engine
from tests.support.crowd import Crowd
from tests.support.daemon import Daemon, free_port, inspect, open_client, settled


async def test_running_server_survives_kill_minus_nine_and_its_console_goes_on(daemon):
    await daemon.create(command="line-printer 0 0.05", start_pattern="line 2")
    await daemon.power("start")
    pid = inspect("s1")["State"]["Pid"]
    daemon.kill()
    await trio.sleep(0.5)
    await daemon.start()
    await daemon.engine_up()
    shown = await settled(daemon, state="running")
    assert shown["started_at"] > 0
    assert inspect("s1")["State"]["Pid"] == pid
    async with daemon.console(query="&since_line=0") as console:
        await console.until("console")
        while len(console.text.splitlines()) < 40:
            await console.next()
    numbers = [int(line.split()[1]) for line in console.text.splitlines()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] == 1
    await daemon.power("kill")
    assert (await daemon.show())["exit"]["code"] == 137


async def test_restarted_daemon_still_talks_to_the_process(daemon):
    await daemon.create(start_pattern="Ready", stop={"type": "command", "value": "stop", "timeout": 30})
    await daemon.power("start")
    assert daemon.stop() == 0
    await daemon.start()
    await daemon.engine_up()
    await settled(daemon, state="running")
    async with daemon.console() as console:
        await console.send("send_command", command="again")
        await console.until("console", "got: again")
    await daemon.power("stop")
    assert (await daemon.show())["exit"]["code"] == 0


async def test_input_in_the_first_moment_after_a_restart_reaches_the_process(daemon):
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    daemon.kill()
    await daemon.start()
    async with daemon.console() as console:
        await console.send("resize", columns=90, rows=20)
        await console.send("send_command", command="at once")
        await console.until("console", "got: at once")
        assert not [frame for frame in console.frames if frame["event"] == "error"]


async def test_exit_while_the_daemon_was_down_is_found_with_its_true_code(daemon):
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    daemon.kill()
    engine.call("POST", "/containers/lightd-s1/kill", signal="KILL")
    await daemon.start()
    shown = await daemon.show()
    assert (shown["state"], shown["exit"]["code"]) == ("offline", 137)
    events = (await daemon.get("/containers/s1/events"))["events"]
    assert [event["type"] for event in events].count("exited") == 1


async def test_start_is_accepted_as_soon_as_the_daemon_answers(daemon):
    await daemon.create(start_pattern="Ready")
    for _ in range(4):
        daemon.kill()
        await daemon.start()
        assert (await daemon.post("/containers/s1/start", wait=60))["status"] == "succeeded"
        await daemon.power("kill")


async def test_container_that_was_removed_behind_our_back_is_made_anew_at_the_next_start(daemon):
    await daemon.create(start_pattern="Ready")
    await daemon.power("start")
    engine.call("DELETE", "/containers/lightd-s1", force=1)
    await settled(daemon, state="offline")
    assert (await daemon.power("start"))["status"] == "succeeded"
    assert daemon.in_docker() == {"lightd-s1": "running"}


async def test_stop_that_the_daemon_did_not_live_to_see_goes_on(daemon):
    await daemon.create(command="ignore-sigterm", start_pattern="Ready", stop={"timeout": 2})
    await daemon.power("start")
    await daemon.power("stop", wait=0)
    daemon.kill()
    await daemon.start()
    await daemon.engine_up()
    shown = await settled(daemon, state="offline")
    assert shown["exit"]["code"] == 137
    events = (await daemon.get("/containers/s1/events"))["events"]
    assert [event["data"]["expected"] for event in events if event["type"] == "exited"] == [True]


def remove_journal(daemon):
    for file in (daemon.folder / "storage").glob("lightd.db*"):
        file.unlink()


async def test_containers_of_a_lost_journal_are_left_alone(daemon):
    await daemon.create("lost-runs", start_pattern="Ready")
    await daemon.power("start", "lost-runs")
    await daemon.create("lost-rests")
    daemon.kill()
    remove_journal(daemon)
    await daemon.start()
    await daemon.engine_up()
    await daemon.create("s1")
    assert daemon.in_docker() == {
        "lightd-lost-runs": "running",
        "lightd-lost-rests": "created",
        "lightd-s1": "created",
    }
    found = [orphan for orphan in await orphans(daemon) if orphan["node"] == daemon.node]
    assert {(each["internal_id"], each["state"]) for each in found} == {
        ("lost-runs", "running"),
        ("lost-rests", "created"),
    }
    assert len({each["journal"] for each in found}) == 1
    assert await doctor(daemon) == "warning"
    removed = await lightd(daemon, "orphans", "--remove", *(each["name"] for each in found), "lightd-s1")
    assert removed.returncode == 5  # what is in the journal is no orphan
    assert daemon.in_docker() == {"lightd-s1": "created"}
    assert await doctor(daemon) == "ok"


async def lightd(daemon, *arguments):
    command = [sys.executable, "-m", "lightd", *arguments, "--config", str(daemon.config)]
    if "--remove" in arguments:
        command = [*command[:3], "orphans", "--config", str(daemon.config), *arguments[1:]]
    return await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)


async def orphans(daemon):
    return [json.loads(line) for line in (await lightd(daemon, "orphans", "--json")).stdout.splitlines()]


async def doctor(daemon):
    """The verdict on whose the containers are."""
    findings = json.loads((await lightd(daemon, "doctor", "--json")).stdout)["findings"]
    (verdict,) = [finding["verdict"] for finding in findings if finding["name"] == "ownership"]
    return verdict


async def test_two_daemons_of_one_node_name_leave_each_others_containers_alone(daemon, tmp_path):
    """A staging daemon, or a new version beside the old one; with one configuration."""
    (tmp_path / "other").mkdir()
    other = Daemon(tmp_path / "other", node=daemon.node)
    try:
        await daemon.create("mine")
        await other.start()
        await other.engine_up()
        await other.create("theirs")
        answer = await other.create("mine", wait=False)
        await settled_operation(other, answer["operation_id"], "failed", "somebody else's")
        await other.call("DELETE", "/containers/mine", wait=60)
        for each in (daemon, other):
            each.kill()
            await each.start()  # each looks at what the engine has
            await each.engine_up()
        assert daemon.in_docker() == {"lightd-mine": "created", "lightd-theirs": "created"}
        assert [await doctor(each) for each in (daemon, other)] == ["warning", "warning"]
        assert (await daemon.power("start", "mine"))["status"] == "succeeded"
        assert (await other.power("start", "theirs"))["status"] == "succeeded"
    finally:
        other.kill()
        engine.remove_labelled(other.node)


async def settled_operation(daemon, operation_id, status, error):
    with trio.fail_after(60):
        while (found := await daemon.get(f"/operations/{operation_id}"))["status"] == "pending":
            await trio.sleep(0.05)
    assert found["status"] == status
    assert error in found["error"]


async def test_killed_daemon_finds_the_true_state_of_each_of_many_containers(daemon):
    crowd = Crowd(daemon, 16, "crowd")
    await crowd.gather()
    daemon.kill()
    crowd.change(4)
    await daemon.start()
    await crowd.wait_true()
    for name, runs in crowd.in_docker().items():
        shown = await daemon.show(name)
        assert (shown["state"] == "running") is runs
        if shown["exit"] is not None:
            assert shown["exit"]["code"] == inspect(name)["State"]["ExitCode"] == 137


async def quick_start(daemon, number, port):
    """One panel's quick start, each step repeated until it is acknowledged; as far as it has got is kept."""
    internal_id = f"k{number}"

    async def insist(method, path, body=None, fine=()):
        while True:
            try:
                async with open_client(timeout=20) as client:
                    answer = await client.request(method, daemon.url + path, json=body)
            except httpx.TransportError:
                await trio.sleep(0.05)
                continue
            if answer.status_code == 503:
                await trio.sleep(0.1)
                continue
            assert answer.is_success or answer.json()["code"] in fine, answer.text
            return answer.json()

    volume = (await insist("POST", "/volumes"))["volume_id"]
    await insist("POST", f"/volumes/{volume}/files", {"path": "motd.txt", "content": "hi"})
    address = {"ip": "127.0.0.1", "port": port}
    await insist("POST", "/network/ports", address, ["port_exists"])
    body = {
        "internal_id": internal_id,
        "image": engine.IMAGE,
        "volume_id": volume,
        "startup_command": "cat motd.txt; stdin-echo",
        "start_pattern": "Ready",
        "ports": [address],
        "install_script": "echo installing; echo x >> installed",
    }
    await insist("POST", "/containers", body, ["already_exists"])
    while (await insist("GET", f"/containers/{internal_id}"))["install_state"] == "installing":
        await trio.sleep(0.05)
    await insist("POST", f"/containers/{internal_id}/start")
    while (await insist("GET", f"/containers/{internal_id}"))["state"] != "running":
        await trio.sleep(0.05)


async def under_fire(daemon, panel, chance):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(panel)
        for _ in range(10):
            await trio.sleep(chance.uniform(0.0, 1.2))
            daemon.kill()
            await daemon.start()
        await daemon.engine_up()


@pytest.mark.parametrize("seed", range(3))
async def test_kill_minus_nine_at_random_moments_of_the_quick_start_changes_nothing_of_its_end(daemon, seed):
    chance = random.Random(seed)
    ended, pool = [], [free_port() for _ in range(4)]

    async def panel():
        for number, port in enumerate(pool):
            await quick_start(daemon, number, port)
            ended.append(number)

    with trio.fail_after(200):
        await under_fire(daemon, panel, chance)
    assert ended == [0, 1, 2, 3]
    assert daemon.in_docker() == {f"lightd-k{number}": "running" for number in range(4)}
    ports = (await daemon.get("/network/ports"))["ports"]
    assert {port["port"]: port["used_by"] for port in ports} == {
        port: f"k{number}" for number, port in enumerate(pool)
    }
    for number in range(4):
        types = [event["type"] for event in (await daemon.get(f"/containers/k{number}/events"))["events"]]
        assert types.count("created") == types.count("installed") == types.count("started") == 1, types
        assert "exited" not in types
