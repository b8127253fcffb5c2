from pathlib import Path

import pytest
import trio

from tests.rig import engine
from tests.support.daemon import Daemon, serving
from tests.support.fork_server import open_fork_server

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
