"""The process that renders a large file: ``python -m lightd.eggs.rendering.worker``, started by ``apart``.

It reads a line of JSON from its stdin, ``{"file", "server"}``, and the content of the file behind it. It
writes a line, ``{"problem", "misfits"}``, and the new content. The kernel limits its memory and its CPU time.
"""

import json
import os
import resource
import sys
from typing import Final

import attrs

from lightd.eggs.egg import ConfigFile, Replacement
from lightd.eggs.placeholders import Server
from lightd.eggs.rendering.render import render

MEMORY: Final = 1 << 30  # bytes of address space
SECONDS: Final = 10  # seconds of CPU time
NICENESS: Final = 5


def main() -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    head, _, data = sys.stdin.buffer.read().partition(b"\n")
    job = json.loads(head)
    replacements = tuple(Replacement(**each) for each in job["file"].pop("replacements"))
    rendered = render(ConfigFile(**job["file"], replacements=replacements), data, Server(**job["server"]))
    told = {"problem": rendered.problem, "misfits": rendered.misfits}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + rendered.data)


def to_job(file: ConfigFile, data: bytes, server: Server) -> bytes:
    """Return what the process reads."""
    return json.dumps({"file": attrs.asdict(file), "server": attrs.asdict(server)}).encode() + b"\n" + data


if __name__ == "__main__":
    main()
