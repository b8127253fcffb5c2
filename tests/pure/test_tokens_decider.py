"""Which tokens there are, by example."""

import attrs
import pytest

from actors.kernel.decider import Rejection, replay
from actors.tokens.decider import DECIDER, MOST, REMEMBERED, SWEEPING, State, Token, decide, effects
from actors.tokens.grant import EVERYTHING, Grant
from actors.tokens.messages import (
    Mint,
    Revoke,
    Spend,
    Sweep,
    TokenMinted,
    TokenRevoked,
    TokenSpent,
    TokensSwept,
    to_id,
)

DIGEST, OTHER = "a" * 64, "b" * 64
ID, OTHER_ID = to_id(DIGEST), to_id(OTHER)
LASTING = TokenMinted(DIGEST, None, None, remove_on_use=False, created_at=0.0, expires_at=1000.0)
ONCE = attrs.evolve(LASTING, remove_on_use=True)
SPENT = (ONCE, TokenSpent(ID, 10.0))


def given(past):
    return replay(DECIDER, DECIDER.initial, past)


def refused(past, message):
    with pytest.raises(Rejection) as rejection:
        decide(given(past), message)
    return rejection.value.code


def test_token_is_minted_with_what_it_may_do():
    grant = Grant(frozenset({"b", "a"}), frozenset({"power"}))
    minted = TokenMinted(DIGEST, ("a", "b"), ("power",), remove_on_use=True, created_at=1.0, expires_at=2.0)
    assert decide(State(), Mint(DIGEST, grant, True, 1.0, 2.0)) == (minted,)
    assert given([minted]).tokens == {ID: Token(DIGEST, grant, True, 1.0, 2.0)}


def test_token_without_bounds_is_minted_without_bounds():
    assert decide(State(), Mint(DIGEST, EVERYTHING, False, 0.0, 1000.0)) == (LASTING,)
    assert given([LASTING]).tokens[ID].grant == EVERYTHING


def test_bound_that_names_nothing_stays_one():
    (minted,) = decide(State(), Mint(DIGEST, Grant(frozenset(), frozenset()), False, 0.0, 1.0))
    assert given([minted]).tokens[ID].grant == Grant(frozenset(), frozenset())


def test_same_token_is_not_minted_twice():
    assert refused([LASTING], Mint(DIGEST, EVERYTHING, False, 1.0, 2.0)) == "already_exists"


def test_token_is_good_from_its_minting_to_before_its_end_unless_it_was_spent():
    token = given([LASTING]).tokens[ID]
    assert [token.opens(at) for at in (0.0, 999.9, 1000.0, 2000.0)] == [True, True, False, False]
    assert not given(SPENT).tokens[ID].opens(11.0)


def test_token_for_one_use_is_spent_once():
    assert decide(given([ONCE]), Spend(ID, 10.0)) == SPENT[1:]
    assert refused(SPENT, Spend(ID, 11.0)) == "token_spent"


def test_token_that_lasts_is_not_spent():
    assert decide(given([LASTING]), Spend(ID, 10.0)) == ()


def test_token_that_is_gone_or_over_can_not_be_spent_or_revoked():
    for message in (Spend, Revoke):
        assert refused([], message(ID, 1.0)) == "token_not_found"
        assert refused([ONCE], message(ID, 1000.0)) == "token_not_found"
        assert refused([ONCE, TokenRevoked(ID)], message(ID, 1.0)) == "token_not_found"
        assert refused([ONCE, TokensSwept((ID,))], message(ID, 1.0)) == "token_not_found"


def test_token_is_revoked_spent_or_not():
    for past in ([ONCE], SPENT, [LASTING]):
        assert decide(given(past), Revoke(ID, 11.0)) == (TokenRevoked(ID),)
        assert given([*past, TokenRevoked(ID)]) == State()


def test_sweep_takes_what_has_expired():
    later = TokenMinted(OTHER, None, None, remove_on_use=False, created_at=0.0, expires_at=2000.0)
    past = [LASTING, later]
    assert decide(given(past), Sweep(999.0)) == ()
    assert decide(given(past), Sweep(1000.0)) == (TokensSwept((ID,)),)
    assert list(given([*past, TokensSwept((ID,))]).tokens) == [OTHER_ID]
    assert decide(given(past), Sweep(2000.0, in_use=frozenset({ID}))) == (TokensSwept((ID, OTHER_ID)),)


def test_sweep_takes_what_was_spent_a_while_ago_unless_a_socket_lives_by_it():
    over = 10.0 + REMEMBERED
    assert decide(given(SPENT), Sweep(over - 1)) == ()
    assert decide(given(SPENT), Sweep(over, in_use=frozenset({ID}))) == ()
    assert decide(given(SPENT), Sweep(over)) == (TokensSwept((ID,)),)


def crowd(number, *, expires_at=1000.0):
    return [
        TokenMinted(f"{n:064x}"[::-1], None, None, remove_on_use=False, created_at=0.0, expires_at=expires_at)
        for n in range(number)
    ]


def test_tokens_have_a_maximum_number():
    full = State({to_id(event.digest): given([event]).tokens[to_id(event.digest)] for event in crowd(MOST)})
    with pytest.raises(Rejection, match="there are 10,000 tokens already") as rejection:
        decide(full, Mint(DIGEST, EVERYTHING, False, 999.0, 2000.0))
    assert rejection.value.code == "too_many_tokens"
    swept, minted = decide(full, Mint(DIGEST, EVERYTHING, False, 1000.0, 2000.0))
    assert len(swept.token_ids) == MOST
    assert list(replay(DECIDER, full, (swept, minted)).tokens) == [ID]


def test_tokens_are_swept_for_as_long_as_there_are_any():
    assert effects(State()) == frozenset()
    assert effects(given([LASTING])) == effects(given(SPENT)) == frozenset({SWEEPING})
    assert effects(given([LASTING, TokenRevoked(ID)])) == frozenset()


def test_token_does_not_show_its_digest():
    assert DIGEST not in repr(given([LASTING]))


@pytest.mark.parametrize(
    ("endings", "left", "outlived"),
    [
        ({}, {"a", "b"}, False),
        ({"a": 4, "c": 9}, {"a", "b"}, False),  # before it was minted, and another's
        ({"a": 6}, {"b"}, False),
        ({"a": 6, "b": 7}, set(), True),
    ],
)
def test_token_loses_the_containers_that_were_deleted_after_it_was_minted(endings, left, outlived):
    minted = attrs.evolve(LASTING, containers=("a", "b"), permissions=("power",))
    token = DECIDER.locate(given([minted]), minted, 5).tokens[ID]
    assert token.remaining(endings) == Grant(frozenset(left), frozenset({"power"}))
    assert token.is_outlived(endings) is outlived


def test_token_without_containers_outlives_all_of_them():
    everything, nothing = LASTING, attrs.evolve(LASTING, containers=())
    for minted in (everything, nothing):
        token = DECIDER.locate(given([minted]), minted, 5).tokens[ID]
        assert not token.is_outlived({"a": 6})
        assert token.remaining({"a": 6}) == token.grant


def test_token_position_in_the_journal_is_that_of_its_minting():
    state = DECIDER.locate(given([LASTING]), LASTING, 5)
    assert state.tokens[ID].position == 5
    assert DECIDER.locate(state, TokenSpent(ID, 10.0), 8) is state
