"""The engine contract, over the fake engine in virtual time, over local processes and over Docker."""

import itertools
import os
import uuid
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from actors.container.engine import Role
from actors.container.spec import ContainerSpec
from lightd.engines.docker.engine import open_docker_engine
from tests.contracts import engine_change_checks, engine_checks, engine_console_checks, engine_making_checks
from tests.rig import engine as rig
from tests.support.fake_engine.engine import RIG_IMAGE, open_fake_engine

MODULES = (engine_change_checks, engine_checks, engine_console_checks, engine_making_checks)
CHECKS = {
    name: check for module in MODULES for name, check in vars(module).items() if name.startswith("check_")
}

PATIENCE = 60.0
"""Seconds after which a check hangs; none takes a tenth of it."""


def specs(volumes=None, **asked):
    numbers = itertools.count(1)

    def spec(command, **changes):
        volume_id = str(uuid.uuid4())
        if volumes is not None:
            (volumes / volume_id).mkdir()
        made = ContainerSpec(f"contract-{next(numbers)}", RIG_IMAGE, volume_id, command)
        return attrs.evolve(made, **{**asked, **changes})

    return spec


@pytest.mark.one_python
@pytest.mark.parametrize("latency", [0.0, 0.003])
@pytest.mark.parametrize("name", CHECKS)
async def test_fake_engine(name, latency, autojump_clock):
    with trio.fail_after(PATIENCE):
        async with open_fake_engine(latency=latency) as engine:
            await CHECKS[name](engine_checks.Bench(engine, specs()))


@pytest.mark.parametrize("name", CHECKS)
async def test_process_engine(name, process_host):
    process_host.check_can(name)
    with trio.fail_after(PATIENCE):
        async with process_host.opened() as engine:
            spec = specs(process_host.volumes, image="host", user=process_host.user)
            await CHECKS[name](engine_checks.Bench(engine, spec))


async def test_process_engine_knows_the_threads_of_a_volume(process_host):
    async with process_host.opened() as engine:
        spec = specs(process_host.volumes, image="host", user=process_host.user)("stdin-echo")
        engine_id = await engine.create_server(spec, 1)
        await engine.start(engine_id)
        assert len(engine.threads(spec.volume_id)) >= 1
        await engine.remove(spec.internal_id, Role.SERVER)


@pytest.mark.one_python
@pytest.mark.skipif(os.geteuid() != 0, reason="all of this module is run by an ordinary user already")
@pytest.mark.parametrize("name", CHECKS)
def test_process_engine_of_an_ordinary_user(name, process_host):
    async def check():
        await test_process_engine(name, process_host)

    process_host.run_as_nobody(check)


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
def engine_socket():
    socket = rig.ensure_engine()
    with rig.in_use():
        yield socket


@pytest.mark.live
@pytest.mark.parametrize("name", CHECKS)
async def test_docker_engine(name, engine_socket, tmp_path):
    with trio.fail_after(PATIENCE):
        async with docker_bench(tmp_path) as bench:
            await CHECKS[name](bench)
