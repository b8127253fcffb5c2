"""Engines on the real Docker, and what the tests of them have in common."""

from contextlib import asynccontextmanager

import attrs
import trio

from actors.container.spec import ContainerSpec
from lightd.engines.docker.engine import open_docker_engine
from lightd.engines.docker.policy import Policy
from tests.rig import engine as rig


def a_spec(volume, command="stdin-echo", **changes):
    return attrs.evolve(ContainerSpec(f"live-{volume.name[:8]}", rig.IMAGE, volume.name, command), **changes)


@asynccontextmanager
async def opened(docker, node, tmp_path, *allowed, policy=None):
    with trio.fail_after(60):
        async with open_docker_engine(
            str(docker),
            node=node,
            containers_path=str(tmp_path / "containers"),
            volumes_path=str(tmp_path / "volumes"),
            policy=policy or Policy(allowed_mounts=allowed),
        ) as engine:
            yield engine


async def printed(engine, engine_id):
    found = b""
    async with engine.attach(engine_id) as console:
        await engine.start(engine_id)
        while data := await console.receive():
            found += data
    return found.decode()
