import pytest

from actors.kernel.backoff import Backoff


def test_delay_doubles_from_the_first_to_the_longest():
    backoff = Backoff(0.5, 10.0)
    assert [backoff.delay(failures) for failures in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert backoff.delay(100_000) == 10


def test_delay_without_jitter_is_the_same_at_every_chance():
    assert {Backoff(1.0, 60.0).delay(3, chance) for chance in (0.0, 0.5, 1.0)} == {4.0}


@pytest.mark.parametrize(
    ("jitter", "delays"), [((1.0, 0.5), [8, 6, 4]), ((0.75, 1.25), [6, 8, 10])], ids=["less", "both"]
)
def test_jitter_spreads_delays_between_its_factors(jitter, delays):
    assert [Backoff(1.0, 8.0, jitter).delay(9, chance) for chance in (0.0, 0.5, 1.0)] == delays
