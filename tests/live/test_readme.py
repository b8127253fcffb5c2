"""The commands of the README, each as it stands, in a copy of the project with an environment of its own."""

import json
import os
import shutil
import site
import subprocess
import sys

import pytest

from tests.rig import engine
from tests.support.daemon import USER, free_port
from tests.support.page_blocks import ROOT, all_blocks

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".nox", ".*_cache", "__pycache__", ".hypothesis", "node_modules"
)
STAMP = """printf '%s\\n' "$PWD $(.venv/bin/python -c 'import sys; print(sys.version)') $(
    cat pyproject.toml constraints.txt | sha256sum)" >.venv/rig-stamp"""
NOX = """#!/bin/sh
echo nox "$@"
"""


@pytest.fixture
def clone(docker, tmp_path):
    """A copy of the project with a ``.venv`` that has all but the project itself."""
    clone = tmp_path / "lightd"
    shutil.copytree(ROOT, clone, ignore=LEFT_OUT)
    subprocess.run([sys.executable, "-m", "venv", clone / ".venv"], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    others = clone / ".venv/lib" / version / "site-packages" / "others.pth"
    others.write_text("\n".join(site.getsitepackages()))
    return clone


def run(clone, script, **environ):
    """What ``script`` prints; it must succeed, in each line."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"],
        cwd=clone,
        env={**kept, "PATH": f"{clone}/.venv/bin:{kept['PATH']}", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_command_of_the_readme_works_as_it_stands(clone):
    engine.require("curl")
    install, demo, tests, removing = all_blocks("README.md", "bash", "sh")
    port = free_port()
    config = {
        "server": {"host": "127.0.0.1", "port": port},
        "authorization": {"token": f"lightd_{'x' * 20}"},
        "docker": {"user": USER},
    }
    (clone / "config.json").write_text(json.dumps(config))
    (clone / "config.json").chmod(0o600)
    assert len(install.splitlines()) == 3
    serving = "lightd 2>daemon.log & daemon=$!; trap 'kill $daemon; wait $daemon' EXIT\n"
    assert "\nlightd &\n" in install
    console = "sleep 1; echo 'hi there' | lightd console hello; lightd ps"
    script = "\n".join([install.replace("lightd &\n", serving), console, removing])
    said = run(clone, script, URL=f"http://127.0.0.1:{port}", IMAGE=engine.IMAGE).splitlines()
    assert (clone / ".venv/bin/lightd").exists()
    volumes = list((clone / "storage/volumes").iterdir())
    assert len(volumes) == 1
    assert {"hello: started", "Ready", "got: hi there"} <= set(said)

    run(clone, STAMP)
    said = run(clone, demo)
    assert "Python: making" not in said
    assert "lightd listens on http://127.0.0.1:" in said
    assert said.endswith("Done: the server was created, used and removed.\n")

    (clone / ".venv/bin/nox").write_text(NOX)
    (clone / ".venv/bin/nox").chmod(0o755)
    asked = [line.split()[2:] for line in run(clone, tests).splitlines() if line.startswith("nox --sessions")]
    assert (asked[:1] == [["ui"]]) == (shutil.which("npm") is not None)
    asked = [each for each in asked if each != ["ui"]]
    assert asked[:2] == [["tests", "newest", "--install-only"], ["lint", "typing", "docs"]]
    assert [each[0] for each in asked[2:]] == ["tests", "tests", "live", "live", "newest", "newest", "cover"]
    api, rest, others, apart, one, other = (
        [word for word in each[1:] if word != "--"] for each in asked[2:8]
    )
    assert others == ["tests/live", *(f"--ignore={path}" for path in apart)]
    assert rest == [f"--ignore={path}" for path in api]
    assert all((ROOT / path).exists() for path in (*apart, *api))
    assert f"CAN_DIFFER = {json.dumps([*one, *other])}\n" in (ROOT / "noxfile.py").read_text()
