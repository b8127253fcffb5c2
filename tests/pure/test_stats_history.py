"""The last hour of statistics: what a step has, what is missing, and how much memory it takes."""

import sys

import attrs
import pytest

from actors.container.stats import Stats
from actors.container.stats_history import POINTS, SIZE, STEP, Point, StatsHistory

BEGIN = 1_700_000_000  # a multiple of STEP
STATS = Stats(
    cpu_usage=10.0,
    memory_usage=100,
    memory_limit=1000,
    network_rx=1,
    network_tx=2,
    block_read=3,
    block_write=4,
    uptime=5,
)


def added(*samples):
    history = StatsHistory()
    for at, changes in samples:
        pids = changes.pop("pids", 7)
        history.add(at, attrs.evolve(STATS, **changes), pids)
    return history


def test_step_has_the_mean_the_largest_and_the_last_values():
    history = added(
        (BEGIN + 0.5, {"cpu_usage": 10.0, "memory_usage": 300, "network_rx": 10, "pids": 9}),
        (BEGIN + 1.5, {"cpu_usage": 20.0, "memory_usage": 200, "network_rx": 20, "uptime": 6}),
        (BEGIN + 2.5, {"cpu_usage": 60.0, "memory_usage": 100, "network_rx": 30, "uptime": 7}),
    )
    assert history.read(BEGIN + 3) == [
        Point(BEGIN, 30.0, 300, network_rx=30, network_tx=2, block_read=3, block_write=4, uptime=7, pids=9)
    ]
    assert (history.at, history.pids) == (BEGIN + 2.5, 7)


def test_step_without_a_sample_is_missing():
    history = added((BEGIN, {}), (BEGIN + STEP, {}), (BEGIN + 5 * STEP, {}))
    assert [point.at - BEGIN for point in history.read(BEGIN + 5 * STEP)] == [0, STEP, 5 * STEP]


def test_history_of_nothing_is_empty():
    assert StatsHistory().read(BEGIN) == []
    assert StatsHistory().at is None


def test_steps_older_than_an_hour_are_not_shown_also_if_nothing_came_since():
    history = added((BEGIN, {}), (BEGIN + 1800, {}))
    assert len(history.read(BEGIN + 3599)) == 2
    assert [point.at for point in history.read(BEGIN + 3600)] == [BEGIN + 1800]
    assert history.read(BEGIN + 5400) == []


def test_number_of_processes_can_be_unknown():
    history = added((BEGIN, {"pids": None}))
    assert history.read(BEGIN)[0].pids is None
    history.add(BEGIN + 1, STATS, 3)
    history.add(BEGIN + 2, STATS, None)
    assert history.read(BEGIN)[0].pids == 3


@pytest.mark.parametrize("back", [STEP, 3600, 100_000])
def test_steps_after_a_clock_that_was_set_back_are_dropped(back):
    history = added(*((BEGIN + second, {}) for second in range(0, 7200, 5)))
    history.add(BEGIN + 7200 - back, attrs.evolve(STATS, memory_usage=1), 1)
    ats = [point.at for point in history.read(BEGIN + 7200 - back)]
    assert ats == sorted(set(ats))
    assert ats[-1] == (BEGIN + 7200 - back) // STEP * STEP


def test_largest_values_fit_into_a_step():
    most = 2**63
    stats = Stats(102_400.0, most, most, most, most, most, most, 2**32 - 1)
    history = StatsHistory()
    history.add(2**34, stats, 2**22)
    (point,) = history.read(2**34)
    assert (point.memory_usage, point.block_write, point.pids) == (most, most, 2**22)


def test_history_of_any_length_takes_twenty_kilobytes():
    history = added(*((BEGIN + second, {}) for second in range(0, 20_000, 3)))
    assert len(history._points) == POINTS * SIZE
    assert len(history.read(BEGIN + 19_999)) == POINTS
    assert sys.getsizeof(history._points) <= 24 * 1024
