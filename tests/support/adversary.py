"""Schemathesis over the document: requests that it allows and that it doesn't, at a daemon that serves.

Run as a program of its own: what it loads stays out of the tests. What it found is in the failure.
"""

import os
import sys

import trio

from tests.support import soak
from tests.support.fork_server import to_unmeasured

PROGRAM = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
SEED = "20240229"  # the same requests every time

# Rules that JSON Schema can't say make some requests that it allows a 400: a path that leads out, half a
# regular expression, a range that ends before it begins. Wrong tokens are what `door_checks` tries: guesses
# are counted, so that one of many is a 429 instead of a 401.
LEFT_OUT = ("positive_data_acceptance", "ignored_auth")

TAGS = () if "LIGHTD_ALL_ROUTES" in os.environ or soak.FACTOR > 1 else ("Ports",)
"""Of which routes; all of them take a minute of computing, which the gate spends once."""


async def attack(url, token, folder, *phases, examples=soak.FACTOR, tags=TAGS, exclude=(), **fixed):
    """Send what ``phases`` think of to the daemon at ``url``; ``fixed`` are parameters that stay the same.

    Without ``tags`` it goes to all routes, but for the operations to ``exclude``.
    """
    settings = folder / "schemathesis.toml"
    lines = [f'"{name.replace("__", ".")}" = {value!r}\n' for name, value in fixed.items()]
    settings.write_text("[parameters]\n" + "".join(lines))
    command = [
        *(sys.executable, "-W", "error", "-c", PROGRAM, "--config-file", str(settings)),
        *("run", f"{url}/openapi.json", "--no-color", "--seed", SEED, "--generation-database", "none"),
        *("--phases", ",".join(phases), "-n", str(examples), "--exclude-checks", ",".join(LEFT_OUT)),
        *("--request-timeout", "60", "--warnings", "off", "-H", f"Authorization: Bearer {token}"),
        *("-H", "Accept: Application/vnd.pkglatv1+json", "--exclude-path", "/docs"),
    ]
    for name in tags:
        command += ["--include-tag", name]
    for name in exclude:
        command += ["--exclude-operation-id", name]
    done = await trio.run_process(
        command, cwd=folder, env=to_unmeasured(), capture_stdout=True, capture_stderr=True, check=False
    )
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, said[-20_000:]
    assert " passed" in said, said
    return said
