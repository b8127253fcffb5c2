"""No file that a tenant can touch is opened in a way that may wait for him: for a lease, or a FIFO."""

import ast
import importlib
import os
from pathlib import Path

import pytest

FILES = Path(__file__).parents[2] / "lightd/files"
OURS = {"pool.py", "probing.py"}
"""These open the image of the pool, its loop device, and a folder that is being tried: no tenant's."""


def opens(path):
    module = importlib.import_module(".".join(path.relative_to(FILES.parents[1]).with_suffix("").parts))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.open":
            flags = eval(compile(ast.Expression(node.args[1]), path.name, "eval"), vars(module))
            yield ast.unparse(node), flags


@pytest.mark.parametrize("path", sorted(set(FILES.rglob("*.py"))), ids=lambda path: path.name)
def test_no_open_in_a_volume_waits(path):
    if path.name in OURS:
        return
    for text, flags in opens(path):
        assert flags & (os.O_NONBLOCK | os.O_PATH), text
