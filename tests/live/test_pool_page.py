"""What the page of operations has a host do with a pool, and what systemd is told of it, as it stands."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from lightd.files.quota import pool
from tests.rig import engine
from tests.support.daemon import free_port
from tests.support.page import open_shell
from tests.support.page_blocks import blocks
from tests.support.pool import a_volume, image_of, in_mount_table, loop_devices, volumes_of
from tests.support.systemd import read_unit

PAGE = "docs/operations.md"
ID = "pool-page"


@pytest.fixture
async def pool_shell(pooled, tmp_path):
    """A shell beside a daemon with a pool, which keeps its port when it is started anew."""
    engine.require("findmnt", "losetup", "btrfs")
    file = json.loads(pooled.config.read_text())
    file["server"]["port"] = free_port()
    pooled.config.write_text(json.dumps(file))
    pooled.stop()
    await pooled.start()
    await pooled.engine_up()
    async with open_shell(PAGE, pooled, ID, tmp_path / "bin") as shell:
        yield shell


async def test_pool_is_seen_as_a_mount_a_loop_device_and_the_sizes_of_its_volumes(pooled, pool_shell):
    look, _ = blocks(PAGE, "Quotas")
    await a_volume(pooled, 32)
    lines = (await pool_shell.run(look)).splitlines()
    assert volumes_of(pooled).stat().st_mode & 0o777 == 0o700  # a pool is as shut as a folder
    target, source, kind, options = lines[1].split()
    assert (target, kind) == (str(volumes_of(pooled)), "btrfs")
    assert {"nodev", "nosuid", "noatime"} <= set(options.split(","))
    assert lines[2].startswith(f"{source}:")
    assert f"({image_of(pooled)})" in lines[2]
    assert any("32.00MiB" in line for line in lines[3:])


async def test_pool_is_given_up_with_every_file_and_size_kept(pooled, pool_shell):
    _, give_up = blocks(PAGE, "Quotas")
    volume = await a_volume(pooled, 32)
    await pooled.post(f"/volumes/{volume}/files", {"path": "world.dat", "content": "precious"})
    command = "cat world.dat; stdin-echo"
    await pooled.create(ID, command=command, start_pattern="Ready", volume_id=volume)
    owner, mode = (
        (volumes_of(pooled) / volume).stat().st_uid,
        (volumes_of(pooled) / volume).stat().st_mode & 0o777,
    )
    await pool_shell.run(give_up)
    await pooled.engine_up()
    assert in_mount_table(volumes_of(pooled)) == 0
    assert loop_devices(image_of(pooled)) == []
    assert not image_of(pooled).exists()
    assert not (pooled.folder / "storage/volumes.copy").exists()
    assert pooled.config.stat().st_mode & 0o777 == 0o600
    quota = await pooled.get(f"/volumes/{volume}/quota")
    assert (quota["size_mb"], quota["kind"]) == (32, "accounted")
    found = volumes_of(pooled) / volume
    assert volumes_of(pooled).stat().st_mode & 0o777 == 0o700
    assert found.stat().st_mode & 0o777 == mode
    assert (found / "world.dat").read_text() == "precious"
    assert found.stat().st_uid == owner
    async with pooled.console(ID) as console:
        await pooled.power("start", ID)
        await console.until("console", "precious")
    image_of(pooled).touch()  # which the fixture takes away


BY_THE_HOST = """
mount -t tmpfs none /var/lib
mkdir -p /var/lib/lightd
mount --bind "$1" /var/lib/lightd
mount --fstab "$2" /var/lib/lightd/storage/volumes
findmnt --noheadings --output TARGET,FSTYPE,OPTIONS /var/lib/lightd/storage/volumes
ls /var/lib/lightd/storage/volumes
umount /var/lib/lightd/storage/volumes
"""


async def test_line_of_fstab_mounts_the_pool_as_lightd_does(pooled, pool_shell, tmp_path):
    engine.require("unshare")
    (line,) = blocks(PAGE, "Quotas", "fstab")
    volume = await a_volume(pooled, 32)
    await pool_shell.run("systemctl stop lightd; umount storage/volumes")
    fstab = tmp_path / "fstab"
    fstab.write_text(line)
    command = ["unshare", "--mount", "bash", "-euc", BY_THE_HOST, "bash", str(pooled.folder), str(fstab)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: ASYNC221 - it takes no time
    assert done.returncode == 0, done.stderr
    mounted, *names = done.stdout.splitlines()
    target, kind, options = mounted.split()
    assert (target, kind) == ("/var/lib/lightd/storage/volumes", "btrfs")
    assert {"nodev", "nosuid", "noatime"} <= set(options.split(","))
    assert names == [volume]
    assert "nofail" in line.split()[3].split(",")  # a host without its pool boots all the same
    assert set(line.split()[3].split(",")) - {"nofail"} == set(pool.OPTIONS.split(","))


def test_drop_ins_are_what_systemd_takes_and_change_what_they_say(tmp_path):
    engine.require("systemd-analyze")
    (quotas,) = blocks(PAGE, "Quotas", "ini")
    (processes,) = blocks("docs/engines.md", "Settings for systemd", "ini")
    assert verify(tmp_path / "none", "[Service]\nKillModes=process\n") != ""
    for name, drop_in in (("quotas", quotas), ("processes", processes)):
        assert verify(tmp_path / name, drop_in) == ""
        plain, changed = read_unit()["Service"], read_unit(drop_in)["Service"]
        added = re.findall(r"^(\w+)=", drop_in, re.MULTILINE)
        assert added
        assert all(changed[key] != plain.get(key) for key in added)
        for capability in changed["CapabilityBoundingSet"].split():
            assert capability in capabilities(), capability


def capabilities():
    """The names of capabilities, as Linux's header has them."""
    said = subprocess.run(["systemd-analyze", "capability"], capture_output=True, text=True, check=True)
    return {line.split()[0].upper() for line in said.stdout.splitlines()[1:]}


def verify(folder, drop_in):
    """What systemd says against the unit of ``config/`` with this drop-in."""
    folder.mkdir()
    unit = (Path(__file__).parents[2] / "config/lightd.service").read_text()
    (folder / "lightd.service").write_text(unit.replace("/usr/local/bin/lightd", "/bin/true"))
    (folder / "lightd.service.d").mkdir()
    (folder / "lightd.service.d/more.conf").write_text(drop_in)
    said = subprocess.run(
        ["systemd-analyze", "verify", str(folder / "lightd.service")],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        check=False,
    )
    return "".join(line for line in said.stderr.splitlines(keepends=True) if str(folder) in line)
