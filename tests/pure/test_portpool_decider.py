"""The port pool by example, and against a model whatever the order of requests."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.container.spec import PortBinding
from actors.kernel.decider import Rejection, replay
from actors.portpool.decider import DECIDER, Entry, State, collides, decide, effects
from actors.portpool.messages import (
    Add,
    Keep,
    Lease,
    Mark,
    PortMarked,
    PortsAdded,
    PortsLeased,
    PortsReleased,
    PortsRemoved,
    Remove,
)
from tests.support import soak

ANY = ("0.0.0.0", 80, "tcp")
ANY_V6 = ("::", 80, "tcp")
LOCAL = ("127.0.0.1", 80, "tcp")
OTHER = ("10.0.0.1", 80, "tcp")
UDP = ("0.0.0.0", 80, "udp")
NEXT = ("0.0.0.0", 81, "tcp")
V6 = ("::", 80, "tcp")

POOL = (PortsAdded((ANY, LOCAL, OTHER, UDP, NEXT)),)
HELD = (*POOL, PortsLeased("a", (LOCAL,)))
MARKED = (*POOL, PortMarked(LOCAL, True))


def given(past):
    return replay(DECIDER, DECIDER.initial, past)


def then(past, message):
    state = given(past)
    events = decide(state, message)
    replay(DECIDER, state, events)
    return events


def refused(past, message):
    with pytest.raises(Rejection) as rejection:
        then(past, message)
    return rejection.value.code, rejection.value.message


def test_ports_come_into_the_pool_free():
    assert then((), Add((ANY, UDP))) == (PortsAdded((ANY, UDP)),)
    assert given((PortsAdded((ANY,)),)).entries == {ANY: Entry()}


def test_ports_are_not_added_if_one_of_them_is_there_already():
    assert refused(POOL, Add((("1.1.1.1", 1, "tcp"), ANY))) == ("port_exists", "Port already exists in pool")


def test_port_that_is_named_twice_is_added_once():
    assert then((), Add((ANY, ANY))) == (PortsAdded((ANY,)),)


def test_adding_or_removing_nothing_changes_nothing():
    assert then(POOL, Add(())) == ()
    assert then(POOL, Remove(())) == ()


def test_free_or_marked_port_leaves_the_pool():
    assert then(MARKED, Remove((LOCAL, ANY))) == (PortsRemoved((LOCAL, ANY)),)
    assert LOCAL not in given((*MARKED, PortsRemoved((LOCAL,)))).entries


def test_port_that_is_named_twice_is_removed_once():
    assert then(POOL, Remove((ANY, ANY))) == (PortsRemoved((ANY,)),)


def test_held_port_stays_in_the_pool():
    assert refused(HELD, Remove((LOCAL,))) == ("port_in_use", "port 127.0.0.1:80/tcp is held by container a")
    assert then(HELD, Remove((LOCAL, NEXT), skip_held=True)) == (PortsRemoved((NEXT,)),)


def test_port_that_is_not_there_can_not_leave_the_pool():
    assert refused((), Remove((ANY,))) == ("port_not_found", "Port not found in pool")
    assert then(POOL, Remove((V6,), skip_held=True)) == ()


def test_port_is_marked_and_unmarked_by_hand():
    assert then(POOL, Mark(LOCAL, True)) == (PortMarked(LOCAL, True),)
    assert then(MARKED, Mark(LOCAL, True)) == ()
    assert then(MARKED, Mark(LOCAL, False)) == (PortMarked(LOCAL, False),)


def test_held_port_is_not_marked_by_hand():
    assert refused(HELD, Mark(LOCAL, False))[0] == "port_in_use"
    assert refused(POOL, Mark(V6, True))[0] == "port_not_found"


def test_lease_takes_every_port_in_one_event():
    assert then(POOL, Lease("a", (LOCAL, NEXT, LOCAL))) == (PortsLeased("a", (LOCAL, NEXT)),)


def test_lease_of_nothing_changes_nothing():
    assert then(POOL, Lease("a", ())) == ()


def test_lease_takes_none_where_one_port_can_not_be_had():
    assert refused(HELD, Lease("b", (NEXT, LOCAL)))[0] == "port_in_use"
    missing = ("port_not_found", "Port not found in pool: :::80/tcp; add it first: POST /network/ports")
    assert refused(POOL, Lease("b", (NEXT, V6))) == missing


def test_lease_with_a_missing_port_is_not_found_whatever_holds_the_others():
    assert refused(HELD, Lease("b", (LOCAL, V6)))[0] == "port_not_found"


def test_lease_of_what_is_held_already_changes_nothing():
    assert then(HELD, Lease("a", (LOCAL,))) == ()
    assert then(HELD, Lease("a", (LOCAL, NEXT))) == (PortsLeased("a", (NEXT,)),)


def test_wildcard_collides_with_every_address_of_its_port():
    assert refused(HELD, Lease("b", (ANY,))) == (
        "port_in_use",
        "port 0.0.0.0:80/tcp is in use by container a",
    )
    assert refused((*POOL, PortsLeased("a", (ANY,))), Lease("b", (LOCAL,)))[0] == "port_in_use"


def test_other_addresses_protocols_and_ports_do_not_collide():
    assert then(HELD, Lease("b", (OTHER, UDP, NEXT))) == (PortsLeased("b", (OTHER, UDP, NEXT)),)


def test_one_container_can_not_lease_two_ports_that_collide():
    assert refused(POOL, Lease("a", (ANY, LOCAL)))[0] == "port_in_use"


def test_container_may_widen_the_address_of_a_port_that_it_holds():
    assert then((*POOL, PortsLeased("a", (LOCAL,))), Lease("a", (ANY,))) == (PortsLeased("a", (ANY,)),)


def test_both_wildcards_of_a_port_can_be_held_by_one_container_or_by_two():
    both = (PortsAdded((ANY, ANY_V6)),)
    assert then(both, Lease("a", (ANY, ANY_V6))) == (PortsLeased("a", (ANY, ANY_V6)),)
    assert then((*both, PortsLeased("a", (ANY,))), Lease("b", (ANY_V6,))) == (PortsLeased("b", (ANY_V6,)),)


@pytest.mark.parametrize(
    ("ip", "other", "so"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("0.0.0.0", "10.0.0.1", True),
        ("::", "::1", True),
        ("::", "0.0.0.0", False),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_bindings_collide_as_ports_of_the_pool_do(ip, other, so):
    assert PortBinding(ip, 80, "tcp", 1).collides(PortBinding(other, 80, "tcp", 2)) is so
    assert not PortBinding(ip, 80, "tcp", 1).collides(PortBinding(other, 80, "udp", 1))


def test_port_marked_by_hand_is_not_leased():
    reason = "port 0.0.0.0:80/tcp is marked as in use: unmark it or choose another port"
    assert refused(MARKED, Lease("a", (LOCAL,)))[0] == "port_in_use"
    assert refused(MARKED, Lease("a", (ANY,))) == ("port_in_use", reason)


def test_release_gives_back_all_that_one_owner_holds():
    past = (*POOL, PortsLeased("a", (LOCAL, NEXT)), PortsLeased("b", (UDP,)))
    assert then(past, Keep("a", ())) == (PortsReleased("a", (LOCAL, NEXT)),)
    assert then(past, Keep("c", ())) == ()

    after = given((*past, PortsReleased("a", (LOCAL, NEXT))))
    assert (after.leases(), after.held_by("b")) == ({"b": {UDP}}, (UDP,))


def test_keep_releases_all_ports_but_the_kept_ones():
    past = (PortsAdded((LOCAL, NEXT)), PortsLeased("a", (LOCAL, NEXT)))
    assert then(past, Keep("a", (NEXT, OTHER))) == (PortsReleased("a", (LOCAL,)),)
    assert then(past, Keep("a", (LOCAL, NEXT))) == ()
    assert then(past, Keep("b", ())) == ()


def test_free_ports_are_those_that_could_be_leased():
    assert given(POOL).free("tcp") == [ANY, LOCAL, OTHER, NEXT]
    assert given(HELD).free("tcp") == [OTHER, NEXT]
    assert given(MARKED).free("tcp") == [OTHER, NEXT]
    assert given(HELD).free("udp") == [UDP]


@pytest.mark.parametrize(
    ("ip", "other", "so"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("0.0.0.0", "10.0.0.1", True),
        ("::1", "::", True),
        ("::1", "127.0.0.1", False),
        ("::", "0.0.0.0", False),
        ("::", "10.0.0.1", False),
        ("0.0.0.0", "::1", False),
    ],
)
def test_addresses_collide_where_both_can_not_be_bound(ip, other, so):
    assert collides(ip, other) is so
    assert collides(other, ip) is so


def test_pool_has_no_work_of_its_own():
    assert effects(given(HELD)) == frozenset()


# Whatever the order of requests

KEYS = st.tuples(
    st.sampled_from(["0.0.0.0", "127.0.0.1", "10.0.0.1", "::"]),
    st.sampled_from([80, 81]),
    st.sampled_from(["tcp", "udp"]),
)
SOME = st.lists(KEYS, max_size=4).map(tuple)
OWNERS = st.sampled_from("abc")


def overlapping(key, other):
    return key[1:] == other[1:] and collides(key[0], other[0])


class PortPoolMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.state: State = DECIDER.initial
        self.leased = {}
        self.events = []

    def tell(self, message):
        """Return true where it was accepted; a rejection leaves everything as it was."""
        try:
            events = decide(self.state, message)
        except Rejection:
            return False
        self.events += events
        self.state = replay(DECIDER, self.state, events)
        if not isinstance(message, Add | Remove):
            assert decide(self.state, message) == ()
        return True

    @rule(keys=SOME)
    def add(self, keys):
        fresh = not any(key in self.state.entries for key in keys)
        assert self.tell(Add(keys)) == fresh

    @rule(keys=SOME, skip=st.booleans())
    def remove(self, keys, skip):
        if not self.tell(Remove(keys, skip)):
            assert not skip
            assert any(key in self.leased or key not in self.state.entries for key in keys)

    @rule(key=KEYS, in_use=st.booleans())
    def mark(self, key, in_use):
        taken = (
            [held for held in self.leased if overlapping(key, held)]
            if in_use
            else [key] * (key in self.leased)
        )
        assert self.tell(Mark(key, in_use)) == (key in self.state.entries and not taken)

    @rule(owner=OWNERS, keys=SOME)
    def lease(self, owner, keys):
        if self.tell(Lease(owner, keys)):
            self.leased |= dict.fromkeys(keys, owner)

    @rule(owner=OWNERS, protocol=st.sampled_from(["tcp", "udp"]))
    def lease_a_free_one(self, owner, protocol):
        for key in self.state.free(protocol)[:1]:
            assert self.tell(Lease(owner, (key,)))
            self.leased[key] = owner

    @rule(owner=OWNERS)
    def release(self, owner):
        assert self.tell(Keep(owner, ()))
        self.leased = {key: holder for key, holder in self.leased.items() if holder != owner}

    @invariant()
    def leases_are_all_or_nothing(self):
        held = {key: entry.held_by for key, entry in self.state.entries.items() if entry.held_by}
        assert held == self.leased

    @invariant()
    def ports_that_collide_are_never_held_by_two(self):
        for key, owner in self.leased.items():
            for other, entry in self.state.entries.items():
                if entry.in_use and overlapping(key, other):
                    assert entry.held_by == owner

    @invariant()
    def what_is_not_free_could_not_be_leased(self):
        free = set(self.state.free("tcp")) | set(self.state.free("udp"))
        for key, entry in self.state.entries.items():
            blocked = any(e.in_use and overlapping(key, other) for other, e in self.state.entries.items())
            assert (key in free) is not blocked
            assert not (entry.in_use and key in free)

    @invariant()
    def the_pool_is_what_the_events_add_up_to(self):
        assert replay(DECIDER, DECIDER.initial, self.events) == self.state


PortPoolMachine.TestCase.settings = settings(
    max_examples=soak.times(60), stateful_step_count=30, deadline=None
)
test_port_never_has_two_owners = pytest.mark.soak(PortPoolMachine.TestCase)


def test_port_that_a_container_holds_by_another_address_cannot_be_marked():
    held = (*POOL, PortsLeased("a", (ANY,)))
    assert refused(held, Mark(LOCAL, True))[0] == "port_in_use"
    assert then(held, Mark(LOCAL, False)) == ()


def test_lease_does_not_go_through_the_pool():
    """A tenant leases many ports at once, and a pool may have every port of several addresses."""

    class Pool(dict):
        def items(self):
            raise AssertionError("the whole pool was gone through")

        __iter__ = items

    entries = Pool({(ip, port, "tcp"): Entry() for ip in ("10.0.0.1", "10.0.0.2") for port in range(1, 500)})
    state = State(entries, addresses=frozenset({"10.0.0.1", "10.0.0.2"}))
    wanted = tuple(("10.0.0.1", port, "tcp") for port in range(1, 65))
    assert decide(state, Lease("s1", wanted)) == (PortsLeased("s1", wanted),)


def test_lease_of_an_adopted_container_adds_the_ports_that_are_missing():
    lease = Lease("b", (NEXT, V6), add=True)
    assert then(POOL, lease) == (PortsAdded((V6,)), PortsLeased("b", (NEXT, V6)))
    assert then((), lease) == (PortsAdded((NEXT, V6)), PortsLeased("b", (NEXT, V6)))
    held = (PortsAdded((ANY,)), PortsLeased("a", (ANY,)))
    assert refused(held, Lease("b", (LOCAL,), add=True))[0] == "port_in_use"
