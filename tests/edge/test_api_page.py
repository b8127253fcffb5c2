"""The calls that the page of the API shows do what they show, word for word."""

import json
import os
import re
from pathlib import Path

import trio

from tests.edge.front import TOKEN
from tests.rig import engine

PAGE = Path(__file__).parents[2] / "docs/api.md"


async def test_every_call_of_the_volumes_works_as_it_stands(edge, tmp_path):
    engine.require("curl")
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    first, define, _, *lines = block.strip().split("\n")
    assert first.startswith("url=")
    (tmp_path / "server.jar").write_bytes(os.urandom(5000))
    script = f"set -euo pipefail; url={edge.url} token={TOKEN} id={await edge.volume()}\n{define}\n"
    routes = set()
    for line in lines:
        done = await trio.run_process(
            ["bash", "-c", script + line], cwd=tmp_path, capture_stdout=True, check=False
        )
        assert done.returncode == 0, line
        said = done.stdout.decode()
        assert '"error":"' not in said, (line, said)
        assert said.startswith("HTTP/1.1 200") if " -I " in line else said == "" or json.loads(said), (
            line,
            said,
        )
        routes.add(re.sub(r'[?"].*', "", line.partition("$url")[2].split()[0]))
    assert (tmp_path / "copy.jar").read_bytes() == (tmp_path / "server.jar").read_bytes()
    assert (tmp_path / "head.bin").read_bytes() == (tmp_path / "server.jar").read_bytes()[:100]
    assert len(routes) == 14
