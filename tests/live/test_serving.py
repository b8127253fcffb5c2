"""What keeps a daemon from serving is told in a sentence; what ends it is asked for."""

import subprocess
import sys

import pytest

from tests.support.daemon import Daemon


@pytest.fixture
def start_second(daemon, tmp_path_factory):
    """A second installation, not started."""

    def start(**settings):
        other = Daemon(tmp_path_factory.mktemp("second"), settings=settings)
        command = [sys.executable, "-m", "lightd", "serve", "--config", other.config, "--log-format", "json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return start


async def test_address_that_is_in_use_is_told_in_one_line(daemon, start_second):
    host, port = daemon.url.removeprefix("http://").split(":")
    done = start_second(server={"host": host, "port": int(port)})
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"cannot listen on {host}:{port}" in last
    assert "Traceback" not in done.stderr


async def test_journal_that_another_daemon_has_is_told_in_one_line(daemon, start_second):
    storage = daemon.folder / "storage"
    paths = {
        "base_path": str(storage),
        "containers_path": str(storage / "containers"),
        "volumes_path": str(storage / "volumes"),
    }
    done = start_second(storage=paths)
    assert done.returncode == 1
    assert "lightd cannot run: the journal" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
