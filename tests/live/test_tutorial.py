"""The tutorial does what its page says, word for word: an image of Debian packages, and a game server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig import engine
from tests.support.daemon import Daemon

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
APT = Path("/etc/apt")
IMAGE = "freeciv:tutorial"
URIS = re.compile(r"(?:^URIs:|^deb(?: \[[^]]*\])?)\s+(\S+/debian)/?\s", re.MULTILINE)
ROOT_WITHOUT_SUDO = 'sudo() { "$@"; }'


def to_mirror():
    """Where this machine's packages come from; nothing where it doesn't say: debootstrap has a default."""
    lists = [APT / "sources.list", *APT.glob("sources.list.d/*")]
    found = URIS.search("\n".join(path.read_text() for path in lists if path.is_file()))
    return found[1] if found else ""


@pytest.fixture
def tutorial(docker, tmp_path):
    engine.require("debootstrap", "docker")
    engine.require_sudo()
    daemon = Daemon(tmp_path, settings={"server": {"host": "127.0.0.1", "port": 18_071}})
    yield daemon
    engine.remove_labelled(daemon.node)
    engine.call("DELETE", f"/images/{IMAGE}", force=1)


def run(installation, script):
    return subprocess.run(
        ["bash", "-c", script],
        cwd=installation.folder,
        env={
            **os.environ,
            "MIRROR": to_mirror(),
            "URL": "http://127.0.0.1:18071",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_every_block_of_the_tutorial_works_as_it_stands(tutorial):
    image, serve, *others = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    script = "\n".join(
        [
            "set -euo pipefail",
            ROOT_WITHOUT_SUDO if os.geteuid() == 0 else "",
            image,
            serve.replace("lightd serve &", "lightd serve 2>daemon.log & daemon=$!"),
            'trap "kill $daemon; wait $daemon" EXIT',
            *others,
        ]
    )
    done = run(tutorial, script)
    log = tutorial.folder / "daemon.log"
    assert done.returncode == 0, done.stdout + done.stderr + (log.read_text() if log.exists() else "")
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    shown = [answer for answer in answers if "install_state" in answer]
    assert [answer["state"] for answer in shown] == ["running", "offline"]
    assert shown[-1]["exit"]["code"] == 0
    saves = next(answer["files"] for answer in answers if "files" in answer)
    assert any(save["name"].startswith("world") for save in saves), done.stdout
    (history,) = [answer["events"] for answer in answers if "events" in answer]
    exits = [event["data"] for event in history if event["type"] == "exited"]
    assert [(gone["expected"], gone["code"]) for gone in exits] == [(False, 137)]
    assert [event["type"] for event in history].count("started") == 2
    assert "saves/world" in done.stdout.split("Compression successful")[1]
