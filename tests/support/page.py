"""The shell in which an operator types what a page says."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from tests.rig import engine
from tests.support.page_blocks import all_blocks
from tests.support.systemd import open_systemd

NAMED = "server-001"
"""The container of the pages; tests have ids of their own."""


@attrs.define(eq=False)
class Shell:
    """An operator's shell on the node of a daemon; every script begins with the page's own ``prelude``."""

    daemon: object
    container: str
    prelude: str
    path: str
    environ: dict = attrs.field(factory=dict)

    async def run(self, script, *, failing=False):
        """What a block prints on both; it must succeed as a whole, in each line, unless it is ``failing``."""
        done = await trio.run_process(
            ["bash", "-c", f"set -{'' if failing else 'e'}uo pipefail\n{self.prelude}\n{self.place(script)}"],
            cwd="/",
            env={**self._to_environ(), **self.environ},
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = done.stdout.decode()
        assert failing or done.returncode == 0, (script, done.returncode, said)
        return said

    def place(self, script):
        return script.replace(NAMED, self.container)

    def _to_environ(self):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIGHTD_")}
        return {
            **inherited,
            "PATH": f"{self.path}:{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "DATA": str(self.daemon.folder),
            "URL": self.daemon.url,
        }


@asynccontextmanager
async def open_shell(page, daemon, container, folder, second=None) -> AsyncIterator[Shell]:
    """Yield a shell with the first block of ``page`` as its prelude, and systemd's stand-ins on its PATH."""
    engine.require("curl", "jq")
    prelude = all_blocks(page, "bash")[0]
    async with open_systemd(folder, daemon, second) as stand_ins:
        yield Shell(daemon, container, prelude, str(stand_ins))
