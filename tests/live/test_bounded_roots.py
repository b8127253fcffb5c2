"""Nothing outside of a volume grows without limit: tried by servers, installers and images."""

import io
import tarfile
import uuid

import attrs
import pytest
import trio

from actors.container.engine import EngineRefused, Role
from lightd.engines.docker import layers, recipe, translate
from tests.rig import engine as rig
from tests.rig import images
from tests.support.daemon import PATIENCE, inspect, serving
from tests.support.docker_scene import a_spec, opened, printed

ID = "bounded"
MIB = 1024**2

FILL = (
    "for at in / /root /run /var /var/tmp /etc /usr /opt /bin /lib /home /srv /mnt; do"
    " dd if=/dev/zero of=$at/big bs=1M count=9 2>/dev/null && echo WROTE $at; done;"
    " for at in /etc/hosts /etc/hostname /etc/resolv.conf /etc/passwd /etc/machine-id; do"
    " (echo x >>$at) 2>/dev/null && echo WROTE $at; done;"
    " for at in /tmp /dev/shm /dev; do dd if=/dev/zero of=$at/big bs=1M count=200 2>/dev/null; done;"
    " n=0; while [ $n -lt 3000 ] && mkdir -p /tmp/d$n 2>/dev/null; do n=$((n+1)); done; echo made $n;"
    " du -sm /tmp /dev/shm /dev; echo filled; sleep 1000"
)


@pytest.fixture
async def bounded(docker, tmp_path):
    docker_settings = {"socket_path": rig.socket_path(), "tmp_mb": 8, "allow_writable_root": True}
    async with serving(tmp_path, docker=docker_settings) as daemon:
        yield daemon


@pytest.mark.parametrize("user", ["988:988", "0:0"])
async def test_server_writes_to_its_volume_and_to_a_small_tmp_alone(bounded, user):
    await bounded.create(ID, f"sh -c '{FILL}'", user=user, start_pattern="filled", tty=False)
    assert (await bounded.power("start", ID))["status"] == "succeeded"
    lines = (await bounded.get(f"/containers/{ID}/logs", lines=200))["lines"]
    text = [line["text"] for line in lines]
    assert not [line for line in text if line.startswith("WROTE")]
    sizes = {line.split()[1]: int(line.split()[0]) for line in text if "\t/" in line}
    assert sizes["/tmp"] <= 9
    assert sizes["/dev/shm"] <= 65
    assert sizes["/dev"] <= 65 + 65
    [made] = [int(line.split()[1]) for line in text if line.startswith("made")]
    assert made < 8 * recipe.FILES_IN_TMP
    looked = rig.call("GET", f"/containers/lightd-{ID}/json", size="1")
    assert looked.get("SizeRw", 0) < MIB


async def test_programs_run_from_tmp_and_it_is_empty_after_a_restart(bounded):
    command = "sh -c 'ls /tmp; cp /bin/busybox /tmp/busybox && /tmp/busybox echo ran; sleep 1000'"
    await bounded.create(ID, command, start_pattern="ran", tty=False)
    for _ in range(2):
        assert (await bounded.power("start", ID))["status"] == "succeeded"
        await bounded.power("kill", ID)
    text = str(await bounded.get(f"/containers/{ID}/logs", lines=50))
    assert "busybox" not in text


async def test_container_that_may_has_a_writable_root_from_its_next_start_on(bounded):
    await bounded.create(
        ID, "sh -c '(touch /new) && echo written || echo refused; sleep 1000'", start_pattern="e[dn]$"
    )
    await bounded.power("start", ID)
    assert inspect(ID)["HostConfig"]["ReadonlyRootfs"] is True
    assert (await bounded.call("PATCH", f"/containers/{ID}", {"read_only": False}))["at_next_start"] == [
        "read_only"
    ]
    assert inspect(ID)["HostConfig"]["ReadonlyRootfs"] is True
    assert (await bounded.power("restart", ID))["status"] == "succeeded"
    made = inspect(ID)
    assert made["HostConfig"]["ReadonlyRootfs"] is False
    assert made["Config"]["Labels"][translate.BOUND] == str(recipe.ANYTHING_MB)


# ---- what has a writable root


async def until_ended(engine, engine_id):
    with trio.fail_after(PATIENCE):
        while (snapshot := await engine.inspect(engine_id)).running:
            await trio.sleep(0.05)
    return snapshot


