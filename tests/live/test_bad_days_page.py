"""The page of operations on bad days: each block in the trouble that it is for, and what it shows of that."""

import json
import os
import socket
import subprocess

import pytest
import trio

from tests.rig import engine
from tests.support.daemon import free_port, inspect, serving, settled
from tests.support.journal_file import rename_last
from tests.support.page import open_shell
from tests.support.page_blocks import blocks
from tests.support.quota_scene import unmount

PAGE = "docs/operations.md"
ID = "bad-day"
TAKEN = 25570
"""The port that the page asks about."""


@pytest.fixture(autouse=True)
def docker_command():
    """The page uses Docker's command."""
    engine.require("docker")


def to_answers(said):
    """The JSON values in what a block printed, and the text behind them."""
    found, decoder = [], json.JSONDecoder()
    while said.startswith("{"):
        value, end = decoder.raw_decode(said)
        found.append(value)
        said = said[end:].lstrip()
    return found, said


async def test_crash_loop_is_found_with_its_code_its_reason_and_its_last_lines(installed, page_shell):
    (look,) = blocks(PAGE, "A server crashes again and again")
    await installed.create(
        ID,
        command="crash-looper 7 0.1",
        start_pattern="Ready",
        restart_policy={"mode": "on-crash", "max": 1, "within": 60},
    )
    await installed.create("bad-day-well", start_pattern="Ready")
    for internal_id in (ID, "bad-day-well"):
        await installed.power("start", internal_id, status=None)
    with trio.fail_after(60):
        while not ((await installed.show(ID))["error"] or "").startswith("crash loop:"):
            await trio.sleep(0.05)
    found, _, rest = (await page_shell.run(look)).partition("\n")
    assert found == ID
    (crash, logs), _ = to_answers(rest)
    assert (crash["code"], crash["oom_killed"]) == (7, False)
    assert crash["reason"] == "the process ended with exit code 7"
    assert crash["tail"][-2:] == ["Ready", "Crashing with 7"]
    lines = [line["text"] for line in logs["lines"]]
    assert lines.count("Crashing with 7") == 2


async def test_rebinding_that_failed_says_why_and_who_has_the_port(installed, page_shell):
    engine.require("ss")
    (look,) = blocks(PAGE, "A reinstallation or a rebinding fails")
    for port in (TAKEN, old := free_port()):
        await installed.post("/network/ports", {"ip": "127.0.0.1", "port": port})
    await installed.create(ID, start_pattern="Ready", ports=[{"ip": "127.0.0.1", "port": old}])
    await installed.power("start", ID)
    began = inspect(ID)["State"]["StartedAt"]
    binding = {"ports": [{"ip": "127.0.0.1", "port": TAKEN}]}
    with socket.create_server(("127.0.0.1", TAKEN)):
        await installed.post(f"/containers/{ID}/rebind-network", binding, 409, wait=60)
        (operation,), rest = to_answers(await page_shell.run(look))
    assert (operation["kind"], operation["status"]) == ("rebind", "failed")
    assert operation["error"] == f"Port {TAKEN}/tcp is in use on the host"
    sockets, containers = rest.split("CONTAINER ID")
    assert f"127.0.0.1:{TAKEN}" in sockets
    assert f"pid={os.getpid()}," in sockets
    assert len(containers.strip().splitlines()) == 2
    assert inspect(ID)["State"]["StartedAt"] == began
    assert [port["port"] for port in (await installed.show(ID))["ports"]] == [old]


async def test_reinstallation_that_failed_says_why_and_the_old_container_starts(installed, page_shell):
    engine.require("ss")
    (look,) = blocks(PAGE, "A reinstallation or a rebinding fails")
    await installed.create(ID, start_pattern="Ready")
    before = inspect(ID)["Id"]
    await installed.post(f"/containers/{ID}/reinstall", {"install_script": "exit 3"}, 409, wait=60)
    (operation,), rest = to_answers(await page_shell.run(look))
    assert (operation["kind"], operation["status"]) == ("reinstall", "failed")
    assert operation["error"] == "the install script ended with exit code 3"
    assert f"lightd-{ID}" in rest
    assert (await installed.power("start", ID))["status"] == "succeeded"
    assert inspect(ID)["Id"] == before


