"""What only Docker has to show: how a container is confined, and what the host sees of it."""

import os
import uuid

import attrs
import pytest
import trio

from actors.container.engine import EngineRefused, Missing, Role
from actors.container.spec import Limits, Mount, PortBinding
from lightd.engines.host import cgroups
from tests.rig import engine as rig
from tests.support.docker_scene import a_spec, opened, printed
from tests.support.doubles.engine_proxy import open_engine_proxy

pytestmark = pytest.mark.live


# ---- the container


async def test_server_is_confined(docker, node, volume_path, tmp_path):
    async with opened(docker, node, tmp_path, tmp_path) as engine:
        await check_server_is_confined(engine, node, volume_path, tmp_path)


async def check_server_is_confined(engine, node, volume, tmp_path):
    spec = a_spec(
        volume,
        limits=Limits(memory=128 << 20, cpu=0.5, pids=77),
        ports=(PortBinding("127.0.0.1", 18766, "udp", 99), PortBinding("127.0.0.1", 18766, "tcp", 99)),
        mounts=(Mount("/extra", str(tmp_path)), Mount("/maps", str(tmp_path), read_only=True)),
        environment=(("EULA", "true"), ("HOME", "/home/other")),
    )
    found = rig.call("GET", f"/containers/{await engine.create_server(spec, 1)}/json")
    assert found["Name"] == f"/lightd-{spec.internal_id}"
    config, host = found["Config"], found["HostConfig"]
    assert (config["User"], config["WorkingDir"]) == ("988:988", "/home/container")
    assert config["Entrypoint"] == ["/bin/sh", "/app/data/entrypoint.sh"]
    assert (config["Tty"], config["OpenStdin"], config["StdinOnce"]) == (True, True, False)
    assert {"EULA=true", "HOME=/home/other"} <= set(config["Env"])
    assert config["Labels"].items() >= {
        "lightd.managed": "true", "lightd.internal_id": spec.internal_id, "lightd.node": node,
        "lightd.role": "server",
    }.items()  # fmt: skip
    assert (host["Memory"], host["MemorySwap"]) == (128 << 20, 128 << 20)
    assert (host["NanoCpus"], host["PidsLimit"]) == (500_000_000, 77)
    assert host["Init"] is True
    assert host["CapDrop"] == ["ALL"]
    assert sorted(cap.removeprefix("CAP_") for cap in host["CapAdd"]) == ["CHOWN", "KILL", "SETGID", "SETUID"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["LogConfig"] == {
        "Type": "local",
        "Config": {"max-size": "5m", "max-file": "2", "compress": "false", "mode": "blocking"},
    }
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["PortBindings"] == {
        "99/udp": [{"HostIp": "127.0.0.1", "HostPort": "18766"}],
        "99/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18766"}],
    }
    writable = {mount["Destination"]: mount["RW"] for mount in found["Mounts"]}
    assert writable.pop("/extra")
    assert writable.pop("/home/container")
    assert writable == dict.fromkeys(("/app/data", "/maps", "/etc/machine-id"), False)
    assert host["ReadonlyRootfs"] is True
    assert host["Tmpfs"].keys() == {"/tmp"}
    assert host["ShmSize"] == 64 << 20
    assert host["Ulimits"] == [{"Name": "core", "Soft": 0, "Hard": 0}]


