"""The tokens actor and the gate before it, in virtual time: what meets at the door, in every order."""

from contextlib import ExitStack, asynccontextmanager
from itertools import permutations

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.kernel.actor import replay
from actors.kernel.bus import open_bus
from actors.kernel.decider import Rejection
from actors.kernel.journal import JournalUnavailable
from actors.kernel.mailbox import Overloaded
from actors.kernel.supervisor import open_supervisor
from actors.tokens.actor import STREAM, SWEEP_EVERY, open_tokens
from actors.tokens.decider import DECIDER, REMEMBERED
from actors.tokens.grant import EVERYTHING
from actors.tokens.messages import Mint, Revoke, Spend, Sweep, TokenMinted, TokenSpent, to_id
from lightd.access.errors import AccessError
from lightd.access.gate import Gate, to_digest
from lightd.access.sessions import OpenSockets
from lightd.config.sections import Authorization
from tests.support import soak
from tests.support.doubles.journals import SlowJournal

EPOCH = 1_700_000_000.0
TEXT = "lightd_a_minted_token_of_the_tests"
DIGEST = to_digest(TEXT)
ID = to_id(DIGEST)
MASTER = "lightd_the_master_of_the_simulation"
HOUR = 3600.0


@attrs.define(eq=False)
class World:
    """The tokens, their sockets and the gate; ``record`` has what became of each bearer, in its order."""

    journal: SlowJournal
    sockets: OpenSockets = attrs.field(factory=OpenSockets)
    tokens: object = None
    gate: object = None
    record: list = attrs.field(factory=list)

    def clock(self):
        return EPOCH + trio.current_time()

    async def mint(self, *, ttl=HOUR, once=True, digest=DIGEST):
        now = self.clock()
        await self.tokens.ref.ask(Mint(digest, EVERYTHING, once, now, now + ttl))

    async def enter(self, name="in"):
        """Come in by the token, as a request does."""
        try:
            identity = self.gate.authenticate([TEXT], "192.0.2.1")
            await self.gate.spend(identity)
        except AccessError as error:
            self.record.append((name, error.code))
        except (JournalUnavailable, Overloaded) as error:
            self.record.append((name, type(error).__name__))
        else:
            self.record.append((name, "in"))

    @property
    def events(self):
        return [type(record.event).__name__ for record in self.journal.records]

    @property
    def outcomes(self):
        return sorted(str(outcome) for _, outcome in self.record)


@asynccontextmanager
async def open_life(journal):
    """One life of the daemon; what is left of it is its journal."""
    world = World(journal)
    async with open_bus(journal) as bus, open_supervisor() as supervisor:
        world.tokens = await open_tokens(
            bus, supervisor, world.clock, world.sockets.token_ids, world.sockets.revoke_unknown
        )
        world.gate = Gate(lambda: Authorization(token=MASTER), world.tokens, world.clock)
        yield world


def a_journal(**settings):
    return SlowJournal(lambda: EPOCH + trio.current_time(), **settings)


@pytest.mark.parametrize("seconds", [0.0, 0.5])
@pytest.mark.parametrize("bearers", [2, 5])
async def test_simultaneous_uses_of_a_single_use_token_have_exactly_one_winner(
    autojump_clock, seconds, bearers
):
    async with open_life(a_journal()) as world:
        await world.mint()
        world.journal.seconds = seconds
        async with trio.open_nursery() as nursery:
            for number in range(bearers):
                nursery.start_soon(world.enter, number)
        assert world.outcomes == ["in", *["unauthorized"] * (bearers - 1)]
        assert world.events == ["TokenMinted", "TokenSpent"]


async def test_token_that_lasts_lets_its_bearers_in_at_once_and_records_nothing(autojump_clock):
    async with open_life(a_journal()) as world:
        await world.mint(once=False)
        world.journal.fault = "the disk is full"
        for _ in range(3):
            await world.enter()
        assert world.outcomes == ["in"] * 3
        assert world.events == ["TokenMinted"]


