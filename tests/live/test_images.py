"""The image of a server is changed, or its tag moves, on a real engine; the volume's data is unchanged."""

import random
import uuid

import attrs
import pytest
import trio

from actors.container.engine import EngineUnavailable
from tests.rig import engine, images
from tests.support.changing import alone, ended
from tests.support.daemon import inspect
from tests.support.docker_scene import a_spec, opened
from tests.support.doubles.engine_proxy import open_engine_proxy
from tests.support.doubles.registry import open_registry
from tests.support.page import open_shell
from tests.support.page_blocks import blocks

PAGE = "docs/operations.md"
ID = "changing"
PATHS = "PATH=/bin:/usr/bin:/sbin"
COMMAND = 'echo "version $VERSION"; echo Ready; exec stdin-echo'
SCRIPT = "echo installing; echo x >>installs"


@pytest.fixture
def tagged(docker):
    """Make images of the rig's tree under names of this test; yields a function from version to name."""
    made = []

    def tag(version):
        repository = f"lightd-images-{uuid.uuid4().hex[:8]}"
        changes = [f"ENV {PATHS}", f"ENV VERSION={version}"]
        body = images.working()
        engine.call(
            "POST", "/images/create", body=body, fromSrc="-", repo=repository, tag="1", changes=changes
        )
        made.append(f"{repository}:1")
        return made[-1]

    yield tag
    for name in made:
        engine.call("DELETE", f"/images/{name}", force=1)


@pytest.fixture
def moving(docker):
    """A registry with a working image; yields its name, and a function that moves the tag to a version."""
    with open_registry() as (registry, host):
        registry.release.set()
        tree = images.working()

        def move(version):
            registry.put(tree, (PATHS, f"VERSION={version}"))

        move(1)
        name = f"{host}/slow/image:1"
        yield name, move
        found = engine.call("GET", "/images/json", all=1, filters={"reference": [name.rpartition(":")[0]]})
        for row in found if isinstance(found, list) else [found]:  # those that the tag has left, too
            engine.call("DELETE", f"/images/{row['Id']}", force=1)


async def begin(daemon, image, **fields):
    """Create a server with a file and start it; return its volume."""
    volume = await daemon.volume()
    await daemon.create(
        ID,
        COMMAND,
        image=image,
        volume_id=volume,
        install_script=SCRIPT,
        start_pattern="Ready",
        **fields,
    )
    await daemon.post(f"/volumes/{volume}/files", {"path": "world.dat", "content": "precious"})
    await daemon.power("start", ID)
    return volume


async def edit(daemon, **body):
    return await daemon.call("PATCH", f"/containers/{ID}", body)


async def lines(daemon):
    return [entry["text"] for entry in (await daemon.get(f"/containers/{ID}/logs"))["lines"]]


async def check_data(daemon, volume):
    """Check that the volume has what it had, and that the install script ran once."""
    files = (await daemon.get(f"/volumes/{volume}/files"))["files"]
    assert {entry["name"]: entry["size"] for entry in files} == {"installs": 2, "world.dat": 8}


async def test_new_image_is_used_by_the_next_start_with_the_data_and_without_the_script(daemon, tagged):
    old, new = tagged(1), tagged(2)
    volume = await begin(daemon, old)
    before = inspect(ID)
    answer = await edit(daemon, image=new)
    assert (answer["applied"], answer["at_next_start"]) == ([], ["image"])
    now = inspect(ID)
    assert (now["Id"], now["State"]["Pid"]) == (before["Id"], before["State"]["Pid"])
    assert (await daemon.show(ID))["image"] == new
    assert (await daemon.power("restart", ID))["status"] == "succeeded"
    assert [line for line in await lines(daemon) if "version" in line] == ["version 1", "version 2"]
    assert inspect(ID)["Config"]["Image"] == new
    assert await alone(daemon) == "running"
    await check_data(daemon, volume)
    events = (await daemon.get(f"/containers/{ID}/events"))["events"]
    assert [event["data"]["image"] for event in events if event["type"] == "edited"] == [new]


async def test_image_that_can_not_be_pulled_fails_the_start_and_the_old_container_starts_again(
    daemon, tagged
):
    old = tagged(1)
    volume = await begin(daemon, old)
    before = inspect(ID)["Id"]
    await edit(daemon, image="127.0.0.1:1/lightd/no-such-image:1")
    answer = await daemon.power("restart", ID, status=409)
    assert answer["status"] == "failed"
    assert "The image 127.0.0.1:1/lightd/no-such-image:1 cannot be pulled" in answer["error"]
    shown = await daemon.show(ID)
    assert (shown["state"], shown["install_state"], shown["error"]) == ("offline", "ready", answer["error"])
    assert inspect(ID)["Id"] == before
    await edit(daemon, image=old)
    assert (await daemon.power("start", ID))["status"] == "succeeded"
    assert inspect(ID)["Id"] == before
    await check_data(daemon, volume)


