"""One contract, both ways to resolve a path: what the kernel promises, the walk must keep."""

from collections.abc import Callable

import pytest

from lightd.files import resolve
from tests.contracts import (
    archive_checks,
    crafted_checks,
    crowd_checks,
    file_checks,
    fuzz,
    jail_checks,
    lease_checks,
    sparse_checks,
    tree_checks,
    upload_checks,
)
from tests.support import soak
from tests.support.scene import open_scene

# What can differ on the newest Python is in archives, and one way to resolve a path is enough for that.
OTHER = [pytest.mark.one_python] if resolve.best() is resolve.in_kernel else []
RESOLVERS = [resolve.in_kernel, pytest.param(resolve.by_walking, marks=OTHER)]
ARCHIVES = (archive_checks, crafted_checks, sparse_checks, tree_checks)


def checks(*modules: object) -> list[object]:
    return [
        pytest.param(check, marks=() if module in ARCHIVES else pytest.mark.one_python)
        for module in modules
        for name, check in vars(module).items()
        if name.startswith("check_")
    ]


def named(value: Callable[..., object]) -> str:
    return value.__name__


@pytest.fixture(params=RESOLVERS, ids=named)
def scene(request, tmp_path):
    if request.param is resolve.in_kernel and resolve.best() is not resolve.in_kernel:
        pytest.skip("this kernel has no openat2")
    with open_scene(tmp_path, request.param) as scene:
        yield scene


@pytest.mark.parametrize("check", checks(jail_checks, crafted_checks, lease_checks), ids=named)
def test_file_operations_never_leave_the_jail(scene, check):
    check(scene)


@pytest.mark.parametrize(
    "check", checks(file_checks, upload_checks, archive_checks, sparse_checks, crowd_checks), ids=named
)
def test_operation_does_what_it_says(scene, check):
    check(scene)


@pytest.mark.soak
@pytest.mark.parametrize("check", checks(tree_checks), ids=named)
def test_tree_comes_back_from_its_archive(scene, check):
    check(scene)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, soak.times(3) + 1))
def test_no_string_is_a_way_out(scene, seed):
    """A few of those that ``python -m tests.contracts.fuzz`` makes by the million."""
    told = fuzz.fuzz(scene, 4000, seed)
    assert sum(told.values()) == 4000
    assert {"path: read", "path: written", "path: invalid_path", "entry: file", "entry: invalid_path"} <= set(
        told
    )
