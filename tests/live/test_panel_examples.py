"""The example panels of docs/remote.md, run as they stand, and told of a real node's installations."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trio

from tests.rig import engine
from tests.support.daemon import PATIENCE, free_port, serving
from tests.support.doubles.panel import TOKEN
from tests.support.page_blocks import blocks

PAGE = Path(__file__).parents[2] / "docs" / "remote.md"
PACKAGE = Path(__file__).parent / "panel_express"
FILES = {"python": "panel.py", "js": "panel.js"}
HEADINGS = {"python": "A panel in Python", "js": "The same with Express"}
NPM = {
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_ignore_scripts": "true",
    "npm_config_before": "2026-11-22",  # what is newer can't break this test
}


def example(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return found


def prepare(folder, language):
    """What the panel's commands need is there; Express is the one that the tests know."""
    if language == "python":
        (folder / "python").symlink_to(sys.executable)
        return
    engine.require("node", "npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PACKAGE / name, folder)


@pytest.fixture(params=["python", "js"])
async def example_panel(request, tmp_path):
    """A panel in a process of its own: its URL."""
    folder = tmp_path / "panel"
    folder.mkdir()
    prepare(folder, request.param)
    (folder / FILES[request.param]).write_text(example(request.param))
    port = free_port()
    (script,) = blocks("docs/remote.md", HEADINGS[request.param])
    environment = {**os.environ, **NPM, "PANEL_TOKEN": TOKEN, "PORT": str(port)}
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-euc", script],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        with trio.fail_after(300):
            while not await answers(port):
                assert process.poll() is None, (folder / "log").read_text()
                await trio.sleep(0.1)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def answers(port):
    """Whether somebody listens there."""
    try:
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


@pytest.fixture
async def linked(docker, example_panel, tmp_path):
    async with serving(tmp_path, remote={"enabled": True, "url": example_panel, "token": TOKEN}) as daemon:
        yield daemon


async def test_example_panel_knows_the_result_of_every_installation(example_panel, linked):
    good, bad = f"{linked.node}-good", f"{linked.node}-bad"
    await linked.create(good, install_script="echo hello")
    volume = await linked.volume()
    fields = {"volume_id": volume, "startup_command": "stdin-echo", "image": engine.IMAGE}
    body = {"internal_id": bad, "install_script": "exit 3", **fields}
    await linked.post("/containers", body, 409, wait=60)
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=60
    ) as client:
        with trio.fail_after(PATIENCE):
            while (status := await linked.get("/remote/status"))["backlog"] or not status["healthy"]:
                await trio.sleep(0.1)
        servers = (await client.get(f"{example_panel}/servers")).json()
    assert servers[good] == ["installing", "installing", "ready"]
    assert servers[bad][:2] == ["installing", "failed"]
    assert len(servers[bad]) == 3
    assert status["refused"] == 0
