"""The quick start does what its page says, word for word."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig import engine
from tests.support.daemon import Daemon, free_port

PAGE = Path(__file__).parents[2] / "docs" / "quickstart.md"


def blocks(page):
    return re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture
def quickstart(docker, tmp_path):
    port = free_port()
    daemon = Daemon(tmp_path, settings={"server": {"host": "127.0.0.1", "port": port}})
    daemon.url = f"http://127.0.0.1:{port}"
    yield daemon
    engine.remove_labelled(daemon.node)


def test_every_call_of_the_quick_start_works_as_it_stands(quickstart):
    first, *others = blocks(PAGE)
    script = "\n".join(
        [
            "set -euo pipefail",
            first.replace("lightd serve &", "lightd serve 2>daemon.log & daemon=$!"),
            'trap "kill $daemon; wait $daemon" EXIT',
            *others,
        ]
    )
    script = script.replace("25565", str(free_port()))
    environment = {
        **os.environ,
        "IMAGE": engine.IMAGE,
        "URL": quickstart.url,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=quickstart.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    log = (quickstart.folder / "daemon.log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + log
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    states = [(answer["install_state"], answer["state"]) for answer in answers if "install_state" in answer]
    assert states == [("ready", "running"), ("ready", "offline")]
    for word in ('"data":"starting"', '"data":"running"', "Welcome to my world", "Server started"):
        assert word in (quickstart.folder / "frames.txt").read_bytes().decode(errors="replace")
    assert quickstart.in_docker() == {}
