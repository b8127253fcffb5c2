import pytest

from actors.remotesync.panel import LONGEST_ASKED, to_pause


def test_pause_doubles_from_a_second_to_a_minute():
    assert [to_pause(failures, None, 0.0) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert to_pause(10_000, None, 0.0) == 60


def test_jitter_takes_up_to_a_half_away():
    assert [to_pause(3, None, chance) for chance in (0.0, 0.5, 1.0)] == [4, 3, 2]


@pytest.mark.parametrize(("asked", "seconds"), [(7.0, 7.0), (0.0, 0.0), (-5.0, 0.0), (1e9, LONGEST_ASKED)])
def test_pause_that_the_panel_asks_for_is_kept_within_bounds(asked, seconds):
    assert to_pause(1, asked, 0.0) == to_pause(9, asked, 0.0) == seconds


def test_pause_that_the_panel_asks_for_is_jittered():
    assert to_pause(1, 7.0, 0.25) == 7.25