async def test_our_network_keeps_containers_apart(engine, volume_path):
    await engine.create_server(a_spec(volume_path), 1)
    network = rig.call("GET", "/networks/lightd")
    assert network["Driver"] == "bridge"
    assert network["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert network["Labels"]["lightd.managed"] == "true"


@pytest.mark.parametrize("command", ["stty size", "true; stty size"])
async def test_terminal_has_a_real_size_from_the_first_moment(engine, volume_path, command):
    assert await printed(engine, await engine.create_server(a_spec(volume_path, command), 1)) == "30 120\r\n"


async def test_resizing_is_seen_by_the_program(engine, volume_path):
    engine_id = await engine.create_server(a_spec(volume_path, "read line; stty size"), 1)
    async with engine.attach(engine_id) as console:
        await engine.start(engine_id)
        while (await engine.inspect(engine_id)).started_at is None:
            await trio.sleep(0.01)
        found = b""
        await engine.resize(engine_id, 77, 33)
        await console.send(b"\n")
        while data := await console.receive():
            found += data
    assert found.split()[-2:] in ([b"33", b"77"], [b"30", b"120"])  # the program may have begun after it


async def test_signal_of_an_older_journal_that_cannot_be_delivered_is_refused(engine, volume_path):
    engine_id = await engine.create_server(a_spec(volume_path, "stdin-echo"), 1)
    await engine.start(engine_id)
    with pytest.raises(EngineRefused, match="SIGABRT: choose another stop signal"):
        await engine.signal(engine_id, "SIGABRT")
    await engine.signal(engine_id, "SIGKILL")
    assert (await engine.wait_end(engine_id)).exit_code == 137


async def test_ended_container_is_not_asked_for_the_threads_that_use_its_volume(engine, volume_path):
    engine_id = await engine.create_server(a_spec(volume_path, "stdin-echo"), 1)
    await engine.start(engine_id)
    await engine.inspect(engine_id)
    assert engine.threads(volume_path.name)
    rig.call("POST", f"/containers/{engine_id}/kill")
    await engine.wait_end(engine_id)
    assert (engine.threads(volume_path.name), engine._running._found) == ([], {})


async def test_server_may_write_its_volume_but_not_where_it_starts_from(engine, volume_path):
    command = "touch /home/container/mine && echo yes; touch /app/data/mine || echo no; id -u; pwd"
    lines = (await printed(engine, await engine.create_server(a_spec(volume_path, command), 1))).split("\r\n")
    assert lines[0] == "yes"
    assert lines[-4:-1] == ["no", "988", "/home/container"]
    assert (volume_path / "mine").stat().st_uid == 988


async def test_removal_leaves_nothing_on_the_host_but_the_volume(engine, volume_path, tmp_path):
    spec = a_spec(volume_path, install_script="exit 0")
    await engine.create_installer(spec, 1)
    await engine.remove(spec.internal_id, Role.INSTALLER)
    await engine.create_server(spec, 1)
    assert (tmp_path / "containers" / spec.internal_id / "entrypoint.sh").exists()
    await engine.remove(spec.internal_id, Role.SERVER)
    assert list((tmp_path / "containers").iterdir()) == []
    assert volume_path.exists()


async def test_container_of_our_name_that_is_somebody_elses_is_not_touched(
    engine, docker, volume_path, tmp_path
):
    spec, other = a_spec(volume_path), f"live-{uuid.uuid4()}"
    try:
        async with opened(docker, other, tmp_path) as others:
            theirs = await others.create_server(spec, 1)
            with pytest.raises(EngineRefused, match="somebody else's"):
                await engine.create_server(spec, 1)
            await engine.remove(spec.internal_id, Role.SERVER)
            assert await others.inspect(theirs)
            assert await engine.list() == []
    finally:
        rig.remove_labelled(other)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"volume_id": str(uuid.uuid4())}, "is not mounted: its folder is missing"),
        (
            {"mounts": (Mount("/x", "/no/such/path"),)},
            "mount: the host path of /x is not in docker.allowed_mounts",
        ),
        ({"limits": Limits(memory=1000)}, "Docker: Minimum memory limit allowed is 6MB"),
        ({"image": "Bad Name"}, "'Bad Name' is not the name of an image"),
    ],
)
async def test_container_that_docker_can_not_make_is_refused_in_a_sentence(
    engine, volume_path, changes, sentence
):
    with pytest.raises(EngineRefused, match=sentence):
        await engine.create_server(a_spec(volume_path, **changes), 1)
    assert await engine.list() == []


async def test_image_without_a_shell_ends_at_once_and_says_why(engine, volume_path):
    engine_id = await engine.create_server(a_spec(volume_path, image=rig.BROKEN_IMAGE), 1)
    assert "exec /bin/sh failed" in await printed(engine, engine_id)
    while (snapshot := await engine.inspect(engine_id)).running:
        await trio.sleep(0.01)
    assert snapshot.exit_code == 127


# ---- the install script