@pytest.mark.parametrize(
    "take",
    [
        "dd if=/dev/zero of=/big bs=1M count=64",
        "mkdir -p /a/b; dd if=/dev/zero of=/a/b/big bs=1M count=64; ln -s /proc /a/link",
        "dd if=/dev/zero of=/etc/hosts bs=1M count=64",
        "exec 3>/hidden; rm /hidden; dd if=/dev/zero bs=1M count=64 >&3",
        "mkdir /many; n=0; while [ $n -lt 2000 ]; do echo >/many/$n; n=$((n+1)); done",
    ],
)
async def test_installer_that_fills_the_host_is_killed(
    docker, node, volume_path, tmp_path, monkeypatch, take
):
    monkeypatch.setattr(recipe, "_BOUND", {translate.BOUND: "32"})
    monkeypatch.setattr(layers, "MOST_FILES", 1500)
    async with opened(docker, node, tmp_path) as engine:
        spec = a_spec(volume_path, install_script=f"{take} 2>/dev/null; echo done; sleep 1000")
        engine_id = await engine.create_installer(spec, 1)
        await engine.start(engine_id)
        with trio.fail_after(PATIENCE):
            snapshot = await engine.wait_end(engine_id)  # as the daemon: nobody inspects a running installer
        assert snapshot.exit_code == 137
        assert "wrote more than 32 MB or 1500 files outside of its volume" in snapshot.killed_for
        await engine.remove(spec.internal_id, Role.INSTALLER)
        assert await engine.list() == []


async def test_installer_that_keeps_within_its_bound_and_fills_its_volume_is_let_be(
    docker, node, volume_path, tmp_path, monkeypatch
):
    monkeypatch.setattr(recipe, "_BOUND", {translate.BOUND: "32"})
    async with opened(docker, node, tmp_path) as engine:
        script = (
            "dd if=/dev/zero of=/mnt/server/big bs=1M count=64; dd if=/dev/zero of=/b bs=1M count=16; sleep 4"
        )
        engine_id = await engine.create_installer(a_spec(volume_path, install_script=script), 1)
        await engine.start(engine_id)
        snapshot = await until_ended(engine, engine_id)
        assert (snapshot.exit_code, snapshot.killed_for) == (0, "")


async def test_server_with_a_writable_root_is_bounded_too_also_by_a_new_daemon(
    docker, node, volume_path, tmp_path, monkeypatch
):
    monkeypatch.setattr(recipe, "_BOUND", {translate.BOUND: "32"})
    monkeypatch.setattr("os.geteuid", lambda: 1000)  # as an ordinary user, who asks Docker
    spec = attrs.evolve(
        a_spec(volume_path, user="0:0", read_only=False),
        startup_command="sleep 2; dd if=/dev/zero of=/b bs=1M count=64; sleep 1000",
    )
    async with opened(docker, node, tmp_path) as engine:
        engine_id = await engine.create_server(spec, 1)
        await engine.start(engine_id)
    async with opened(docker, node, tmp_path) as engine:
        assert "outside of its volume" in (await until_ended(engine, engine_id)).killed_for


@pytest.mark.parametrize(
    ("replace", "reason"),
    [
        ("rm /etc/passwd; mkfifo /etc/passwd", "The container's /etc/passwd is neither"),
        ("rm /etc/group; mkfifo /etc/pipe; ln -s pipe /etc/group", "The container's /etc/group is neither"),
        ("dd if=/dev/zero of=/etc/passwd bs=1M count=1", "The container's /etc/passwd is larger than"),
    ],
    ids=["fifo", "link", "large"],
)
async def test_server_that_replaced_the_files_that_docker_reads_is_not_started_again(
    docker, node, volume_path, tmp_path, replace, reason
):
    """Such a start never ended, nor did any later call about the container, also its removal."""
    spec = a_spec(volume_path, f"({replace}) 2>/dev/null; exit 0", user="0:0", read_only=False)
    async with opened(docker, node, tmp_path) as engine:
        engine_id = await engine.create_server(spec, 1)
        await engine.start(engine_id)
        await until_ended(engine, engine_id)
        with pytest.raises(EngineRefused, match=reason):
            await engine.start(engine_id)
        await engine.remove(spec.internal_id, Role.SERVER)
        assert await engine.list() == []


async def test_server_with_a_writable_root_that_replaced_nothing_is_started_again(
    docker, node, volume_path, tmp_path
):
    spec = a_spec(volume_path, "rm /etc/group; exit 0", user="0:0", read_only=False)
    async with opened(docker, node, tmp_path) as engine:
        engine_id = await engine.create_server(spec, 1)
        for _ in range(2):
            await engine.start(engine_id)
            assert (await until_ended(engine, engine_id)).exit_code == 0


# ---- the volumes of images


