"""``lightd create`` with a real daemon and a real engine: what it makes, and what it leaves behind."""

import os
import signal
import subprocess
import sys

import pytest
import trio

from tests.rig.engine import IMAGE
from tests.support.daemon import TOKEN, free_port

ID = "cli-create-001"


@pytest.fixture
def create(daemon, tmp_path):
    """Start ``lightd create`` with these options."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("LIGHTD_")}
    environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    line = [sys.executable, "-m", "lightd", "create", ID, "--url", daemon.url, "--token-file", str(token)]

    async def start(*options):
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            command = [*line, "--image", IMAGE, *options, "--", "echo Ready; cat"]
            streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err}
            return await trio.lowlevel.open_process(command, env=environ, cwd=tmp_path, **streams)

    return start


async def left(daemon):
    return [
        *(await daemon.get("/containers"))["containers"],
        *(await daemon.get("/volumes"))["volumes"],
        *(await daemon.get("/network/ports"))["ports"],
    ]


async def test_server_is_created_with_its_port_and_runs(daemon, create, tmp_path):
    port = free_port()
    process = await create("-p", f"127.0.0.1:{port}:7777", "-m", "64M", "--start-pattern", "Ready", "--start")
    assert await process.wait() == 0, (tmp_path / "err").read_text()
    assert (tmp_path / "out").read_text() == f"{ID}\n"
    shown = await daemon.get(f"/containers/{ID}")
    assert (shown["state"], shown["limits"]["memory"]) == ("running", 64 * 2**20)
    assert [(each["port"], each["container_port"]) for each in shown["ports"]] == [(port, 7777)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_creation_that_is_interrupted_leaves_nothing(daemon, create, tmp_path, number):
    script = tmp_path / "install.sh"
    script.write_text("sleep 100")
    process = await create("-p", str(free_port()), "--install-script", str(script))
    with trio.fail_after(60):
        while not (await daemon.get("/containers"))["containers"]:
            await trio.sleep(0.05)
    process.send_signal(number)
    assert await process.wait() == 128 + number
    assert f"removed again: container {ID}, port " in (tmp_path / "err").read_text()
    assert await left(daemon) == []


async def test_installation_that_takes_longer_than_it_is_waited_for_goes_on(daemon, create, tmp_path):
    script = tmp_path / "install.sh"
    script.write_text("sleep 5")
    process = await create("--install-script", str(script), "--wait", "1")
    assert await process.wait() == 6
    assert f"{ID}: the installation is not finished yet" in (tmp_path / "err").read_text()
    with trio.fail_after(60):
        while (await daemon.get(f"/containers/{ID}"))["install_state"] != "ready":
            await trio.sleep(0.1)