@pytest.fixture
def small_disk(tmp_path):
    """The folder of an installation whose disk has a few MiB."""
    engine.require_root()
    folder = tmp_path / "node"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no filesystem can be mounted here")
    yield folder
    unmount(folder)


async def test_full_disk_is_seen_refuses_what_can_not_be_recorded_and_ends_no_server(
    docker, small_disk, tmp_path
):
    (look,) = blocks(PAGE, "The disk is full")
    daemon_log = tmp_path / "log"
    daemon_log.touch()
    (small_disk / "log.jsonl").symlink_to(daemon_log)
    async with (
        serving(small_disk, server={"host": "127.0.0.1", "port": free_port()}) as daemon,
        open_shell(PAGE, daemon, ID, tmp_path / "bin") as shell,
    ):
        await daemon.create(ID, start_pattern="Ready")
        await daemon.power("start", ID)
        assert await used(shell, look, small_disk) < 90
        (volume,) = [found["id"] for found in (await daemon.get("/volumes"))["volumes"]]
        command = ["dd", "if=/dev/zero", f"of={small_disk}/storage/volumes/{volume}/big"]
        filled = await trio.run_process(command, capture_stderr=True, check=False)
        assert b"No space left" in filled.stderr
        assert await used(shell, look, small_disk) == 100
        await fill_the_journal(daemon)
        refused = await daemon.post(f"/containers/{ID}/stop", status=507)
        assert refused["code"] == "journal_unavailable"
        assert (await daemon.show(ID))["state"] == "running"
        await daemon.call("DELETE", f"/volumes/{volume}/files", {"paths": ["big"]})
        assert await used(shell, look, small_disk) < 90
        assert (await daemon.power("stop", ID))["status"] == "succeeded"


async def used(shell, look, folder):
    """How full the disk of the installation is, in percent, by the block's table."""
    head, storage, engines = (line.split() for line in (await shell.run(look)).splitlines())
    assert head[4] == "Use%"
    assert storage[5] == str(folder)
    assert engines[4].endswith("%")
    return int(storage[4].rstrip("%"))


async def fill_the_journal(daemon):
    """Use up the room that the journal's file had left."""
    for number in range(20_000):
        answer = await daemon.call("POST", "/network/ports", {"ip": "127.0.0.1", "port": 1024 + number}, None)
        if answer.get("code") == "journal_unavailable":
            return
    pytest.fail("the journal has room without end")


async def test_quarantine_is_found_explained_and_ended(installed, page_shell):
    (look,) = blocks(PAGE, "A container in quarantine")
    for internal_id in (ID, "bad-day-well"):
        await installed.create(internal_id, start_pattern="Ready")
        await installed.power("start", internal_id)
    installed.kill()
    kind = rename_last(installed, ID, "container.stop-timed-out")  # nobody had asked for a stop
    await installed.start()
    await installed.engine_up()
    assert (await installed.show(ID))["quarantined"] is True
    rename_last(installed, ID, kind)
    found, *traceback, revived = (await page_shell.run(look)).strip().splitlines()
    assert found == ID
    assert traceback[0].startswith("Traceback (most recent call last):")
    assert "stop-timed-out" in "\n".join(traceback) or "StopTimedOut" in "\n".join(traceback)
    assert json.loads(revived)["internal_id"] == ID
    with trio.fail_after(60):
        while (await installed.show(ID))["quarantined"]:
            await trio.sleep(0.05)
    await settled(installed, ID, state="running")
    assert (await installed.power("stop", ID))["status"] == "succeeded"
