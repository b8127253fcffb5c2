"""The engine contract, over the fake engine in virtual time and over Docker."""

import itertools
import uuid
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container.spec import ContainerSpec
from lightd.engine.docker import open_docker_engine
from lightd.engine.fake import RIG_IMAGE, open_fake_engine
from tests.contracts import (
    engine_change_checks,
    engine_checks,
    engine_console_checks,
    engine_making_checks,
)
from tests.rig import engine as rig

MODULES = (engine_change_checks, engine_checks, engine_console_checks, engine_making_checks)
CHECKS = {
    name: check for module in MODULES for name, check in vars(module).items() if name.startswith("check_")
}

PATIENCE = 60.0
"""Seconds after which a check hangs; none takes a tenth of it."""


def specs(volumes=None):
    numbers = itertools.count(1)

    def spec(command, **changes):
        volume_id = str(uuid.uuid4())
        if volumes is not None:
            (volumes / volume_id).mkdir()
        made = ContainerSpec(f"contract-{next(numbers)}", RIG_IMAGE, volume_id, command)
        return attrs.evolve(made, **changes)

    return spec


@pytest.mark.parametrize("latency", [0.0, 0.003])
@pytest.mark.parametrize("name", CHECKS)
async def test_a_fake_engine(name, latency, autojump_clock):
    with trio.fail_after(PATIENCE):
        async with open_fake_engine(latency=latency) as engine:
            await CHECKS[name](engine_checks.Bench(engine, specs()))


@asynccontextmanager
async def docker_bench(path):
    node = f"contract-{uuid.uuid4()}"
    volumes = path / "volumes"
    volumes.mkdir()
    socket = rig.socket_path()
    try:
        async with open_docker_engine(
            socket, node=node, containers_path=str(path / "containers"), volumes_path=str(volumes)
        ) as engine:
            yield engine_checks.Bench(engine, specs(volumes))
    finally:
        rig.remove_labelled(node)


@pytest.fixture(scope="module")
def docker():
    return rig.ensure_engine()


@pytest.mark.live
@pytest.mark.parametrize("name", CHECKS)
async def test_a_docker_engine(name, docker, tmp_path):
    with trio.fail_after(PATIENCE):
        async with docker_bench(tmp_path) as bench:
            await CHECKS[name](bench)
