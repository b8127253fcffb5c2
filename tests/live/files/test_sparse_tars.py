"""Sparse files in tars, to and from other tools: each reads ours, and we read those of GNU tar."""

import os
import shutil
import subprocess
import sys
from functools import partial

import pytest

from lightd.files import archives, archiving
from lightd.files.paths import parse_path
from tests.contracts.sparse_checks import MEGABYTE, files_below, is_same, put
from tests.support.scene import TENANT, held_in

UNPACK = {
    "GNU tar": ("tar", "-xf"),
    "bsdtar": ("bsdtar", "-xf"),
    "Python's tarfile": (sys.executable, "-m", "tarfile", "-e"),  # `filter=` came in 3.11.4
}
GNU_FORMATS = {
    "old GNU": ["--format=gnu"],
    "PAX 0.0": ["--format=posix", "--sparse-version=0.0"],
    "PAX 0.1": ["--format=posix", "--sparse-version=0.1"],
    "PAX 1.0": ["--format=posix", "--sparse-version=1.0"],
}


@pytest.fixture(autouse=True)
def tree(volume_path):
    (volume_path / "tree").mkdir()


def run(*command, cwd):
    subprocess.run(command, cwd=cwd, check=True)


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
@pytest.mark.parametrize("tool", UNPACK)
async def test_other_tools_unpack_our_sparse_files(volume_path, jail, tool, kind):
    if shutil.which(UNPACK[tool][0]) is None:
        pytest.skip(f"{tool} is not installed")
    tree, to = volume_path / "tree", volume_path.parent / "to"
    last = (90 * MEGABYTE, os.urandom(9))
    put(tree / "hole at the end ü\n", 100 * MEGABYTE, (MEGABYTE, os.urandom(5000)))
    put(tree / os.fsdecode(b"not UTF-8 \xff"), 90 * MEGABYTE + 9, (0, b"x"), (5 * MEGABYTE, b"y"), last)
    put(tree / ("n" * 200), 100 * MEGABYTE)
    (tree / "after").write_text("the next entry is found")
    assert await archiving.compress(jail, [parse_path("tree")], parse_path("a"), kind, TENANT) < MEGABYTE
    to.mkdir()
    run(*UNPACK[tool], volume_path / "a", cwd=to)
    assert held_in(to / "tree") == held_in(tree)
    assert all(is_same(path, to / "tree" / path.name) for path in files_below(tree))


@pytest.mark.parametrize("said", GNU_FORMATS)
async def test_sparse_files_of_gnu_tar_are_unpacked_in_every_format(volume_path, jail, said):
    tree = volume_path / "tree"
    extents = [(at * 3 * MEGABYTE, os.urandom(8192)) for at in range(1, 40)]  # more than one header has
    long = "n" * 120  # longer than a header's
    put(tree / long, 200 * MEGABYTE, (0, b"begin"), *extents)
    put(tree / "of holes", 200 * MEGABYTE)
    (tree / "zz").write_text("the next entry is found")
    run("tar", "--sparse", *GNU_FORMATS[said], "--sort=name", "-cf", "a", "tree", cwd=volume_path)
    assert (volume_path / "a").stat().st_size < MEGABYTE
    extract = partial(archiving.extract, jail, parse_path("a"), parse_path("back"), TENANT)
    assert await extract(ceilings=archives.Ceilings(ratio_from=1, ratio=2)) == 0
    for path in files_below(tree):
        back = volume_path / "back/tree" / path.name
        assert is_same(path, back)
        assert back.stat().st_blocks <= path.stat().st_blocks
