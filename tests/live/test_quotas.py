"""Volumes with sizes on a real engine: what the kernel enforces, what lightd stops, what a restart finds."""

import os
import subprocess

import httpx
import pytest
import trio

from tests.rig import engine
from tests.support.daemon import HEADERS, NO_AUTHORITIES, Daemon, serving
from tests.support.pool import POOL, a_volume, image_of, in_mount_table, volumes_of
from tests.support.quota_scene import unmount

ACCOUNTED = {"base_path": "./storage", "quota": "accounted"}

FILL = (
    "dd if=/dev/zero of=a bs=1M count=40; echo first $?; read go; "
    "dd if=/dev/zero of=b bs=1M count=40; echo second $?; read go"
)
RUNAWAY = "i=0; while i=$((i+1)); do dd if=/dev/zero of=f$i bs=64k count=16 2>/dev/null; sleep 0.2; done"


def fits(volume, megabytes):
    """Whether the kernel takes so much in the volume."""
    command = ["dd", "if=/dev/zero", f"of={volume}/written", "bs=1M", f"count={megabytes}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
async def accounting(docker, tmp_path):
    async with serving(tmp_path, storage=ACCOUNTED) as daemon:
        yield daemon


async def test_full_server_gets_an_error_from_the_kernel_and_goes_on_when_its_volume_grows(pooled):
    volume = await a_volume(pooled, 32)
    await pooled.create("quota-full", command=FILL, volume_id=volume)
    async with pooled.console("quota-full") as console:
        await pooled.power("start", "quota-full")
        await console.until("console", "first 1")
        assert "Disk quota exceeded" in console.text or "No space left" in console.text
        if not any("Error: the volume is full" in str(frame.get("data")) for frame in console.frames):
            await console.until("daemon_message", "Error: the volume is full")
        quota = await pooled.get(f"/volumes/{volume}/quota")
        assert (quota["size_mb"], quota["kind"]) == (32, "btrfs")
        assert 31 <= quota["used_mb"] <= 32
        refused = await pooled.post(
            f"/volumes/{volume}/files", {"path": "big", "content": "x" * 1_500_000}, status=507
        )
        assert refused["code"] == "no_space"
        below = await pooled.post(f"/volumes/{volume}/resize", {"size": 16}, status=409)
        assert below["code"] == "quota_below_usage"
        assert (await pooled.get(f"/volumes/{volume}"))["quota_mb"] == 32
        await pooled.post(f"/volumes/{volume}/resize", {"size": 128})
        await console.send("send_command", command="go")
        await console.until("console", "second 0")
    assert (await pooled.show("quota-full"))["state"] == "running"
    quota = await pooled.get(f"/volumes/{volume}/quota")
    assert 70 <= quota["used_mb"] <= 73


async def test_installer_is_held_to_the_size_too(pooled):
    script = "dd if=/dev/zero of=big bs=1M count=40 || exit 9"
    volume = await a_volume(pooled, 16)
    await pooled.create("quota-install", wait=False, volume_id=volume, install_script=script)
    async with pooled.console("quota-install") as console:
        await console.until("event", "failed")
    assert "exit code 9" in (await pooled.show("quota-install"))["error"]


async def test_pool_is_mounted_before_any_server_starts_and_ceilings_are_restored(pooled):
    volume = await a_volume(pooled, 24)
    await pooled.post(f"/volumes/{volume}/files", {"path": "kept", "content": "kept"})
    await pooled.create("quota-boot", command="cat kept; stdin-echo", start_pattern="Ready", volume_id=volume)
    assert pooled.stop() == 0
    assert in_mount_table(volumes_of(pooled)) == 1  # servers run on
    unmount(volumes_of(pooled))  # the host was booted
    await pooled.start()
    await pooled.engine_up()
    async with pooled.console("quota-boot") as console:
        await pooled.power("start", "quota-boot")
        await console.until("console", "kept")
    quota = await pooled.get(f"/volumes/{volume}/quota")
    assert (quota["size_mb"], quota["kind"]) == (24, "btrfs")
    assert not fits(volumes_of(pooled) / volume, 40)


async def test_volume_that_is_not_mounted_keeps_its_server_offline(pooled):
    volume = await a_volume(pooled, 24)
    await pooled.create("quota-gone", start_pattern="Ready", volume_id=volume)
    pooled.stop()
    unmount(volumes_of(pooled))
    good = image_of(pooled).rename(image_of(pooled).with_suffix(".aside"))
    image_of(pooled).write_bytes(b"broken" * 100_000)
    await pooled.start()
    await pooled.engine_up()
    answer = await pooled.power("start", "quota-gone", status=409)
    assert answer["status"] == "failed"
    assert answer["error"] == f"volume {volume} is not mounted: its folder is missing"
    shown = await pooled.show("quota-gone")
    assert (shown["state"], shown["error"]) == ("offline", answer["error"])
    assert list(volumes_of(pooled).iterdir()) == []
    refused = await pooled.post("/volumes", {"size": 8}, status=409)
    assert refused["code"] == "volume_not_mounted"
    body = {"internal_id": "quota-new", "image": engine.IMAGE, "volume_id": volume, "startup_command": "true"}
    answer = await pooled.post("/containers", body, 409, wait=60)
    assert "is not mounted" in answer["error"]
    pooled.stop()
    good.rename(image_of(pooled))
    await pooled.start()
    await pooled.engine_up()
    assert (await pooled.power("start", "quota-gone"))["status"] == "succeeded"


async def test_pool_grows_with_the_configuration_while_servers_run(pooled):
    volume = await a_volume(pooled, 64)
    await pooled.create("quota-grow", start_pattern="Ready", volume_id=volume)
    await pooled.power("start", "quota-grow")
    before = os.statvfs(volumes_of(pooled))
    pooled.stop()
    bigger = Daemon(pooled.folder, node=pooled.node, settings={"storage": {**POOL, "pool_mb": 512}})
    pooled.settings = bigger.settings
    await pooled.start()
    await pooled.engine_up()
    after = os.statvfs(volumes_of(pooled))
    assert after.f_blocks * after.f_frsize - before.f_blocks * before.f_frsize == 256 << 20
    assert (await pooled.show("quota-grow"))["state"] == "running"


async def test_volumes_made_under_kill_minus_nine_are_whole_or_not_there(pooled):
    """What was acknowledged is there with its ceiling; of the rest nothing is left but what was recorded."""
    acknowledged = []

    def post():
        return httpx.post(
            f"{pooled.url}/volumes",
            json={"size": 8},
            headers=HEADERS,
            timeout=60,
            trust_env=False,
            verify=NO_AUTHORITIES,
        )

    async def ask():
        while True:
            try:  # in a thread: trio's httpx would leave an unfinished body to the garbage collector
                answer = await trio.to_thread.run_sync(post)
            except httpx.TransportError:
                return
            acknowledged.append(answer.json()["id"])

    for more in (1, 4, 2, 7):
        enough = len(acknowledged) + more
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(ask)
                while len(acknowledged) < enough:
                    await trio.sleep(0.001)
                pooled.kill()
        await pooled.start()
    known = {volume["id"] for volume in (await pooled.get("/volumes"))["volumes"]}
    assert set(acknowledged) <= known
    assert {path.name for path in volumes_of(pooled).iterdir()} == known
    for volume in known:
        quota = await pooled.get(f"/volumes/{volume}/quota")
        assert (quota["size_mb"], quota["kind"]) == (8, "btrfs")
    assert not fits(volumes_of(pooled) / min(known), 20)


async def test_runaway_is_stopped_where_the_kernel_does_not_help(accounting):
    volume = await a_volume(accounting, 8)
    await accounting.create("quota-run", command=RUNAWAY, volume_id=volume, stop={"timeout": 1})
    async with accounting.console("quota-run") as console:
        await accounting.power("start", "quota-run")
        await console.until("daemon_message", "Error: the volume is full")
        path = f"/volumes/{volume}/files"
        refused = await accounting.post(path, {"path": "x", "content": ""}, status=507)
        assert refused["code"] == "no_space"
        await console.until("daemon_message", "the server is stopped")
        await console.until("event", "exit")
    assert (await accounting.show("quota-run"))["state"] == "offline"
    quota = await accounting.get(f"/volumes/{volume}/quota")
    assert quota["kind"] == "accounted"
    assert 8 < quota["used_mb"] < 40


HIDDEN = {
    "open": "exec 3>hidden; rm hidden; while :; do head -c 1048576 /dev/zero >&3; sleep 0.2; done",
    "many": (
        "f() { exec 3>hidden; rm hidden; head -c 1048576 /dev/zero >&3; sleep 1000; };"
        " while :; do f & sleep 0.2; done"
    ),
}


@pytest.mark.parametrize("how", HIDDEN)
async def test_server_that_hides_its_bytes_in_deleted_files_is_stopped_like_any_other(accounting, how):
    volume = await a_volume(accounting, 8)
    await accounting.create("quota-hide", command=HIDDEN[how], volume_id=volume, stop={"timeout": 1})
    async with accounting.console("quota-hide") as console:
        await accounting.power("start", "quota-hide")
        await console.until("daemon_message", "Error: the volume is full")
        assert list((volumes_of(accounting) / volume).iterdir()) == []
        assert (await accounting.get(f"/volumes/{volume}/quota"))["used_mb"] > 8
        body = {"path": "x", "content": ""}
        refused = await accounting.post(f"/volumes/{volume}/files", body, status=507)
        assert refused["code"] == "no_space"
        await console.until("daemon_message", "the server is stopped")
        await console.until("event", "exit")
    await accounting.post(f"/volumes/{volume}/files", body)
    assert (await accounting.get(f"/volumes/{volume}/quota"))["used_mb"] < 1


async def test_installer_that_hides_its_bytes_in_deleted_files_is_stopped_too(accounting):
    volume = await a_volume(accounting, 8)
    script = f"cd /mnt/server; {HIDDEN['open']}"
    await accounting.create("quota-hide", wait=False, volume_id=volume, install_script=script)
    async with accounting.console("quota-hide") as console:
        await console.until("daemon_message", "Error: the volume is full")
    await accounting.call("DELETE", "/containers/quota-hide")


async def test_start_on_a_missing_volume_folder_is_refused(accounting):
    volume = await a_volume(accounting, 8)
    await accounting.create("quota-miss", volume_id=volume)
    (volumes_of(accounting) / volume).rmdir()
    answer = await accounting.power("start", "quota-miss", status=409)
    assert answer["error"] == f"volume {volume} is not mounted: its folder is missing"
    assert not (volumes_of(accounting) / volume).exists()
