"""One contract, every kind of quota that this machine has."""

import pytest

from tests.contracts import quota_checks
from tests.support.quota_scene import SCENES

CHECKS = [check for name, check in vars(quota_checks).items() if name.startswith("check_")]


def named(value):
    return value.__name__


@pytest.mark.parametrize("check", CHECKS, ids=named)
@pytest.mark.parametrize("open_scene", SCENES, ids=named)
def test_kind_of_quota_does_what_it_says(tmp_path, open_scene, check):
    with open_scene(tmp_path) as scene:
        check(scene)
