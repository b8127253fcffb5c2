"""How often a token may act on a container, in virtual time."""

import pytest
import trio

from actors.tokens.grant import EVERYTHING, MASTER, Grant
from lightd.access import rates
from lightd.access.errors import LimitExceeded
from lightd.access.identity import Identity
from lightd.access.rates import CHANGING, ENDING, SENDING, STARTING, Rates

TENANT = Identity("tenant", Grant(frozenset({"a"}), frozenset({"power"})), 1.0, 1)
PAGES = [Identity(f"page{number}", Grant(frozenset({"a"})), 1.0, 1) for number in range(5)]
PANEL = Identity("panel", EVERYTHING, 1.0, 1)


def spend_all(table, budget, identity=TENANT, subject="a"):
    """How many actions there are in one moment, and what is said then."""
    for count in range(1000):
        try:
            table.spend(budget, subject, identity)
        except LimitExceeded as refusal:
            return count, refusal
    return 1000, None


async def test_budget_is_spent_and_comes_back_one_by_one(autojump_clock):
    table = Rates()
    count, refusal = spend_all(table, STARTING)
    assert count == STARTING.burst
    assert refusal.code == "too_often"
    assert refusal.retry_after == 5
    assert refusal.message == (
        "this is started or restarted too often: the limit is 20 times at once, then every 5 seconds"
    )
    await trio.sleep(4.9)
    assert spend_all(table, STARTING)[0] == 0
    await trio.sleep(0.2)
    assert spend_all(table, STARTING)[0] == 1
    await trio.sleep(1000)
    assert spend_all(table, STARTING)[0] == STARTING.burst


async def test_starts_keep_nobody_from_a_kill_nor_from_another_container(autojump_clock):
    table = Rates()
    spend_all(table, STARTING)
    assert spend_all(table, CHANGING)[0] == CHANGING.burst
    assert spend_all(table, STARTING, subject="b")[0] == STARTING.burst
    assert spend_all(table, ENDING)[0] == ENDING.burst
    for page in PAGES:  # no other token's kills are spent
        assert spend_all(table, ENDING, page)[0] == ENDING.burst
    await trio.sleep(0.6)
    assert spend_all(table, ENDING)[0] == 1


async def test_many_tokens_of_one_tenant_share_a_budget_that_is_not_the_panels(autojump_clock):
    table = Rates()
    assert [spend_all(table, STARTING, page)[0] for page in PAGES] == [20, 20, 0, 0, 0]
    assert spend_all(table, STARTING, PANEL)[0] == 20
    await trio.sleep(2.6)  # twice as fast as for one
    assert spend_all(table, STARTING, PAGES[4])[0] == 1


async def test_master_has_no_limit(autojump_clock):
    assert spend_all(Rates(), STARTING, Identity(MASTER)) == (1000, None)


async def test_commands_of_the_master_are_limited_as_on_a_socket(autojump_clock):
    table, master = Rates(), Identity(MASTER)
    count, refusal = spend_all(table, SENDING, master)
    assert count == SENDING.burst == 20
    assert (
        refusal.message
        == "this is sent commands too often: the limit is 20 times at once, then every 0.05 seconds"
    )
    await trio.sleep(1)
    assert spend_all(table, SENDING, master)[0] == 20


async def test_several_actions_are_spent_all_or_none(autojump_clock):
    table = Rates()
    table.spend(SENDING, "a", TENANT, 15)
    with pytest.raises(LimitExceeded):
        table.spend(SENDING, "a", TENANT, 6)
    table.spend(SENDING, "a", TENANT, 5)
    with pytest.raises(LimitExceeded):
        table.spend(SENDING, "a", TENANT)
    await trio.sleep(1)
    table.spend(SENDING, "a", TENANT, 20)


async def test_budget_that_was_used_longest_ago_is_forgotten(autojump_clock, monkeypatch):
    monkeypatch.setattr(rates, "REMEMBERED", 2)
    table = Rates()
    for subject in "abc":
        assert spend_all(table, STARTING, PANEL, subject)[0] == 20
    assert len(table._paid) == 2
    assert spend_all(table, STARTING, PANEL, "c")[0] == 0
    assert spend_all(table, STARTING, PANEL, "a")[0] == 20


@pytest.mark.parametrize("action", ["start", "restart", "stop", "kill"])
def test_every_power_action_has_a_budget(action):
    assert rates.POWER[action] is (STARTING if "start" in action else ENDING)
