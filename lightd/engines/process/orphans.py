"""Kills the processes that a killed supervisor left running.

The kernel kills the program together with its supervisor. Its descendants are found in the run's cgroups, and
otherwise by the mark in their environment, unless they removed it. Blocks for as long as killing takes.
"""

import os
from collections.abc import Sequence
from contextlib import suppress

from lightd.engines.process.plan import MARK
from lightd.engines.process.tree import Tree


def end(engine_id: str, groups: Sequence[str]) -> None:
    """Kill all processes of the container; does nothing if its supervisor is alive."""
    tree = Tree(groups, lambda: _marked(engine_id))
    tree.end(lambda: None)
    tree.remove()


def _marked(engine_id: str) -> set[int]:
    mark = f"{MARK}={engine_id}".encode()
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                if mark in file.read().split(b"\0"):
                    found.add(int(name))
    return found
