"""What containers see of the host's folders on a real engine: what the configuration allows, nothing else."""

import ctypes
import os
from pathlib import Path

import pytest
import trio

from lightd.engines.host import mounts
from tests.rig import engine
from tests.support.daemon import PATIENCE, serving

ID, OTHER = "mount-one", "mount-other"


@pytest.fixture
def shared_folder(tmp_path):
    """A folder that a tenant may write, with another one in it."""
    folder = tmp_path / "shared"
    (folder / "maps").mkdir(parents=True)
    (folder / "maps" / "map").write_text("a map")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("a secret")
    for each in (folder, folder / "maps"):
        each.chmod(0o777)
    return folder


@pytest.fixture
async def mounting(docker, tmp_path, shared_folder):
    installed = tmp_path / "installed"
    installed.mkdir()
    settings = {"docker": {"socket_path": engine.socket_path(), "allowed_mounts": [str(shared_folder)]}}
    async with serving(installed, **settings) as daemon:
        yield daemon


async def until_printed(node, internal_id, text):
    with trio.fail_after(PATIENCE):
        while text not in str(await node.get(f"/containers/{internal_id}/logs", lines=50)):
            await trio.sleep(0.05)


async def refused_start(node, internal_id=ID):
    answer = await node.call("POST", f"/containers/{internal_id}/start", None, None, wait=60)
    assert "mount" in answer["error"], answer
    assert str(node.folder.parent) not in answer["error"]
    assert (await node.show(internal_id))["state"] == "offline"
    return answer["error"]


SHOW = "sh -c 'cat /maps/*; echo shown; sleep 1000'"


async def test_folder_that_is_replaced_by_a_link_is_not_mounted_at_the_next_start(mounting, shared_folder):
    await mounting.create(OTHER, SHOW, mount={"/maps": str(shared_folder)}, start_pattern="shown")
    await mounting.create(ID, SHOW, mount={"/maps": str(shared_folder / "maps")}, start_pattern="shown")
    answer = await mounting.power("start", ID)
    assert answer["status"] == "succeeded", answer.get("error")
    await until_printed(mounting, ID, "a map")
    await mounting.power("kill", ID)
    (shared_folder / "maps").rename(shared_folder / "old")
    (shared_folder / "maps").symlink_to(shared_folder.parent / "secret")
    assert "is not in docker.allowed_mounts" in await refused_start(mounting)
    logs = str(await mounting.get(f"/containers/{ID}/logs", lines=50))
    assert "a secret" not in logs
    assert (await mounting.power("start", OTHER))["status"] == "succeeded"  # no other container is affected
    (shared_folder / "maps").unlink()
    (shared_folder / "old").rename(shared_folder / "maps")
    answer = await mounting.power("start", ID)
    assert answer["status"] == "succeeded", answer.get("error")


async def test_link_to_what_is_allowed_too_is_not_followed_either(mounting, shared_folder):
    (shared_folder / "link").symlink_to("maps")
    body = {"mount": {"/maps": str(shared_folder / "link")}, "volume_id": await mounting.volume()}
    body |= {"internal_id": ID, "image": engine.IMAGE, "startup_command": SHOW}
    answer = await mounting.post("/containers", body, 403)
    assert answer["code"] == "mount_not_allowed"


async def test_mount_that_is_allowed_no_more_is_refused_at_the_next_start(mounting, shared_folder):
    await mounting.create(ID, SHOW, mount={"/maps": str(shared_folder / "maps")}, start_pattern="shown")
    await mounting.power("start", ID)
    mounting.config.write_text(mounting.config.read_text().replace(f'"{shared_folder}"', ""))
    await mounting.post("/remote/config/reload")
    assert (await mounting.show(ID))["state"] == "running"
    await mounting.power("stop", ID)
    assert "is not in docker.allowed_mounts" in await refused_start(mounting)


