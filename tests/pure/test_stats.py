"""Counters of the engine to what a person reads."""

import attrs
import pytest

from actors.container.engine import Sample
from actors.container.stats import Stats, to_stats

FIRST = Sample(10.0, 2.0, 100, 200, 1, 2, 3, 4)


def later(seconds=1.0, **changes):
    return attrs.evolve(FIRST, at=FIRST.at + seconds, **changes)


def test_processor_is_percent_of_one_core_since_the_sample_before():
    assert to_stats(FIRST, later(2.0, cpu_time=3.0), 60).cpu_usage == 50.0
    assert to_stats(FIRST, later(1.0, cpu_time=6.0), 60).cpu_usage == 400.0


def test_first_sample_says_nothing_about_the_processor():
    assert to_stats(None, FIRST, 60).cpu_usage == 0.0


def test_counters_of_a_new_life_are_no_negative_use():
    assert to_stats(FIRST, later(cpu_time=0.1), 0).cpu_usage == 0.0


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_two_samples_of_one_moment_say_nothing_about_the_processor(seconds):
    assert to_stats(FIRST, later(seconds, cpu_time=9.0), 0).cpu_usage == 0.0


def test_everything_else_is_as_the_engine_counts_it():
    assert to_stats(None, FIRST, 61.9) == Stats(0.0, 100, 200, 1, 2, 3, 4, 61)


def test_uptime_is_never_negative():
    assert to_stats(None, FIRST, -0.5).uptime == 0


def test_processor_is_told_with_two_decimals_so_that_noise_is_no_news():
    assert to_stats(FIRST, later(3.0, cpu_time=3.0), 0).cpu_usage == 33.33
