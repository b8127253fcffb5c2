"""Pulls, from a registry on this machine."""

import pytest
import trio

from actors.container.engine import EngineRefused
from tests.rig import engine as rig
from tests.support.doubles.registry import open_registry

pytestmark = pytest.mark.live


async def test_image_is_pulled_and_its_progress_told(engine):
    with open_registry() as (registry, host):
        image = f"{host}/slow/image:1"
        said = []
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(engine.ensure_image, image, said.append)
                while not any("Downloading" in line for line in said):
                    await trio.sleep(0.01)
                registry.release.set()
            assert (said[0], said[-1]) == (f"Pulling {image}", f"Pulled {image}")
            said.clear()
            await engine.ensure_image(image, said.append)
            assert said == []
        finally:
            rig.call("DELETE", f"/images/{image}", force=1)


async def test_cancelled_pull_has_really_ended(engine):
    with open_registry() as (registry, host):
        image = f"{host}/slow/image:2"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine.ensure_image, image, lambda _: None)
            while not registry.asked.is_set():
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        while not registry.left.is_set():
            await trio.sleep(0.01)
        assert rig.call("GET", f"/images/{image}/json") is None


async def test_image_that_the_registry_lacks_is_refused(engine):
    with open_registry() as (_, host), pytest.raises(EngineRefused, match=r"There is no such image"):
        await engine.ensure_image(f"{host}/other/image:1", lambda _: None)
