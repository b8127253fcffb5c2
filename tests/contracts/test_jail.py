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
from tests.support.scene import Scene, open_scene

# On the newest Python one of them is enough: what differs there is in archives, which both have.
OTHER = [pytest.mark.one_python] if resolve.best() is resolve.in_kernel else []
RESOLVERS = [resolve.in_kernel, pytest.param(resolve.by_walking, marks=OTHER)]


def checks(module: object) -> list[Callable[[Scene], None]]:
    return [check for name, check in vars(module).items() if name.startswith("check_")]


def named(value: Callable[..., object]) -> str:
    return value.__name__


@pytest.fixture(params=RESOLVERS, ids=named)
def scene(request, tmp_path):
    if request.param is resolve.in_kernel and resolve.best() is not resolve.in_kernel:
        pytest.skip("this kernel has no openat2")
    with open_scene(tmp_path, request.param) as scene:
        yield scene


@pytest.mark.parametrize(
    "check", [*checks(jail_checks), *checks(crafted_checks), *checks(lease_checks)], ids=named
)
def test_file_operations_never_leave_the_jail(scene, check):
    check(scene)


@pytest.mark.parametrize(
    "check",
    [
        *checks(file_checks),
        *checks(upload_checks),
        *checks(archive_checks),
        *checks(sparse_checks),
        *checks(crowd_checks),
    ],
    ids=named,
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
