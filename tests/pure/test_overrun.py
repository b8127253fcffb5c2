"""What follows from what a volume holds, by example."""

import pytest

from lightd.files.quota.kind import MEGABYTE
from lightd.files.quota.overrun import Standing, Step, judge

SIZE = 1000 * MEGABYTE


def story(*looks, size=SIZE, enforced=False):
    """The steps that follow from looks, in megabytes."""
    standing, steps = Standing(), []
    for used in looks:
        standing, step = judge(standing, size, int(used * MEGABYTE), enforced=enforced)
        steps.append(step.value)
    return steps


def test_a_volume_with_room_is_left_alone():
    assert story(0, 500, 1000) == ["nothing"] * 3


def test_a_full_volume_is_told_once_until_it_had_room_again():
    assert story(1001, 1001, 960, 1001, 949, 1001) == [
        "tell", "nothing", "nothing", "nothing", "nothing", "tell",
    ]  # fmt: skip


def test_a_server_that_goes_on_growing_is_stopped_each_time_that_it_does():
    assert story(1001, 1011, 1011.5, 1015, 1022) == ["tell", "nothing", "stop", "nothing", "stop"]


def test_a_small_volume_may_grow_by_a_megabyte():
    assert story(10.5, 11.4, 11.6, size=10 * MEGABYTE) == ["tell", "nothing", "stop"]


def test_a_server_far_over_the_size_is_killed():
    assert story(2000, 2001) == ["tell", "kill"]
    assert story(266, 267, size=10 * MEGABYTE) == ["tell", "kill"]
    assert story(5000, 5000) == ["kill", "kill"]


def test_what_the_kernel_enforces_is_only_told_and_a_little_earlier():
    assert story(998, 999.5, 1000, 1000, enforced=True) == ["nothing", "tell", "nothing", "nothing"]
    assert story(0.989, 0.991, size=MEGABYTE, enforced=True) == ["nothing", "tell"]


@pytest.mark.parametrize("step", Step)
def test_every_step_is_reached(step):
    assert step.value in story(0, 1001, 1100, 9999)
