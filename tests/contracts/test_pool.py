"""A pool, and what is left of one that was interrupted, is in the way, or doesn't fit."""

import os
import subprocess
from pathlib import Path

import pytest

from lightd.files.quota import pool as pools
from lightd.files.quota.btrfs import open_btrfs
from lightd.files.quota.kind import MEGABYTE, Unsupported
from lightd.files.quota.pool import Pool
from lightd.files.quota.probing import probe
from tests.rig import engine
from tests.support.quota_scene import IMAGE_MB, unmount


@pytest.fixture
def pool(tmp_path):
    """A pool that isn't open yet, in folders whose names mountinfo escapes."""
    engine.require_root()
    base = tmp_path / "a base"
    target = base / "the\tvolumes"
    target.mkdir(parents=True)
    pool = Pool(base / "volumes.img", target)
    try:
        yield pool
    finally:
        unmount(target)
        pool.image.unlink(missing_ok=True)


@pytest.fixture
def visible_pool(pool):
    """The same, where Docker could see it."""
    if pools._mount_of(pool.target).received:
        engine.give_up("this machine has a mount namespace of its own, where no pool is made")
    return pool


@pytest.fixture
def opened_pool(pool):
    engine.require("mkfs.btrfs")
    try:
        pool.open(IMAGE_MB)
    except Unsupported as why:
        pytest.skip(f"no pool here: {why}")
    return pool


def names(pool):
    return sorted(path.name for path in pool.image.parent.iterdir())


def room(pool):
    told = os.statvfs(pool.target)
    return told.f_blocks * told.f_frsize


def test_pool_is_allocated_in_whole_and_keeps_what_it_holds(opened_pool):
    state = opened_pool.image.stat()
    assert (state.st_size, state.st_mode & 0o777) == (IMAGE_MB * MEGABYTE, 0o600)
    assert state.st_blocks * 512 >= state.st_size
    (opened_pool.target / "kept").write_text("kept")
    unmount(opened_pool.target)
    assert list(opened_pool.target.iterdir()) == []
    opened_pool.open(0)
    assert (opened_pool.target / "kept").read_text() == "kept"


def test_pool_that_is_open_is_found_open(opened_pool):
    device = opened_pool.device()
    opened_pool.open(IMAGE_MB)
    opened_pool.open(0)
    assert opened_pool.device() == device
    unmount(opened_pool.target)
    assert opened_pool.device() is None


def test_no_devices_and_no_set_id_bits_work_in_a_pool(opened_pool):
    line = next(
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "a\\040base" in line
    )
    assert {"nodev", "nosuid", "noatime"} <= set(line.split(" ")[5].split(","))


@pytest.mark.parametrize("while_open", [True, False])
def test_pool_grows_and_never_shrinks(opened_pool, while_open):
    before = room(opened_pool)
    if not while_open:
        unmount(opened_pool.target)
    opened_pool.open(IMAGE_MB + 64)
    assert room(opened_pool) == before + 64 * MEGABYTE
    opened_pool.open(IMAGE_MB)
    assert room(opened_pool) == before + 64 * MEGABYTE


def test_no_pool_is_made_where_none_is_asked_for(pool):
    pool.open(0)
    assert names(pool) == ["the\tvolumes"]


def test_pool_that_a_crash_left_unfinished_is_made_anew(pool):
    pool.image.with_name("volumes.img.new").write_text("half")
    pool.open(0)
    assert names(pool) == ["the\tvolumes"]


def test_pool_would_not_hide_what_is_there(pool):
    (pool.target / "volume").mkdir()
    with pytest.raises(Unsupported, match="is not empty"):
        pool.open(IMAGE_MB)
    assert names(pool) == ["the\tvolumes"]


def test_pool_that_would_fill_the_host_is_refused_and_leaves_nothing(visible_pool):
    with pytest.raises(Unsupported, match=r"the disk only has room for \d+ MB"):
        visible_pool.open(2**40)
    assert not visible_pool.image.exists()


@pytest.mark.parametrize("broken", ["mount", "mkfs.btrfs"])
def test_pool_that_can_not_be_opened_leaves_nothing(visible_pool, monkeypatch, broken):
    real = pools._run

    def run(*command):
        real(*(("false",) if command[0] == broken else command))

    monkeypatch.setattr(pools, "_run", run)
    with pytest.raises(Unsupported, match=r"false failed: 1|is not installed"):
        visible_pool.open(IMAGE_MB)
    visible_pool.open(0)
    assert names(visible_pool) == ["the\tvolumes"]


def test_tool_that_is_missing_or_hangs_is_said(visible_pool, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unsupported, match=r"mkfs.btrfs is not installed"):
        visible_pool.open(IMAGE_MB)
    monkeypatch.undo()

    def hang(*command):
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(pools, "_run", hang)
    with pytest.raises(Unsupported, match=r"mkfs.btrfs does not end"):
        visible_pool.open(IMAGE_MB)


def test_pool_that_docker_would_not_see_is_refused(pool, monkeypatch):
    line = "30 1 8:1 / / rw,relatime shared:5 master:1 - ext4 /dev/sda1 rw"
    monkeypatch.setattr(pools.Path, "read_text", lambda _: line)
    with pytest.raises(Unsupported, match="its own mount namespace"):
        pool.open(IMAGE_MB)
    assert names(pool) == ["the\tvolumes"]


def test_only_root_makes_a_pool(pool, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 988)
    with pytest.raises(Unsupported, match="lightd is not root, and only root can mount it"):
        pool.open(IMAGE_MB)
    found = probe(pool.target, pool.image, "pool", IMAGE_MB)
    assert [kind.name for kind in found.kinds] == ["accounted"]
    assert found.reasons[0] == "no pool: lightd is not root, and only root can mount it"
    assert found.missing is None


def test_other_filesystem_in_its_place_is_no_pool(opened_pool):
    image = opened_pool.image.rename(opened_pool.image.with_name("other.img"))
    opened_pool.image.write_bytes(b"")
    with pytest.raises(Unsupported, match="another file system is mounted"):
        opened_pool.open(0)
    found = probe(opened_pool.target, opened_pool.image, "auto", 0)
    said = "the pool of the volumes is not mounted: another file system is mounted on storage.volumes_path"
    assert found.missing == said
    image.rename(opened_pool.image)


def test_pool_is_what_new_volumes_get(opened_pool):
    for wish, kind in (("auto", "btrfs"), ("pool", "btrfs"), ("accounted", "accounted")):
        found = probe(opened_pool.target, opened_pool.image, wish, IMAGE_MB)
        assert [kind.name for kind in found.kinds] == ["btrfs", "accounted"]
        assert found.new.name == kind
        assert found.missing is None


def test_btrfs_of_the_hosts_is_used_only_where_its_quotas_are_on(opened_pool):
    open_btrfs(str(opened_pool.target), enable=True)
    found = probe(opened_pool.target, opened_pool.image.with_name("none"), "auto", 0)
    assert found.kinds[0].name == "btrfs"
    unmount(opened_pool.target)
    opened_pool.image.unlink()
    with opened_pool.image.open("wb") as file:
        file.truncate(IMAGE_MB * MEGABYTE)
    subprocess.run(["mkfs.btrfs", "-q", opened_pool.image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", opened_pool.image, opened_pool.target], check=True)
    found = probe(opened_pool.target, opened_pool.image.with_name("none"), "auto", 0)
    assert [kind.name for kind in found.kinds] == ["accounted"]
    assert any("quotas are not enabled on that btrfs" in reason for reason in found.reasons)
