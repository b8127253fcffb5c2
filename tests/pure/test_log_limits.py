"""What one client's requests write to the log is bounded, and nothing of it is lost without a word."""

import logging

from lightd.access.log_limits import BURST, RATE, SOURCES, SUMMARY, LogLimits


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def count(limits, times, token_id=None, address="192.0.2.1"):
    return sum(limits.admits(token_id, address) for _ in range(times))


def test_stranger_has_a_burst_of_lines_and_then_a_few_a_second(caplog):
    clock = Clock()
    limits = LogLimits(clock)
    assert count(limits, 5000) == BURST
    clock.now += SUMMARY
    with caplog.at_level(logging.WARNING):
        assert abs(count(limits, 5000) - RATE * SUMMARY) <= 1
    assert "more requests like those before were not logged" in caplog.text


def test_another_address_and_a_token_have_lines_of_their_own():
    limits = LogLimits(Clock())
    assert count(limits, 1000) == BURST
    assert count(limits, 1000, address="192.0.2.2") == BURST
    assert count(limits, 1000, token_id="abc") == BURST
    assert count(limits, 1000, token_id="abc", address="192.0.2.3") == 0


def test_many_addresses_together_have_ten_times_as_many():
    limits = LogLimits(Clock())
    found = sum(count(limits, 5, address=f"10.0.{n // 250}.{n % 250}") for n in range(5000))
    assert abs(found - 10 * BURST) < BURST / 10
    assert len(limits._paid) <= SOURCES
    assert count(limits, 10, token_id="abc") == 10


def test_ipv6_address_counts_by_its_network():
    limits = LogLimits(Clock())
    assert sum(count(limits, 1, address=f"2001:db8::{n:x}") for n in range(1, 1000)) == BURST
