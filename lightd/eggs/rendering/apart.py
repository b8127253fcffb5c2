"""Renders a large file in a process of its own, so that no long step of a parser delays the event loop."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import trio

from lightd.eggs.egg import ConfigFile
from lightd.eggs.placeholders import Server
from lightd.eggs.rendering import worker
from lightd.eggs.rendering.render import Rendered

AT_ONCE: Final = 2

_ROOT: Final = str(Path(__file__).resolve().parents[3])
_COMMAND: Final = (sys.executable, "-P", "-m", worker.__name__)
_turns = trio.CapacityLimiter(AT_ONCE)


async def render_apart(file: ConfigFile, data: bytes, server: Server) -> Rendered:
    """Like ``render``. A cancellation ends the process."""
    job = await trio.to_thread.run_sync(worker.to_job, file, data, server)
    async with _turns:
        done = await trio.run_process(
            _COMMAND,
            stdin=job,
            capture_stdout=True,
            stderr=subprocess.DEVNULL,
            check=False,
            cwd="/",
            env={"PYTHONPATH": _ROOT, "PYTHONUTF8": "1"},
        )
    head, found, rendered = done.stdout.partition(b"\n")
    if done.returncode or not found:
        return Rendered(data, "cannot be read with the memory and the time that are allowed")
    told = json.loads(head)
    return Rendered(rendered, told["problem"], tuple(told["misfits"]))