@pytest.mark.parametrize("order", list(permutations(["spend", "spend", "revoke", "sweep"])))
async def test_token_commands_at_once_are_decided_one_after_the_other(autojump_clock, order):
    """Spent at most once, and never after it was revoked."""
    async with open_life(a_journal(seconds=0.1)) as world:
        await world.mint()
        outcomes = []

        async def do(what):
            message = {
                "spend": Spend(ID, world.clock()),
                "revoke": Revoke(ID, world.clock()),
                "sweep": Sweep(world.clock() + REMEMBERED + 1),
            }[what]
            try:
                await world.tokens.ref.ask(message)
            except Rejection as rejection:
                outcomes.append((what, rejection.code))
            else:
                outcomes.append((what, "done"))

        async with trio.open_nursery() as nursery:
            for what in order:
                nursery.start_soon(do, what)
                await trio.sleep(0.001)
        spent = [outcome for what, outcome in outcomes if what == "spend"]
        assert spent.count("done") == (1 if order.index("spend") < order.index("revoke") else 0)
        assert world.events.count("TokenSpent") == spent.count("done")


async def test_use_on_its_way_when_the_token_expires_is_decided_by_the_time_it_began(autojump_clock):
    async with open_life(a_journal()) as world:
        await world.mint(ttl=10.0)
        world.journal.seconds = 2.0
        await trio.sleep(9.0)
        await world.enter()
        assert world.record == [("in", "in")]
        await world.enter("again")
        assert world.record[-1] == ("again", "unauthorized")


async def test_token_is_refused_from_the_moment_of_its_end_swept_or_not(autojump_clock):
    async with open_life(a_journal()) as world:
        await world.mint(ttl=10.0, once=False)
        for pause, outcome in [(9.99, "in"), (0.01, "unauthorized"), (SWEEP_EVERY, "unauthorized")]:
            await trio.sleep(pause)
            await world.enter()
            assert world.record[-1] == ("in", outcome)
        assert world.tokens.view.state.tokens == {}
        assert world.events == ["TokenMinted", "TokensSwept"]


async def test_expired_tokens_are_swept_every_five_minutes(autojump_clock):
    async with open_life(a_journal()) as world:
        for number in range(3):
            await world.mint(ttl=200.0 * (number + 1), digest=to_digest(f"{number}"))
        left = []
        for _ in range(3):
            await trio.sleep(SWEEP_EVERY)
            await trio.testing.wait_all_tasks_blocked()
            left.append(len(world.tokens.view.state.tokens))
        assert left == [2, 0, 0]
        assert world.journal.head == 5  # three were minted, two sweeps found something


async def test_spent_token_is_remembered_while_a_socket_lives_by_it(autojump_clock):
    async with open_life(a_journal()) as world:
        await world.mint()
        await world.enter()
        with world.sockets.held(ID) as scope:
            await trio.sleep(3 * SWEEP_EVERY)
        assert not scope.cancelled_caught
        assert ID in world.tokens.view.state.tokens
        await trio.sleep(SWEEP_EVERY + 1)
        assert world.tokens.view.state.tokens == {}


async def test_revocation_ends_what_the_token_holds_open_before_it_is_answered(autojump_clock):
    async with open_life(a_journal()) as world:
        await world.mint()
        await world.mint(digest=to_digest("another"))
        await world.enter()
        ids = (ID, "master", to_id(to_digest("another")))
        with ExitStack() as stack:
            scopes = [stack.enter_context(world.sockets.held(each)) for each in ids]
            with trio.CancelScope(shield=True):
                await world.tokens.ref.ask(Revoke(ID, world.clock()))
            assert [scope.cancel_called for scope in scopes] == [True, False, False]


