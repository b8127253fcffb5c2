"""The page of the command line shows commands that work, word for word; and the doctor knows a sick node."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.rig.engine import IMAGE
from tests.support.daemon import TOKEN, free_port

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
ID = "cli-page-001"
OTHER = "cli-page-002"


@pytest.fixture
def operator_shell(daemon, tmp_path):
    """Run a script where the daemon's configuration is, as its operator would."""
    port = int(daemon.url.rpartition(":")[2])
    file = json.loads(daemon.config.read_text())
    file["server"] = {"host": "0.0.0.0", "port": port}
    daemon.config.write_text(json.dumps(file))
    environ = {key: value for key, value in os.environ.items() if not key.startswith("LIGHTD_")}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    environ |= {"IMAGE": IMAGE, "PORT": str(free_port())}
    environ["URL"] = f"http://127.0.0.1:{port}"
    if shutil.which("lightd", path=environ["PATH"]) is None:
        pytest.fail("lightd is not installed beside this Python")

    async def run(script):
        return await trio.run_process(
            ["bash", "-c", f"set -euo pipefail; {script}"],
            cwd=daemon.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )

    return run


async def test_every_command_of_the_page_works_as_it_stands(daemon, operator_shell):
    await daemon.create(ID, start_pattern="Ready")
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 10
    told = {}
    for block in blocks:
        for line in block.replace("server-001", ID).replace("server-002", OTHER).strip().splitlines():
            done = await operator_shell(line)
            allowed = (0, 141) if "| head" in line else (0,)
            assert done.returncode in allowed, (line, done.stdout, done.stderr)
            assert b"Traceback" not in done.stderr
            assert TOKEN.encode() not in done.stderr
            told[line] = done.stdout.decode()
    assert told[f"lightd start {ID}"] == f"{ID}: started\n"
    assert told[f"lightd restart {ID} --wait 60"] == f"{ID}: restarted\n"
    assert "Ready" in told[f"lightd logs {ID} -n 20"]
    assert "got: hello" in (await operator_shell(f"lightd logs {ID}")).stdout.decode()
    assert f"{ID}  created from {IMAGE}; the installation began" in told[f"lightd events {ID}"]
    assert (daemon.folder / "copy.txt").read_text() == "hello\n"
    assert told[f"lightd rm {OTHER} --force --volumes"] == f"{OTHER}\n"
    assert "0.0.0.0:25700-25709/tcp" in told["lightd ports"]
    assert "stopped" in told[f"lightd stop {ID} && echo stopped"].splitlines()
    report = json.loads((daemon.folder / "report.json").read_text())
    found = {(each["area"], each["name"]): each["verdict"] for each in report["findings"]}
    assert found["engine", "version"] == "ok"
    assert found["engine", "mounts"] == "ok"
    assert found["ports", "server.port"] == "ok"
    assert found["storage", "journal"] == "ok"
    assert found["configuration", "file"] == "ok"


async def test_doctor_is_red_on_a_node_that_is_sick(daemon, operator_shell):
    daemon.end()
    file = json.loads(daemon.config.read_text())
    file["docker"]["socket_path"] = "no-such.sock"
    file["remote"] = {"enabled": True, "url": "http://127.0.0.1:1", "token": "lightd_0123456789abcdef"}
    daemon.config.write_text(json.dumps(file))
    done = await operator_shell("lightd doctor --json")
    assert done.returncode == 1, done.stderr
    red = {
        (each["area"], each["name"])
        for each in json.loads(done.stdout)["findings"]
        if each["verdict"] == "bad"
    }
    assert red >= {("engine", "socket"), ("panel", "url")}
    daemon.config.chmod(0o644)
    done = await operator_shell("lightd doctor")
    assert done.returncode == 1
    assert f"-> chmod 600 {daemon.config}" in done.stdout.decode()
