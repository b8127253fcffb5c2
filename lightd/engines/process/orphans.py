"""What a supervisor that was killed left running, ended by those who come after it.

Its program dies with it, as the kernel was asked to see to. What that had begun is found in the run's control
groups, and elsewhere by the mark in its environment, unless it took that off: without a group, nothing
better is to be had. It blocks, for as long as killing takes.
"""

import os
from collections.abc import Sequence
from contextlib import suppress

from lightd.engines.process.plan import MARK
from lightd.engines.process.tree import Tree


def end(engine_id: str, groups: Sequence[str]) -> None:
    """No process of the container is left; nothing where its supervisor is there."""
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