async def test_installer_is_root_and_the_volume_is_the_users_afterwards(engine, volume_path, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("not theirs")
    (volume_path / "old").write_text("made by root")
    script = f"""#!/bin/sh
id -u
pwd
echo new > /mnt/server/new
mkdir -p /home/container/deep/er && touch deep/er/file
ln -s {outside} link && ln -s / root && ln -s missing dangling
cp /bin/busybox setuid && chmod 4755 setuid
mknod device c 1 3 || echo no device
stat -c %u /app/data/install.sh
touch /app/data/x || echo read-only
exit 3
"""
    engine_id = await engine.create_installer(a_spec(volume_path, install_script=script), 1)
    lines = (await printed(engine, engine_id)).splitlines()
    assert lines[:2] == ["0", "/home/container"]
    assert {"no device", "read-only"} <= set(lines)
    found = {path.name: path.lstat() for path in volume_path.rglob("*")}
    assert {"old", "new", "deep", "er", "file", "link", "root", "dangling", "setuid"} == found.keys()
    assert {(status.st_uid, status.st_gid) for status in found.values()} == {(988, 988)}
    assert found["setuid"].st_mode & 0o6000 == 0
    assert outside.stat().st_uid == os.getuid()
    while (snapshot := await engine.inspect(engine_id)).running:
        await trio.sleep(0.01)
    assert snapshot.exit_code == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_volume_is_handed_over_once_an_attempt(engine, volume_path, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("not theirs")
    (volume_path / "folder").mkdir()
    (volume_path / "folder" / "link").symlink_to(outside)
    spec = a_spec(volume_path)
    await engine.create_server(spec, 1)
    assert (volume_path / "folder" / "link").lstat().st_uid == volume_path.stat().st_uid == 988
    assert outside.stat().st_uid == 0
    other = volume_path / "folder" / "made by a server that runs as several users"
    other.touch()
    os.chown(other, 1234, 1234)
    await engine.create_server(attrs.evolve(spec, environment=(("A", "1"),)), 1)
    assert other.stat().st_uid == 1234
    await engine.create_server(spec, 2)
    assert other.stat().st_uid == 988
    await engine.create_server(attrs.evolve(spec, user="0:0"), 2)
    assert other.stat().st_uid == volume_path.stat().st_uid == 0


# ---- numbers


async def test_more_consoles_than_connections_for_calls(engine, volume_path):
    engine_id = await engine.create_server(a_spec(volume_path), 1)
    await engine.start(engine_id)
    async with trio.open_nursery() as nursery:

        async def hold(*, task_status):
            async with engine.attach(engine_id):
                task_status.started()
                await trio.sleep_forever()

        for _ in range(50):
            await nursery.start(hold)
        assert (await engine.inspect(engine_id)).running
        assert len(await engine.list()) == 1
        nursery.cancel_scope.cancel()


async def test_docker_is_asked_for_samples_where_cgroup_files_are_not_readable(
    engine, volume_path, monkeypatch
):
    engine_id = await engine.create_server(a_spec(volume_path, limits=Limits(memory=64 << 20)), 1)
    await engine.start(engine_id)
    monkeypatch.setattr(cgroups, "read_samples", lambda _: {})
    sample = (await engine.sample([engine_id]))[engine_id]
    assert sample.memory_limit == 64 << 20
    assert sample.cpu_time > 0


# ---- what is made to look into an image


async def test_look_into_an_image_leaves_nothing_and_what_a_killed_daemon_left_is_removed(
    engine, node, volume_path
):
    labels = {"lightd.managed": "true", "lightd.node": node, "lightd.role": "image"}
    left = {"Image": rig.IMAGE, "Labels": labels}
    await engine._containers.change("POST", "containers/create", left, name=f"{node}-left")
    made = await engine.create_server(a_spec(volume_path), 1)
    assert [listed.engine_id for listed in await engine.list()] == [made]
    found = rig.call("GET", "/containers/json", all=1, filters={"label": [f"lightd.node={node}"]})
    assert [row["Id"] for row in found] == [made]


# ---- how often it is asked


async def test_start_looks_at_the_container_once_before_and_once_after(docker, node, volume_path, tmp_path):
    path = tmp_path / "engine.sock"
    async with open_engine_proxy(path, docker) as proxy, opened(path, node, tmp_path) as engine:
        engine_id = await engine.create_server(a_spec(volume_path), 1)
        await engine.inspect(engine_id)
        proxy.requests.clear()
        async with engine.attach(engine_id):
            assert not (await engine.inspect(engine_id)).running
            await engine.start(engine_id)
            assert (await engine.inspect(engine_id)).running
            assert engine_id in await engine.sample([engine_id])
        looks = [asked for asked in proxy.requests if asked.endswith("/json")]
        assert len(looks) == 2


async def test_start_after_a_change_looks_at_the_container_again(docker, node, volume_path, tmp_path):
    async with opened(docker, node, tmp_path) as engine:
        engine_id = await engine.create_server(a_spec(volume_path), 1)
        await engine.inspect(engine_id)
        await engine.remove(a_spec(volume_path).internal_id, Role.SERVER)
        with pytest.raises(Missing):
            await engine.start(engine_id)
