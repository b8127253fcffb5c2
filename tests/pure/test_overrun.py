"""What follows from what a volume holds, by example."""

import struct

import pytest

from lightd.files.quota.kind import MEGABYTE
from lightd.files.quota.limits import Limit, entries_of, most_of
from lightd.files.quota.overrun import Standing, Step, judge, judge_entries
from lightd.files.quota.project import to_quota

SIZE = 1000 * MEGABYTE


def story(*looks, size=SIZE, enforced=False):
    """The steps that follow from looks, in megabytes."""
    standing, steps = Standing(), []
    for used in looks:
        standing, step = judge(standing, size, int(used * MEGABYTE), enforced=enforced)
        steps.append(step.value)
    return steps


def test_volume_with_room_is_left_alone():
    assert story(0, 500, 1000) == ["nothing"] * 3


def test_full_volume_is_told_once_until_it_had_room_again():
    assert story(1001, 1001, 960, 1001, 949, 1001) == [
        "report", "nothing", "nothing", "nothing", "nothing", "report",
    ]  # fmt: skip


def test_server_that_goes_on_growing_is_stopped_each_time_that_it_does():
    assert story(1001, 1011, 1011.5, 1015, 1022) == ["report", "nothing", "stop", "nothing", "stop"]


def test_small_volume_may_grow_by_a_megabyte():
    assert story(10.5, 11.4, 11.6, size=10 * MEGABYTE) == ["report", "nothing", "stop"]


def test_server_far_over_the_size_is_killed():
    assert story(2000, 2001) == ["report", "kill"]
    assert story(266, 267, size=10 * MEGABYTE) == ["report", "kill"]
    assert story(5000, 5000) == ["kill", "kill"]


def test_overrun_that_the_kernel_enforces_is_only_told_and_a_little_earlier():
    assert story(998, 999.5, 1000, 1000, enforced=True) == ["nothing", "report", "nothing", "nothing"]
    assert story(0.989, 0.991, size=MEGABYTE, enforced=True) == ["nothing", "report"]


@pytest.mark.parametrize("step", Step)
def test_every_step_is_reached(step):
    assert step.value in story(0, 1001, 1100, 9999)


def names(*looks, most=20_000):
    """The steps that follow from looks, in entries."""
    standing, steps = Standing(), []
    for entries in looks:
        standing, step = judge_entries(standing, most, entries)
        steps.append(step.value)
    return steps


def test_too_many_entries_are_told_then_stopped_then_killed():
    assert names(20_000, 20_001, 21_001, 21_002, 40_001) == ["nothing", "report", "nothing", "stop", "kill"]
    assert names(20_001, 19_500, 20_001, 18_999, 20_001) == [
        "report",
        "nothing",
        "nothing",
        "nothing",
        "report",
    ]


def test_entries_grow_with_the_size_and_never_below_a_floor():
    assert entries_of(1) == entries_of(10) == entries_of(312) == 20_000
    assert entries_of(1024) == 65_536
    assert entries_of(None) == 2_000_000


def test_walk_goes_on_until_far_too_many_are_certain():
    for size_mb in (1, 1024, 2**40, None):
        limit = Limit(None, entries_of(size_mb))
        standing, step = judge_entries(Standing(), limit.entries, most_of(limit))
        assert (standing.reported, step) == (True, Step.KILL)


def test_project_quotas_bound_inodes_too():
    packed = struct.unpack("=QQQQQQQQI4x", to_quota(1024))
    assert packed == (1024 * 1024, 1024 * 1024, 0, 65_536, 65_536, 0, 0, 0, 5)
    assert struct.unpack("=QQQQQQQQI4x", to_quota(None))[:5] == (0, 0, 0, 2_000_000, 2_000_000)
