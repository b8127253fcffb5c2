"""A daemon whose volumes are in a pool, and what the kernel shows of it."""

import os
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.rig import engine
from tests.support.daemon import Daemon
from tests.support.quota_scene import unmount

POOL = {"base_path": "./storage", "quota": "pool", "pool_mb": 256}


def volumes_of(daemon):
    return daemon.folder / "storage/volumes"


def image_of(daemon):
    return daemon.folder / "storage/volumes.img"


def loop_devices(image):
    """The loop devices that have ``image`` open."""
    found = subprocess.run(["losetup", "-j", str(image)], capture_output=True, text=True, check=True)
    return found.stdout.splitlines()


def has_btrfs():
    return "btrfs" in Path("/proc/filesystems").read_text()


def in_mount_table(folder):
    return sum(
        line.split(" ")[4] == str(folder) for line in Path("/proc/self/mountinfo").read_text().splitlines()
    )


@asynccontextmanager
async def open_pooled(tmp_path):
    """Yield a daemon whose volumes are in a pool; nothing of it stays mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a pool")
    if not has_btrfs():
        pytest.skip("this kernel has no btrfs")
    engine.require("mkfs.btrfs")
    daemon = Daemon(tmp_path, settings={"storage": POOL})
    try:
        await daemon.start()
        await daemon.engine_up()
        yield daemon
    finally:
        daemon.end()
        engine.remove_labelled(daemon.node)
        unmount(volumes_of(daemon))
        with trio.fail_after(30, shield=True):  # a container that is just being made may hold the mount
            while loop_devices(image_of(daemon)):
                await trio.sleep(0.05)
        image_of(daemon).unlink()


async def a_volume(daemon, size):
    return (await daemon.post("/volumes", {"size": size}, status=201))["id"]
