import uuid
from pathlib import Path

import pytest
import trio

from tests.rig import engine
from tests.support.daemon import Daemon, free_port, serving
from tests.support.docker_scene import opened
from tests.support.fork_server import open_fork_server
from tests.support.page import open_shell
from tests.support.pool import open_pooled
from tests.support.second_engine import open_second_engine

SHARED = "shared"  # its names in Docker must not be those of a test that runs beside it


def pytest_collection_modifyitems(items):
    """All that is in this folder works on what is real, and is told apart by that."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def docker():
    socket = engine.ensure_engine()
    with engine.in_use(), open_fork_server() as fork_server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Daemon, "fork_server", fork_server)
        yield socket


@pytest.fixture
async def daemon(docker, tmp_path):
    """A daemon on a real engine, serving."""
    async with serving(tmp_path) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def shared(docker, tmp_path_factory):
    """One daemon with one container for all tests of a module that change neither."""
    daemon = Daemon(tmp_path_factory.mktemp("shared"))

    async def begin():
        await daemon.start()
        await daemon.engine_up()
        await daemon.create(SHARED)

    try:
        trio.run(begin)
        yield daemon
    finally:
        daemon.end()
        engine.remove_labelled(daemon.node)


@pytest.fixture
def shared_daemon(shared):
    return shared


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """An engine beside the machine's own, which a test may kill and restart."""
    with open_second_engine(tmp_path_factory.mktemp("engine")) as second:
        yield second


@pytest.fixture
async def second_daemon(second, tmp_path):
    """A daemon on the second engine, with a port that it keeps; afterwards both are as they were before."""
    async with serving(tmp_path, server={"host": "127.0.0.1", "port": free_port()}) as daemon:
        try:
            yield daemon
        finally:
            await second.ensure()


@pytest.fixture
def installation(docker, tmp_path):
    """A daemon's folders and configuration; nothing runs yet."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.kill()
    engine.remove_labelled(daemon.node)


@pytest.fixture
async def installed(docker, tmp_path):
    """A daemon that keeps its port across restarts."""
    async with serving(tmp_path, server={"host": "127.0.0.1", "port": free_port()}) as daemon:
        yield daemon


@pytest.fixture
async def page_shell(request, installed, tmp_path):
    """A shell for the blocks of the module's ``PAGE``, whose container is the module's ``ID``."""
    async with open_shell(request.module.PAGE, installed, request.module.ID, tmp_path / "bin") as shell:
        yield shell


@pytest.fixture
def node():
    """The name of a node; containers labelled with it are removed afterwards."""
    node = f"live-{uuid.uuid4()}"
    yield node
    engine.remove_labelled(node)


@pytest.fixture
def volume_path(tmp_path):
    """The empty directory of a volume."""
    path = tmp_path / "volumes" / str(uuid.uuid4())
    path.mkdir(parents=True)
    return path


@pytest.fixture(name="engine")
async def docker_engine(docker, node, tmp_path):
    """The engine's adapter on the machine's Docker."""
    async with opened(docker, node, tmp_path) as engine:
        yield engine


@pytest.fixture
async def pooled(docker, tmp_path):
    """A daemon whose volumes are in a pool."""
    async with open_pooled(tmp_path) as daemon:
        yield daemon