async def test_path_that_is_gone_is_told(mounting, shared_folder):
    await mounting.create(ID, SHOW, mount={"/maps": str(shared_folder / "maps")})
    (shared_folder / "maps" / "map").unlink()
    (shared_folder / "maps").rmdir()
    assert "does not exist" in await refused_start(mounting)


async def test_container_with_a_swapped_mount_is_killed(mounting, shared_folder, monkeypatch):
    """The swap comes between the look and Docker's own: here it does so each time."""
    mounting.end()
    await mounting.start()
    await mounting.engine_up()
    await mounting.create(ID, SHOW, mount={"/maps": str(shared_folder / "maps")})
    spare, secret = shared_folder / "spare", shared_folder.parent / "secret"
    spare.symlink_to(secret)
    swaps = 0
    # Exchange the folder and the link without a pause, so that some looks see the folder and Docker the link.
    stop = trio.Event()

    async def swap():
        nonlocal swaps
        while not stop.is_set():
            exchange(shared_folder / "maps", spare)
            swaps += 1
            await trio.sleep(0.002)

    refused = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(swap)
        for _ in range(12):
            answer = await mounting.call("POST", f"/containers/{ID}/start", None, None, wait=60)
            if answer.get("status") == "succeeded":
                pid = engine.call("GET", f"/containers/lightd-{ID}/json")["State"]["Pid"]
                if pid:
                    root = to_root(pid, "/maps")
                    assert root.endswith(("/shared/maps", "/shared/spare")), root
                await mounting.power("kill", ID)
            else:
                refused += 1
        stop.set()
    assert swaps
    assert refused


def to_root(pid, target):
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[4] == target:
            return fields[3]
    raise AssertionError(target)


def exchange(one, other):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


async def test_read_only_mount_can_be_read_and_not_written(mounting, shared_folder):
    command = (
        "sh -c 'cat /maps/map; touch /maps/new || echo refused; touch /rw/new && echo written; sleep 1000'"
    )
    both = {"/maps": {"source": str(shared_folder / "maps"), "read_only": True}, "/rw": str(shared_folder)}
    await mounting.create(ID, command, mount=both, start_pattern="written")
    answer = await mounting.power("start", ID)
    assert answer["status"] == "succeeded", answer.get("error")
    await until_printed(mounting, ID, "refused")
    assert (await mounting.show(ID))["mount"] == both
    assert not (shared_folder / "maps" / "new").exists()


# ---- the look itself


def test_look_follows_an_operators_link_to_the_allowed_folder_and_no_others(tmp_path):
    (tmp_path / "disk" / "maps").mkdir(parents=True)
    (tmp_path / "srv").symlink_to("disk")
    by_link, by_name = tmp_path / "srv", tmp_path / "disk"
    seen = mounts.look(f"{by_name}/maps", "/m", [by_name])
    assert mounts.look(f"{by_link}/maps", "/m", [by_link]) == seen
    assert mounts.look(f"{by_name}/maps", "/m", [by_link]) == seen
    with pytest.raises(mounts.MountRefused):
        mounts.look(f"{by_link}/maps", "/m", [by_name])
    tmp_path.chmod(0o777)  # anybody might have put the link there
    with pytest.raises(mounts.MountRefused):
        mounts.look(f"{by_link}/maps", "/m", [by_link])


def test_outer_one_of_two_allowed_folders_counts(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "maps").symlink_to(tmp_path / "secret")
    allowed = [tmp_path / "shared" / "maps", tmp_path / "shared"]
    with pytest.raises(mounts.MountRefused):
        mounts.look(str(tmp_path / "shared" / "maps"), "/m", allowed)


def test_mount_in_the_process_is_compared_with_the_checked_one(tmp_path):
    here = mounts.look("/proc", "/m", [Path("/proc")])
    mounts.check_shown(os.getpid(), [here])
    with pytest.raises(mounts.MountRefused, match="another path"):
        mounts.check_shown(os.getpid(), [here, mounts.look(str(tmp_path), "/m", [tmp_path])])
    with pytest.raises(OSError, match="No such"):
        mounts.check_shown(2**22 + 1, [here])
