import pytest

from lightd.http import app
from lightd.http.live import session
from lightd.journal import sqlite
from tests.api.front import ACCOUNTED, open_api
from tests.support.shell import Shell


@pytest.fixture(scope="session", autouse=True)
def short_wal():
    """Journals whose WAL grows with use: to lengthen it takes a third of a daemon's start.

    ``tests/contracts`` and ``tests/live`` have the others.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "_lengthen_wal", lambda writer: None)
        yield


@pytest.fixture
async def api(tmp_path):
    """A served daemon on a fake engine."""
    async with open_api(tmp_path) as api:
        yield api


@pytest.fixture
def shell(api, tmp_path):
    """Runs commands of ``lightd`` that ask that daemon."""
    return Shell(api.url, tmp_path)


@pytest.fixture
async def accounted(tmp_path):
    """A served daemon that holds volumes to their sizes by counting what is written."""
    async with open_api(tmp_path, sections=ACCOUNTED) as api:
        yield api


@pytest.fixture
def on_air(monkeypatch):
    """The hub of the broadcasts that sockets listen to, once there is a daemon."""
    found = []

    def catch(system, hub, shares):
        found.append(hub)
        return session.Sessions(system, hub, shares)

    monkeypatch.setattr(app, "Sessions", catch)
    return found


@pytest.fixture
async def volume(api):
    """An empty volume, as the API shows it."""
    return (await api.ask("POST", "/volumes")).json()
