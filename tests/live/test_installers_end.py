"""What an install script leaves behind becomes the server's, and no other user of the host reaches it."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import trio

from tests.rig import engine
from tests.support.daemon import PATIENCE, USER, serving

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

NOBODY = 65534
ID = "left"
OWNER = int(USER.partition(":")[0])

PLANT = "mkdir deep; cp /bin/busybox deep/suid; chmod 6755 deep/suid; chown 0:0 deep/suid; touch planted; "


@pytest.fixture
async def open_daemon(docker):
    """A daemon in a folder that every user of the host may pass through, as /var/lib is."""
    folder = make_open_folder()
    try:
        async with serving(folder) as daemon:
            yield daemon
    finally:
        shutil.rmtree(folder)


def make_open_folder():
    folder = Path(tempfile.mkdtemp(prefix="lightd-open-"))
    folder.chmod(0o755)
    return folder


def run_as_nobody(*command):
    subprocess.run(command, check=False, user=NOBODY, group=NOBODY, extra_groups=[])


def volume_of(node, volume_id):
    return node.folder / "storage" / "volumes" / volume_id


async def until(condition):
    with trio.fail_after(PATIENCE):
        while not condition():
            await trio.sleep(0.05)


def check_harmless(folder):
    """Nothing in the volume is root's or set-id."""
    found = [folder, *folder.rglob("*")]
    assert any(path.name == "suid" for path in found)
    for path in found:
        assert path.lstat().st_uid == OWNER, path
        assert not path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID), path


async def begin(node, script):
    volume_id = await node.volume()
    await node.create(ID, wait=False, volume_id=volume_id, install_script=script)
    return volume_of(node, volume_id)


async def until_failed(node):
    with trio.fail_after(PATIENCE):
        while (await node.show(ID))["install_state"] != "failed":
            await trio.sleep(0.05)


async def until_no_installer(node):
    await until(lambda: not any("installer" in name for name in node.in_docker()))


@pytest.mark.parametrize("end", ["kill -9 $PPID; sleep 5", "exit 3", "kill -9 $$"])
async def test_files_of_an_installer_that_fails_become_the_servers(open_daemon, end):
    folder = await begin(open_daemon, PLANT + end)
    await until_failed(open_daemon)
    await until(lambda: (folder / "deep/suid").stat().st_uid == OWNER)
    await until_no_installer(open_daemon)
    check_harmless(folder)


async def test_files_of_an_installer_that_is_killed_from_outside_become_the_servers(open_daemon):
    folder = await begin(open_daemon, PLANT + "sleep 1000")
    await until((folder / "planted").exists)
    await trio.to_thread.run_sync(
        lambda: engine.call("DELETE", f"/containers/lightd.installer-{ID}", force="1", v="1")
    )
    await until_failed(open_daemon)
    await until(lambda: (folder / "deep/suid").stat().st_uid == OWNER)
    check_harmless(folder)


async def test_files_of_an_installation_that_is_aborted_become_the_servers(open_daemon):
    folder = await begin(open_daemon, PLANT + "sleep 1000")
    await until((folder / "planted").exists)
    await open_daemon.call("DELETE", f"/containers/{ID}", wait=60)
    check_harmless(folder)
    assert list((open_daemon.folder / "storage/containers").iterdir()) == []


async def test_files_of_an_installer_that_ended_while_lightd_was_dead_become_the_servers(open_daemon):
    folder = await begin(open_daemon, PLANT + "sleep 1000")
    await until((folder / "planted").exists)
    open_daemon.kill()
    await trio.to_thread.run_sync(
        lambda: engine.call("POST", f"/containers/lightd.installer-{ID}/kill", signal="SIGKILL")
    )
    assert (folder / "deep/suid").stat().st_uid == 0
    await open_daemon.start()
    await until_failed(open_daemon)
    await until(lambda: (folder / "deep/suid").stat().st_uid == OWNER)
    await until_no_installer(open_daemon)
    check_harmless(folder)


async def test_files_of_an_orphaned_installer_become_the_servers(open_daemon):
    folder = await begin(open_daemon, PLANT + "sleep 1000")
    await until((folder / "planted").exists)
    open_daemon.kill()
    for lost in (open_daemon.folder / "storage").glob("lightd.db*"):
        lost.unlink()  # with the journal, which alone knows the container
    before = (open_daemon.folder / "storage/inventory").glob("journal-*")
    for earlier in before:
        earlier.unlink()  # as if another daemon had made it
    await open_daemon.start()
    await open_daemon.engine_up()
    assert f"lightd.installer-{ID}" in open_daemon.in_docker()  # what no journal has is left alone
    command = [sys.executable, "-m", "lightd", "orphans", "--config", str(open_daemon.config), "--remove"]
    await trio.run_process([*command, f"lightd.installer-{ID}"])
    await until_no_installer(open_daemon)
    await until(lambda: (folder / "deep/suid").stat().st_uid == OWNER)
    check_harmless(folder)


async def test_installer_of_the_daemons_lost_journal_is_removed_and_its_files_become_the_servers(open_daemon):
    """It is root in its volume, and nothing would end it; the server that it was for stays."""
    await open_daemon.create(ID)
    await open_daemon.post(f"/containers/{ID}/reinstall", {"install_script": PLANT + "sleep 1000"}, wait=0)
    folder = volume_of(open_daemon, (await open_daemon.show(ID))["volume_id"])
    await until((folder / "planted").exists)
    open_daemon.kill()
    for lost in (open_daemon.folder / "storage").glob("lightd.db*"):
        lost.unlink()
    await open_daemon.start()
    await open_daemon.engine_up()
    await until_no_installer(open_daemon)
    await until(lambda: (folder / "deep/suid").stat().st_uid == OWNER)
    check_harmless(folder)
    assert open_daemon.in_docker() == {f"lightd-{ID}": "created"}


async def test_another_user_of_the_host_reaches_nothing_in_a_volume(open_daemon):
    volume_id = await open_daemon.volume()
    command = "sh -c 'cp /bin/busybox suid; chmod 4755 suid; echo Ready; sleep 1000'"
    await open_daemon.create(ID, command, volume_id=volume_id, user="0:0", start_pattern="Ready")
    await open_daemon.power("start", ID)
    program = volume_of(open_daemon, volume_id) / "suid"
    await until(program.exists)
    assert (program.stat().st_uid, stat.S_IMODE(program.stat().st_mode)) == (0, 0o4755)
    with pytest.raises(PermissionError):
        run_as_nobody(program, "id")


async def test_folders_of_an_earlier_version_are_shut_under_a_running_server(open_daemon):
    await open_daemon.create(ID, "stdin-echo", start_pattern="Ready")
    await open_daemon.power("start", ID)
    folders = [open_daemon.folder / "storage" / name for name in ("volumes", "containers")]
    open_daemon.stop()
    for folder in folders:
        folder.chmod(0o755)
    await open_daemon.start()
    await open_daemon.engine_up()
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700, 0o700]
    assert (await open_daemon.show(ID))["state"] == "running"
    assert (await open_daemon.power("restart", ID))["status"] == "succeeded"
