"""Pulls, from a registry on this machine."""

import json
import uuid

import pytest
import trio

from actors.container.engine import EngineRefused
from tests.rig import engine as rig
from tests.support.daemon import PATIENCE, USER, serving
from tests.support.docker_scene import opened
from tests.support.doubles.engine_proxy import open_engine_proxy
from tests.support.doubles.registry import open_registry
from tests.support.page import open_shell
from tests.support.page_blocks import blocks

PAGE = "docs/operations.md"

pytestmark = pytest.mark.live


async def test_image_is_pulled_and_its_progress_told(engine):
    with open_registry() as (registry, host):
        image = f"{host}/slow/image:1"
        said = []
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(engine.ensure_image, image, "missing", said.append)
                while not any("Downloading" in line for line in said):
                    await trio.sleep(0.01)
                registry.release.set()
            assert (said[0], said[-1]) == (f"Pulling {image}", f"Pulled {image}")
            said.clear()
            await engine.ensure_image(image, "missing", said.append)
            assert said == []
        finally:
            rig.call("DELETE", f"/images/{image}", force=1)


async def test_cancelled_pull_has_really_ended(engine):
    with open_registry() as (registry, host):
        image = f"{host}/slow/image:2"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine.ensure_image, image, "missing", lambda _: None)
            while not registry.asked.is_set():
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        while not registry.left.is_set():
            await trio.sleep(0.01)
        assert rig.call("GET", f"/images/{image}/json") is None


async def test_image_that_the_registry_lacks_is_refused(engine):
    with open_registry() as (_, host), pytest.raises(EngineRefused, match=r"There is no such image"):
        await engine.ensure_image(f"{host}/other/image:1", "missing", lambda _: None)


# Registries that want credentials

SECRET = "a-password-of-the-registry"


@pytest.fixture
async def logged_in(docker, tmp_path):
    """A daemon with a file of credentials that has no entry yet."""
    settings = {"socket_path": rig.socket_path(), "user": USER, "registries": "registries.json"}
    write_credentials(tmp_path)
    async with serving(tmp_path, docker=settings) as daemon:
        yield daemon


def write_credentials(folder, **auths):
    file = folder / "registries.json"
    file.write_text(json.dumps({"auths": auths}))
    file.chmod(0o600)


async def fail(daemon, internal_id, image):
    answer = await daemon.create(internal_id, image=image, wait=False)
    with trio.fail_after(PATIENCE):
        while (found := await daemon.get(f"/operations/{answer['operation_id']}"))["status"] == "pending":
            await trio.sleep(0.05)
    await daemon.call("DELETE", f"/containers/{internal_id}", wait=60)
    return found["error"]


async def test_image_is_pulled_with_the_credentials_of_its_very_host_and_no_other_sees_them(logged_in):
    with open_registry(f"me:{SECRET}") as (private, host), open_registry() as (public, other):
        private.release.set()
        public.release.set()
        images = [f"{host}/slow/image:1", f"{other}/slow/image:1"]
        try:
            assert "cannot be pulled" in await fail(logged_in, "p1", images[0])
            assert private.authorizations == {None}
            write_credentials(logged_in.folder, **{host: {"username": "me", "password": SECRET}})
            for internal_id, image in zip(("p2", "p3"), images, strict=True):
                await logged_in.create(internal_id, image=image)  # the file is read at each pull
            assert private.wanted in private.authorizations
            assert public.authorizations == {None}
            assert "cannot be pulled" in await fail(
                logged_in, "p4", f"localhost:{host.partition(':')[2]}/slow/image:1"
            )
            shown = json.dumps(await logged_in.get("/remote/config"))
            assert str(logged_in.folder / "registries.json") in shown
            for text in (
                shown,
                logged_in.log.read_text(),
                json.dumps(await logged_in.get("/containers/p2/logs")),
            ):
                assert SECRET not in text
                assert private.wanted.split()[1] not in text
        finally:
            for image in images:
                rig.call("DELETE", f"/images/{image}", force=1)


async def test_login_of_the_page_is_used_after_a_reload(docker, tmp_path):
    (login,) = blocks(PAGE, "Registries")
    (tmp_path / "password").write_text(SECRET)
    with open_registry(f"deploy:{SECRET}") as (registry, host):
        registry.release.set()
        image = f"{host}/slow/image:3"
        try:
            async with (
                serving(tmp_path) as daemon,
                open_shell(PAGE, daemon, "registry-page", tmp_path / "bin") as shell,
            ):
                said = await shell.run(login.replace("registry.example:5000", host))
                assert json.loads(said[said.index("[") :]) == ["docker.registries"]
                await daemon.create("registry-page", image=image)
        finally:
            rig.call("DELETE", f"/images/{image}", force=1)


async def test_file_of_credentials_that_cannot_be_used_is_told_where_a_pull_is_refused(logged_in):
    (logged_in.folder / "registries.json").chmod(0o644)
    with open_registry(f"me:{SECRET}") as (_, host):
        error = await fail(logged_in, "p5", f"{host}/slow/image:1")
    assert "docker.registries cannot be used: other users can read it" in error
    assert str(logged_in.folder) not in error


# Names that are none


@pytest.mark.parametrize(
    "image", ["a//b:1", "a/", "x/../../containers/y", "a%2fb", "a/..", "../containers/y"]
)
async def test_name_that_is_no_image_is_a_400_and_docker_is_not_asked(shared_daemon, image):
    body = {
        "internal_id": "bad-image",
        "image": image,
        "volume_id": await shared_daemon.volume(),
        "startup_command": "x",
    }
    answer = await shared_daemon.post("/containers", body, 400)
    assert answer["error"].startswith("image: must be the name of an image")
    answer = await shared_daemon.post("/containers/shared/reinstall", {"image": image}, 400)
    assert answer["error"].startswith("image: must be the name of an image")


async def test_name_that_an_older_journal_holds_is_refused_before_docker_is_asked(docker, tmp_path):
    path = tmp_path / "engine.sock"
    async with (
        open_engine_proxy(path, docker) as proxy,
        opened(path, f"live-{uuid.uuid4()}", tmp_path) as engine,
    ):
        for image in ("a//b:1", "x/../../containers/y"):
            with pytest.raises(EngineRefused, match="is not the name of an image"):
                await engine.ensure_image(image, "missing", lambda _: None)
        for engine_id in ("a/b", "..", "x/../../images/json", "a%2Fb"):
            with pytest.raises(EngineRefused):
                await engine.inspect(engine_id)
        assert [request for request in proxy.requests if "version" not in request] == []