async def test_image_without_a_shell_fails_the_start_and_the_former_image_starts_again(daemon, tagged):
    old = tagged(1)
    volume = await begin(daemon, old)
    await edit(daemon, image=engine.BROKEN_IMAGE)
    answer = await daemon.power("restart", ID, status=409)
    assert answer["status"] == "failed"
    assert answer["error"] == "the process ended with exit code 127"
    assert "exec /bin/sh failed" in (await lines(daemon))[-1]
    assert (await daemon.show(ID))["state"] == "offline"
    await edit(daemon, image=old)
    assert (await daemon.power("start", ID))["status"] == "succeeded"
    assert await alone(daemon) == "running"
    await check_data(daemon, volume)


async def test_missing_image_that_is_never_pulled_is_a_clear_failure(daemon, moving):
    name, _ = moving
    body = {"image": name, "pull": "never", "start_pattern": "Ready"}
    answer = await daemon.create("never", wait=False, **body)
    assert (await ended(daemon, answer["operation_id"]))["error"] == (
        f"The image {name} is missing, and its pull policy is never"
    )
    assert (await daemon.show("never"))["install_state"] == "failed"
    again = await daemon.post("/containers/never/reinstall", {"pull": "missing"}, wait=60)
    assert again["status"] == "succeeded"


async def test_tag_that_has_moved_is_pulled_again_as_the_policy_says(daemon, moving):
    name, move = moving
    volume = await begin(daemon, name)
    move(2)
    await edit(daemon, image=name, environment={"A": "1"})
    await daemon.power("restart", ID)
    assert (await lines(daemon)).count("version 1") == 2
    await edit(daemon, image=name, pull="always")
    await daemon.power("restart", ID)
    assert (await lines(daemon)).count("version 2") == 1
    move(3)
    again = await daemon.post(f"/containers/{ID}/reinstall", {"run_script": False}, wait=60)
    assert again["status"] == "succeeded"
    assert (await daemon.get(f"/operations/{again['operation_id']}"))["run_script"] is False
    await daemon.power("start", ID)
    assert (await lines(daemon)).count("version 3") == 1
    assert await alone(daemon) == "running"
    await check_data(daemon, volume)


async def test_moved_image_comes_with_the_next_start_whenever_the_daemon_is_killed(daemon, moving):
    chance = random.Random(3)
    name, move = moving
    volume = await begin(daemon, name, pull="always")
    for version in range(2, 6):
        move(version)
        await edit(daemon, image=name)
        begun = await daemon.post(f"/containers/{ID}/restart")
        await trio.sleep(chance.uniform(0.0, 0.7))
        daemon.kill()
        await daemon.start()
        await daemon.engine_up()
        assert (await ended(daemon, begun["operation_id"]))["status"] == "succeeded"
        assert (await lines(daemon)).count(f"version {version}") == 1
        assert await alone(daemon) == "running"
    await check_data(daemon, volume)


async def test_container_that_is_removed_while_it_is_created_is_created_again(daemon, tagged):
    volume = await begin(daemon, tagged(1))
    old = inspect(ID)["Id"]
    await edit(daemon, image=tagged(2))
    begun = await daemon.post(f"/containers/{ID}/restart")
    with trio.fail_after(60):
        while (found := inspect(ID)) is None or found["Id"] == old:
            await trio.sleep(0.002)
    engine.call("DELETE", f"/containers/{found['Id']}", force=1)
    await ended(daemon, begun["operation_id"])
    assert (await daemon.power("start", ID))["status"] == "succeeded"
    assert [line for line in await lines(daemon) if "version" in line][-1] == "version 2"
    await check_data(daemon, volume)


async def test_container_that_is_removed_before_it_was_looked_at_is_an_outage_and_not_a_crash(
    docker, tmp_path
):
    node, name, path = f"live-{uuid.uuid4()}", "removed-at-once", tmp_path / "engine.sock"
    volume = tmp_path / "volumes" / str(uuid.uuid4())
    volume.mkdir(parents=True)
    spec = attrs.evolve(a_spec(volume), internal_id=name)
    try:
        async with open_engine_proxy(path, docker) as proxy, opened(path, node, tmp_path) as made:
            with proxy.holding(f"POST .*containers/create.*lightd-{name}", answer=True) as held:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_expect_outage, made, spec)
                    await held.arrived.wait()
                    await trio.to_thread.run_sync(
                        lambda: engine.call("DELETE", f"/containers/lightd-{name}", force=1)
                    )
                    held.let_go.set()
            assert await made.create_server(spec, 1) == inspect(name)["Id"]
    finally:
        engine.remove_labelled(node)


async def _expect_outage(made, spec):
    with pytest.raises(EngineUnavailable, match="was removed while it was being created"):
        await made.create_server(spec, 1)


async def test_image_is_moved_and_set_back_as_the_page_says(daemon, moving, tmp_path):
    name, move = moving
    take, set_back = blocks(PAGE, "An image has moved, or a new one does not start")
    await daemon.create("images-page", COMMAND, image=name, start_pattern="Ready")
    await daemon.power("start", "images-page")
    before = inspect("images-page")["Image"]
    move(2)
    async with open_shell(PAGE, daemon, "images-page", tmp_path / "bin") as shell:
        said = (await shell.run(take)).splitlines()
        assert said == ['["image"]', "succeeded", inspect("images-page")["Image"]]
        assert said[2] != before
        said = (await shell.run(f"image={name}\n{set_back}")).splitlines()
        assert said == ['["image"]', "succeeded"]
