"""Failed attempts, by address, in virtual time."""

import pytest
import trio

from lightd.access import attempts
from lightd.access.addresses import to_key
from lightd.access.attempts import BURST, EVERY, Attempts

ATTACKER, PANEL = "192.0.2.66", "192.0.2.7"


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("<local>", "<local>"),
    ],
)
def test_client_is_known_by_its_address_and_over_ipv6_by_its_64(host, key):
    assert to_key(host) == key


async def test_address_may_guess_so_often_and_then_once_in_a_while(autojump_clock):
    tried = Attempts()
    for _ in range(BURST):
        assert tried.may_try(ATTACKER, "guess")
        tried.failed(ATTACKER)
    for _ in range(3):
        assert not tried.may_try(ATTACKER, "guess")
        assert tried.wait(ATTACKER) == pytest.approx(EVERY)
        await trio.sleep(tried.wait(ATTACKER))
        assert tried.may_try(ATTACKER, "guess")
        tried.failed(ATTACKER)
    await trio.sleep(BURST * EVERY)
    assert tried.wait(ATTACKER) == 0
    assert [tried.may_try(ATTACKER, "guess") or tried.failed(ATTACKER) for _ in range(3)] == [True] * 3


async def test_other_addresses_can_still_try(autojump_clock):
    tried = Attempts()
    for _ in range(BURST):
        tried.failed("2001:db8:6:6:1::1")
    assert not tried.may_try("2001:db8:6:6:ffff::2", "guess")
    assert tried.may_try("2001:db8:6:7:1::1", "guess")
    assert tried.may_try(PANEL, "guess")


async def test_known_token_is_compared_whatever_a_neighbour_tries(autojump_clock):
    tried = Attempts()
    tried.succeeded(PANEL, "master")
    for _ in range(10 * BURST):
        tried.failed(PANEL)
    assert tried.may_try(PANEL, "master")
    assert not tried.may_try(PANEL, "guess")
    for _ in range(BURST):
        tried.failed(ATTACKER)
    assert not tried.may_try(ATTACKER, "master")  # it was right elsewhere, which is nothing to him


async def test_success_wipes_no_failure_out(autojump_clock):
    tried = Attempts()
    for _ in range(BURST):
        tried.failed(ATTACKER)
        tried.succeeded(ATTACKER, "master")
    assert not tried.may_try(ATTACKER, "guess")


async def test_memory_is_bounded_and_the_quietest_is_forgotten_first(autojump_clock, monkeypatch):
    monkeypatch.setattr(attempts, "ADDRESSES", 10)
    monkeypatch.setattr(attempts, "KNOWN", 10)
    tried = Attempts()
    for _ in range(BURST):
        tried.failed(ATTACKER)
    tried.succeeded(PANEL, "master")
    for number in range(9):
        tried.failed(f"198.51.100.{number}")
        tried.succeeded(f"198.51.100.{number}", "master")
    tried.failed(ATTACKER)
    for number in range(9):
        tried.failed(f"203.0.113.{number}")
    assert not tried.may_try(ATTACKER, "guess")
    assert len(tried._paid) == 10
    tried.succeeded(PANEL, "master")
    for number in range(9):
        tried.succeeded(f"203.0.113.{number}", "master")
    assert len(tried._known) == 10
    for _ in range(BURST):
        tried.failed(PANEL)
    assert tried.may_try(PANEL, "master")
