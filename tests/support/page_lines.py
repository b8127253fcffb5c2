"""The lines for the shell of docs/reference.md, run as they stand, from the first to the last."""

import os
import re
from pathlib import Path

import trio

from tests.rig import engine

PAGE = Path(__file__).parents[2] / "docs/reference.md"
REFUSED = dict.fromkeys(
    (
        "POST /containers/{internal_id}/revive",
        "POST /orphans/containers/adopt",
        "POST /orphans/volumes/adopt",
    ),
    22,
)
"""No container is in quarantine, and no journal was lost: curl's exit code for an error's status."""


def blocks():
    """Each route of the page with its lines, and before them all what defines ``call``."""
    text = PAGE.read_text()
    first, *others = re.findall(r"(?:### `([A-Z]+ [^`]+)`\n\n[^\n]+\n\n)?```bash\n(.*?)```", text, re.DOTALL)
    return first[1], others


async def check_every_line_works(url, token, folder, image):
    """Run them all in one shell, where none fails. Returns the routes in the order of the page."""
    engine.require("curl")
    prelude, routes = blocks()
    assert prelude.startswith("url=")
    lines = ["set -uo pipefail", prelude.partition("\n")[2]]
    for n, (_, block) in enumerate(routes):
        lines.append(f"{{ {block}}} >out.{n} 2>err.{n}; echo $?")
    environment = {**os.environ, "url": url, "token": token, "IMAGE": image}
    done = await trio.run_process(
        ["bash", "-c", "\n".join(lines)], cwd=folder, env=environment, capture_stdout=True, check=False
    )
    codes = list(map(int, done.stdout.split()))
    assert len(codes) == len(routes)
    for n, ((route, block), code) in enumerate(zip(routes, codes, strict=True)):
        said = (folder / f"out.{n}").read_text() + (folder / f"err.{n}").read_text()
        assert code == REFUSED.get(route, 0), (route, block, said)
        if '"status":"' in said and route.startswith("POST /containers"):
            assert '"status":"succeeded"' in said, (route, said)
    return [route for route, _ in routes]