async def test_use_that_can_not_be_recorded_lets_nobody_in_and_the_token_stays_good(autojump_clock):
    async with open_life(a_journal()) as world:
        await world.mint()
        world.journal.fault = "the disk is full"
        await world.enter("first")
        await world.enter("second")
        assert world.record == [("first", "JournalUnavailable"), ("second", "JournalUnavailable")]
        world.journal.fault = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.enter, "third")
            nursery.start_soon(world.enter, "fourth")
        assert sorted(str(outcome) for _, outcome in world.record[2:]) == ["in", "unauthorized"]


async def test_use_whose_recording_takes_too_long_lets_nobody_in_and_spends_the_token(autojump_clock):
    async with open_life(a_journal()) as world:
        await world.mint()
        world.journal.seconds = 60.0
        await world.enter("first")
        assert world.record == [("first", "Overloaded")]
        await trio.sleep(60.0)
        await world.enter("second")
        assert world.record[-1] == ("second", "unauthorized")


@pytest.mark.parametrize("after", [0.0, 0.25, 0.5, 0.75])
async def test_bearer_is_never_in_twice_whenever_the_daemon_dies(autojump_clock, after):
    """Killed while the use is recorded, or once it is and nobody was answered: then it is spent."""
    journal = a_journal()
    async with open_life(journal) as world:
        await world.mint()
        journal.seconds = 0.5
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.enter)
            await trio.sleep(after)
            nursery.cancel_scope.cancel()
    was_in = [outcome for _, outcome in world.record].count("in")
    async with open_life(journal) as world:
        await world.enter()
        await world.enter()
        spent = [record for record in journal.records if isinstance(record.event, TokenSpent)]
        assert len(spent) == 1
        assert was_in + [outcome for _, outcome in world.record].count("in") <= 1


async def test_tokens_outlive_the_daemon_and_only_their_digests_are_kept(autojump_clock):
    journal = a_journal()
    async with open_life(journal) as world:
        await world.mint(once=False)
        minted = world.tokens.view.state
    async with open_life(journal) as world:
        assert world.tokens.view.state == minted
        await world.enter()
        assert world.record == [("in", "in")]
    assert [type(record.event) for record in journal.records] == [TokenMinted]
    assert TEXT not in repr(journal.records)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["revoke", "sweep", "mint", "fail", "heal", "restart"]), st.just(1)),
        st.tuples(st.just("sleep"), st.integers(0, 1200)),
    ),
    max_size=12,
)


@pytest.mark.soak
@settings(max_examples=soak.times(60), deadline=None)
@given(STEPS, st.sampled_from([0.0, 0.01, 1.0]))
def test_token_for_one_use_lets_one_in_at_most_and_none_after_its_end_in_any_order(steps, seconds):
    async def run():
        journal = a_journal()
        bearers, until = 0, None
        remaining = list(steps)
        while remaining:
            async with open_life(journal) as world, trio.open_nursery() as nursery:
                while remaining:
                    (what, number), remaining[:] = remaining[0], remaining[1:]
                    journal.seconds = seconds
                    if what == "enter":
                        for _ in range(number):
                            nursery.start_soon(world.enter)
                    elif what == "sleep":
                        await trio.sleep(number)
                    elif what == "fail":
                        journal.fault = "full"
                    elif what == "heal":
                        journal.fault = None
                    elif what == "restart":
                        nursery.cancel_scope.cancel()
                        break
                    elif what == "mint" and until is None and journal.fault is None:
                        await world.mint(ttl=600.0)
                        until = world.clock() + 600.0
                    elif what in ("revoke", "sweep"):
                        message = {"revoke": Revoke(ID, world.clock()), "sweep": Sweep(world.clock())}[what]
                        world.tokens.ref.tell_nowait(message)
            bearers += [outcome for _, outcome in world.record].count("in")
        assert bearers <= 1
        async with open_bus(journal) as bus:
            await replay(DECIDER, bus, STREAM)  # no history that can't be read again
        spent = [record for record in journal.records if isinstance(record.event, TokenSpent)]
        assert len(spent) <= 1
        assert all(record.event.at < until for record in spent)

    trio.run(run, clock=MockClock(autojump_threshold=0))