@pytest.fixture
async def image(docker, node, tmp_path, volume_path):
    """An image with volumes, one of them in the server's, and with a program that checks its health."""
    name = f"lightd-rig-{uuid.uuid4().hex[:8]}"
    async with opened(docker, node, tmp_path) as engine:
        engine_id = await engine.create_server(a_spec(volume_path), 1)
        changes = [
            "VOLUME /data /home/container/sub",
            "HEALTHCHECK --interval=1s CMD touch /home/container/checked",
        ]
        rig.call("POST", "/commit", container=engine_id, repo=name, tag="1", changes=changes)
        await engine.remove_orphan(engine_id)
    yield f"{name}:1"
    rig.call("DELETE", f"/images/{name}:1", force="1")


async def test_volumes_of_an_image_are_small_and_leave_nothing(docker, node, volume_path, tmp_path, image):
    async with opened(docker, node, tmp_path) as engine:
        command = "dd if=/dev/zero of=/data/big bs=1M count=200; du -sm /data; sleep 3; ls /home/container"
        spec = a_spec(volume_path, command, image=image, user="0:0", install_script="df /data; true")
        installer = await engine.create_installer(spec, 1)
        engine_id = await engine.create_server(spec, 1)
        for each in (installer, engine_id):
            kinds = {
                m["Destination"]: m["Type"] for m in rig.call("GET", f"/containers/{each}/json")["Mounts"]
            }
            assert "volume" not in kinds.values()
        text = await printed(engine, engine_id)
        [size] = [int(line.split()[0]) for line in text.splitlines() if line.strip().endswith("/data")]
        assert size <= 51
        assert "checked" not in text
        assert (await until_ended(engine, engine_id)).exit_code == 0


# ---- the files of an image that Docker opens at each start


def an_image(files):
    """Make an image of the test image's files and ``files``: entries of a tar, with what they contain."""
    packed, names = io.BytesIO(), [entry.name for entry, _ in files]
    with (
        tarfile.open(fileobj=io.BytesIO(images.working())) as given,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for entry in given:
            if entry.name not in names:
                archive.addfile(entry, given.extractfile(entry) if entry.isreg() else None)
        for entry, content in files:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    name, changes = f"lightd-rig-{uuid.uuid4().hex[:8]}", ["ENV PATH=/bin:/usr/bin:/sbin"]
    rig.call(
        "POST", "/images/create", body=packed.getvalue(), fromSrc="-", repo=name, tag="1", changes=changes
    )
    return f"{name}:1"


def an_entry(name, kind=tarfile.REGTYPE, link=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, link, 0o644
    return entry


FIFO = (an_entry("etc/pipe", tarfile.FIFOTYPE), b"")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([(an_entry("etc/passwd", tarfile.FIFOTYPE), b"")], "neither a file"),
        ([(an_entry("etc/group", tarfile.FIFOTYPE), b"")], "/etc/group is neither a file"),
        ([FIFO, (an_entry("etc/passwd", tarfile.SYMTYPE, "pipe"), b"")], "neither a file"),
        ([FIFO, (an_entry("etc/passwd", tarfile.SYMTYPE, "../bin/../etc/pipe"), b"")], "neither a file"),
        ([(an_entry("etc/passwd", tarfile.SYMTYPE, "/etc/passwd"), b"")], "cannot be looked at"),
        ([(an_entry("etc/passwd"), b"a:::\n" * 50_000)], "larger than"),
    ],
    ids=["fifo", "group", "link", "dots", "loop", "large"],
)
async def test_image_whose_users_docker_can_not_read_is_refused(
    docker, node, volume_path, tmp_path, files, reason
):
    """A start of one with a FIFO never ended, nor did any later call about it."""
    name = an_image(files)
    try:
        async with opened(docker, node, tmp_path) as engine:
            with pytest.raises(EngineRefused, match=reason):
                await engine.create_server(a_spec(volume_path, image=name), 1)
            with pytest.raises(EngineRefused, match=reason):
                await engine.create_installer(a_spec(volume_path, image=name), 1)
            assert await engine.list() == []
    finally:
        rig.call("DELETE", f"/images/{name}", force="1")


@pytest.mark.parametrize("link", ["users", "/etc/users", "./users"])
async def test_image_whose_users_are_elsewhere_has_them(docker, node, volume_path, tmp_path, link):
    users = b"somebody:x:988:988::/:/bin/sh\n"
    name = an_image([(an_entry("etc/users"), users), (an_entry("etc/passwd", tarfile.SYMTYPE, link), b"")])
    try:
        async with opened(docker, node, tmp_path) as engine:
            spec = a_spec(volume_path, "whoami", image=name, user="988:988")
            assert await printed(engine, await engine.create_server(spec, 1)) == "somebody\r\n"
    finally:
        rig.call("DELETE", f"/images/{name}", force="1")
