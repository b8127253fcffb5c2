"""Each volume has a user of its own, and its servers a name for him, on a real engine."""

import json
import os
import platform

import pytest

from tests.rig import engine
from tests.support.daemon import inspect, serving
from tests.support.elf import to_program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

ONE, OTHER = "user-one", "user-other"
FIRST = 710_000
DOCKER = {"socket_path": engine.socket_path(), "user": "auto", "user_range": f"{FIRST}-{FIRST + 99}"}


@pytest.fixture
async def separated(docker, tmp_path):
    settings = {**DOCKER, "allowed_mounts": [str(tmp_path)]}
    async with serving(tmp_path, docker=settings) as daemon:
        yield daemon


def owner(node, volume_id, name=""):
    return (node.folder / "storage/volumes" / volume_id / name).lstat().st_uid


async def printed(node, internal_id):
    lines = (await node.get(f"/containers/{internal_id}/logs", lines=100))["lines"]
    return [line["text"] for line in lines]


async def test_servers_of_two_volumes_are_two_users_and_those_of_one_volume_are_one(separated):
    one, other = await separated.volume(), await separated.volume()
    assert (owner(separated, one), owner(separated, other)) == (FIRST, FIRST + 1)
    await separated.post(f"/volumes/{one}/files", {"path": "a/file", "content": "x"})
    await separated.post(f"/volumes/{one}/copy", {"source": "a", "destination": "b"})
    await separated.post(
        f"/volumes/{one}/compress", {"format": "tar", "output_name": "c.tar", "sources": ["a"]}
    )
    await separated.post(f"/volumes/{one}/decompress", {"archive_path": "c.tar", "destination": "d"})
    for name in ("a", "a/file", "b/file", "c.tar", "d", "d/a/file"):
        assert owner(separated, one, name) == FIRST, name
    for internal_id, volume in ((ONE, one), (OTHER, other), ("user-too", one)):
        await separated.create(internal_id, "stdin-echo", volume_id=volume, install_script="touch installed")
    assert inspect(ONE)["Config"]["User"] == inspect("user-too")["Config"]["User"] == f"{FIRST}:{FIRST}"
    assert inspect(OTHER)["Config"]["User"] == f"{FIRST + 1}:{FIRST + 1}"
    assert owner(separated, one, "installed") == FIRST


# all: mov eax, 253 (inotify_init); syscall; test eax, eax; jns all
# wait: mov eax, 34 (pause); syscall; jmp wait
TAKES_ALL = "b8fd0000000f0585c079f5b8220000000f05ebf7"
# mov eax, 253 (inotify_init); syscall; mov edi, eax; shr edi, 31; mov eax, 60 (exit); syscall
TAKES_ONE = "b8fd0000000f0589c7c1ef1fb83c0000000f05"


async def a_volume_with(node, code):
    volume = await node.volume()
    program = node.folder / "storage/volumes" / volume / "program"
    program.write_bytes(to_program(bytes.fromhex(code)))
    program.chmod(0o755)
    return volume


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the programs are in this machine's language")
async def test_server_that_takes_all_inotify_instances_leaves_others_theirs(separated):
    taker, neighbour = await a_volume_with(separated, TAKES_ALL), await a_volume_with(separated, TAKES_ONE)
    command = "sh -c './program & sleep 2; echo taken; sleep 1000'"
    await separated.create(ONE, command, volume_id=taker, start_pattern="taken", tty=False)
    command = "sh -c './program && echo had one || echo had none; sleep 1000'"
    await separated.create(OTHER, command, volume_id=neighbour, start_pattern="had", tty=False)
    await separated.create(
        "user-too",
        command.replace("./program", "/n/program"),
        volume_id=taker,
        start_pattern="had",
        tty=False,
        mount={"/n": str(separated.folder / "storage/volumes" / neighbour)},
    )
    for internal_id in (ONE, OTHER, "user-too"):
        assert (await separated.power("start", internal_id))["status"] == "succeeded"
    assert await printed(separated, OTHER) == ["had one"]
    assert await printed(separated, "user-too") == [
        "had none"
    ]  # it shares the taker's user, so all were taken


WHO = (
    "sh -c 'whoami; id -un; id -gn; echo $HOME $USER $LOGNAME; cat /etc/machine-id; head -n 1 /etc/passwd;"
    " echo told; sleep 1000'"
)


async def test_server_has_a_name_a_home_and_a_machine_id_that_stays(separated):
    await separated.create(ONE, WHO, start_pattern="told", tty=False)
    await separated.power("start", ONE)
    told = await printed(separated, ONE)
    name, again, group, names, machine, first, _ = told
    assert name == again == group == "container1"  # the image has a user "container" of another number
    assert names == "/home/container container1 container1"
    assert len(machine) == 32
    assert int(machine, 16)
    assert first == "root:x:0:0:root:/root:/bin/sh"
    await separated.power("kill", ONE)
    await separated.post(f"/containers/{ONE}/rebind-network", {"ports": []}, wait=60)
    await separated.power("start", ONE)
    assert (await printed(separated, ONE))[-7:] == told
    await separated.create(OTHER, WHO, start_pattern="told", tty=False)
    await separated.power("start", OTHER)
    assert (await printed(separated, OTHER))[4] != machine


async def test_image_that_has_a_name_for_the_user_keeps_its_own(separated):
    await separated.create(ONE, WHO, start_pattern="told", tty=False, user="988:988")
    await separated.power("start", ONE)
    assert (await printed(separated, ONE))[:4] == ["container"] * 3 + ["/home/container container container"]
    targets = {mount["Destination"] for mount in inspect(ONE)["Mounts"]}
    assert not targets & {"/etc/passwd", "/etc/group"}


async def test_user_of_another_volume_is_refused(separated):
    one, other = await separated.volume(), await separated.volume()
    body = {"internal_id": ONE, "image": engine.IMAGE, "startup_command": "stdin-echo", "volume_id": other}
    answer = await separated.post("/containers", {**body, "user": f"{owner(separated, one)}"}, 400)
    assert "not this volume's" in answer["error"]


async def test_volumes_of_a_fixed_user_keep_him_until_they_have_a_new_container(docker, tmp_path):
    async with serving(tmp_path, docker={**DOCKER, "user": "988:988"}) as node:
        volume = await node.volume()
        await node.create(ONE, "stdin-echo", volume_id=volume, start_pattern="Ready")
        await node.power("start", ONE)
        node.config.write_text(node.config.read_text().replace("988:988", "auto"))
        await node.post("/remote/config/reload")
        assert (await node.show(ONE))["state"] == "running"
        assert (await node.power("restart", ONE))["status"] == "succeeded"
        await node.create(OTHER, "stdin-echo", volume_id=volume)
        assert inspect(OTHER)["Config"]["User"] == "988:988"  # as all on this volume
        for internal_id in (ONE, OTHER):
            await node.call("DELETE", f"/containers/{internal_id}", wait=60)
        await node.post(f"/volumes/{volume}/files", {"path": "file", "content": "x"})
        assert owner(node, volume, "file") == 988
        await node.create(ONE, "stdin-echo", volume_id=volume)
        assert inspect(ONE)["Config"]["User"] == f"{FIRST}:{FIRST}"
        assert owner(node, volume, "file") == FIRST
        node.stop()
        await node.start()
        await node.engine_up()
        assert owner(node, await node.volume()) == FIRST + 1  # which user is whose is known after a restart
        assert json.loads(node.config.read_text())["docker"]["user"] == "auto"
