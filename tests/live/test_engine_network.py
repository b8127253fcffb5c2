"""lightd's network in Docker is removed, pruned, cut off, and on an uplink with a small MTU."""

import json
import re
import subprocess
import sys

import pytest
import trio

from lightd.engines.docker.policy import Policy
from tests.rig import dockerd, engine, images
from tests.support.daemon import PATIENCE, inspect, serving
from tests.support.docker_scene import a_spec, opened
from tests.support.page import open_shell
from tests.support.page_blocks import blocks
from tests.support.second_engine import as_root

PAGE = "docs/operations.md"
ID = "network-page"


@pytest.fixture
async def network_daemon(second, tmp_path):
    async with serving(tmp_path) as daemon:
        yield daemon
    engine.call("DELETE", "/networks/lightd")


def remove_network():
    engine.call("DELETE", "/networks/lightd")
    assert engine.call("GET", "/networks/lightd") is None


async def check_starts(daemon, internal_id):
    answer = await daemon.power("start", internal_id)
    assert answer["status"] == "succeeded", answer
    found = inspect(internal_id)
    assert found["State"]["Running"]
    address = found["NetworkSettings"]["Networks"]["lightd"]
    assert address["NetworkID"] == engine.call("GET", "/networks/lightd")["Id"]
    assert address["IPAddress"]


async def test_server_starts_again_after_its_network_was_removed(network_daemon):
    for internal_id in ("ran", "never-ran"):
        await network_daemon.create(internal_id, ports=[])
    await check_starts(network_daemon, "ran")
    before = inspect("ran")["Id"]
    await network_daemon.power("kill", "ran")
    remove_network()
    for internal_id in ("ran", "never-ran"):
        await check_starts(network_daemon, internal_id)
    assert inspect("ran")["Id"] == before
    network = engine.call("GET", "/networks/lightd")
    assert network["Options"]["com.docker.network.bridge.enable_icc"] == "false"


async def test_server_that_was_cut_off_from_its_network_is_connected_at_its_start(network_daemon):
    await network_daemon.create("cut")
    await check_starts(network_daemon, "cut")
    await network_daemon.power("kill", "cut")
    run("docker", "network", "disconnect", "-f", "lightd", "lightd-cut")
    await check_starts(network_daemon, "cut")


async def test_servers_survive_a_prune_of_everything(network_daemon):
    """What runs runs on; what was stopped is made anew, on a new network, from an image that is there."""
    for internal_id in ("runs", "rests"):
        await network_daemon.create(internal_id)
        await check_starts(network_daemon, internal_id)
    await network_daemon.power("kill", "rests")
    before = inspect("runs")["State"]["StartedAt"]
    run("docker", "system", "prune", "-af", "--volumes")
    assert inspect("rests") is None
    assert inspect("runs")["State"]["StartedAt"] == before
    await check_starts(network_daemon, "rests")  # of the image, which the other kept there
    for internal_id in ("rests", "runs"):
        await network_daemon.power("kill", internal_id)
    run("docker", "network", "prune", "--force")
    assert engine.call("GET", "/networks/lightd") is None
    run("docker", "system", "prune", "-af", "--volumes")
    images.build()
    for internal_id in ("runs", "rests"):
        await check_starts(network_daemon, internal_id)


async def test_pages_prune_leaves_a_server_that_starts(network_daemon, tmp_path):
    (prune,) = blocks(PAGE, "Docker was pruned")
    await network_daemon.create("keeps-the-image")
    await check_starts(network_daemon, "keeps-the-image")
    await network_daemon.create(ID)
    async with open_shell(PAGE, network_daemon, ID, tmp_path / "bin") as shell:
        said = (await shell.run(prune)).splitlines()
    assert said[-2:-1] == ["succeeded"]
    assert "enable_icc:false" in said[-1]


async def test_pages_commands_show_the_network_and_the_mtu(network_daemon, tmp_path):
    (look,) = blocks(PAGE, "The network")
    await network_daemon.create(ID)
    async with open_shell(PAGE, network_daemon, ID, tmp_path / "bin") as shell:
        said = await shell.run(look)
    assert "the network lightd exists" in said
    assert re.search(r"^ *[0-9]+ mtu [0-9]+$", said, re.MULTILINE)


async def test_log_does_not_recommend_to_remove_an_open_network(network_daemon):
    remove_network()
    run("docker", "network", "create", "lightd")
    try:
        await network_daemon.create("open")
        with trio.fail_after(PATIENCE):
            while "lets containers reach each other" not in (log := network_daemon.log.read_text()):
                await trio.sleep(0.05)
        assert "network rm" not in log
        found = await doctor(network_daemon)
        assert found["isolation"]["verdict"] == "bad"
    finally:
        await network_daemon.call("DELETE", "/containers/open", wait=60)


async def doctor(daemon):
    command = [sys.executable, "-m", "lightd", "doctor", "--json", "--config", str(daemon.config)]
    said = (await trio.run_process(command, capture_stdout=True, check=False)).stdout
    return {
        finding["name"]: finding for finding in json.loads(said)["findings"] if finding["area"] == "engine"
    }


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# Its MTU


async def test_container_has_the_mtu_of_the_configuration(second, tmp_path):
    engine.call("DELETE", "/networks/lightd")
    volume = tmp_path / "volumes" / "7a6dbb4c-fe4c-4be3-97b9-a97e5d09b0cd"
    volume.mkdir(parents=True)
    node = "live-mtu"
    try:
        async with opened(second.socket, node, tmp_path, policy=Policy(network_mtu=1400)) as docker_engine:
            engine_id = await docker_engine.create_server(a_spec(volume), 1)
            await docker_engine.start(engine_id)
        assert engine.call("GET", "/networks/lightd")["Options"]["com.docker.network.driver.mtu"] == "1400"
        pid = engine.call("GET", f"/containers/{engine_id}/json")["State"]["Pid"]
        assert " mtu 1400 " in as_root("nsenter", "--target", pid, "--net", "ip", "link", "show", "eth0")
    finally:
        engine.remove_labelled(node)
        engine.call("DELETE", "/networks/lightd")


def test_mtu_of_a_hosts_uplink_is_found(second):
    """In the engine's own network namespace, whose uplink is made here."""
    inside = ("nsenter", f"--net={second.folder / 'network'}")
    as_root(*inside, "ip", "link", "add", "uplink", "mtu", "1400", "type", "bridge")
    as_root(*inside, "ip", "link", "set", "uplink", "up")
    as_root(*inside, "ip", "route", "add", "default", "dev", "uplink")
    try:
        look = "from lightd.engines.host import uplink; print(uplink.read_mtu())"
        # unshare gives it a /sys of that namespace
        script = f"mount -t sysfs sys /sys && {sys.executable} -c '{look}'"
        command = dockerd.as_root(*inside, "unshare", "--mount", "sh", "-c", script)
        assert run(*command).strip() == "1400"
    finally:
        as_root(*inside, "ip", "link", "delete", "uplink")
