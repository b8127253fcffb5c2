"""What stands for condensed records, and those who come upon it."""

import attrs
import pytest
import trio

from actors.container import condensed, events
from actors.container.decider import DECIDER
from actors.container.state import Phase, State
from actors.kernel.actor import replay
from actors.kernel.bus import open_bus
from actors.kernel.journal import Append, CorruptStream, Recorded
from actors.portpool import condensed as portpool_condensed
from actors.portpool.decider import Entry
from actors.portpool.decider import State as Pool
from actors.remotesync.delivery import DeliveryQueue, read
from actors.remotesync.updates import Status, to_update
from actors.tokens import condensed as tokens_condensed
from actors.tokens.decider import State as Tokens
from actors.tokens.decider import Token
from actors.tokens.grant import EVERYTHING, Grant
from tests.support.builders import a_spec
from tests.support.doubles.journals import SlowJournal

SPEC = a_spec("a")
OFFLINE = State(Phase.OFFLINE, SPEC, 1, 1, "e1", run=7, started_at=5.0, ended=3)
STREAM = "container-a"


@attrs.define(eq=False)
class Compacted(SlowJournal):
    """A journal in which the records up to ``until`` were replaced by ``snapshot``, or are not there."""

    until: int = 0
    snapshot: object = None

    def _without(self, page):
        kept = [record for record in page if record.position > self.until]
        stands = Recorded(self.until, STREAM, self.until, 9.0, self.snapshot)
        return kept if self.snapshot is None else [stands, *kept]

    async def read_stream(self, stream, after=0, limit=1000, *, printed=True):
        page = await SlowJournal.read_stream(self, stream, after, limit, printed=printed)
        return self._without(page) if after < self.until else page

    async def read_all(self, after=0, limit=1000, *, printed=True):
        page = await SlowJournal.read_all(self, after, limit, printed=printed)
        return [record for record in page if record.position > self.until]


@pytest.fixture
def compacted():
    return Compacted(trio.current_time)


async def publish(bus, *emitted):
    await bus.publish(Append(STREAM, bus.head, emitted))


async def test_history_goes_on_from_the_state_that_stands_for_its_beginning(compacted, autojump_clock):
    compacted.until, compacted.snapshot = 5, condensed.condense(OFFLINE, 2.5)
    async with open_bus(compacted) as bus:
        await publish(bus, *[events.ImageEnsured(1)] * 5, events.StartRequested(8))
        view = await replay(DECIDER, bus, STREAM)
        assert (view.version, view.position, view.created_at) == (6, 6, 2.5)
        assert (view.state.phase, view.state.run, view.state.ended) == (Phase.STARTING, 8, 3)


async def test_beginning_for_which_nothing_stands_is_missed(compacted, autojump_clock):
    compacted.until = 5
    async with open_bus(compacted) as bus:
        await publish(bus, *[events.ImageEnsured(1)] * 6)
        with pytest.raises(CorruptStream, match="version 1 is missing"):
            await replay(DECIDER, bus, STREAM)


async def test_follower_passes_over_records_that_are_gone(compacted, autojump_clock):
    async with open_bus(compacted) as bus:
        await publish(bus, *[events.ImageEnsured(1)] * 3)
        subscription, bus._tail = bus.subscribe(0), bus._tail.__class__()
        compacted.until = 3
        assert await subscription.poll() == ()
        assert subscription.position == 3


async def test_queue_sends_a_condensed_record_once_and_is_cleared_when_nothing_is_kept(
    compacted, autojump_clock
):
    async with open_bus(compacted) as bus:
        await publish(bus, *[events.ScriptFinished(1)] * 4)
        queue = DeliveryQueue("a", 1, until=3, waiting=2)
        compacted.until, compacted.snapshot = 4, condensed.condense(OFFLINE, 2.5)
        [entry] = await read(bus, queue, latest=False)
        assert (entry.version, entry.update.frames) == (4, (Status("ready"),))
        queue.finish(entry, None)
        assert queue.version > queue.until
        compacted.snapshot = None
        queue = DeliveryQueue("a", 1, until=3, waiting=2)
        assert await read(bus, queue, latest=True) == []
        queue.clear()
        assert (queue.version, queue.waiting) == (3, 0)


@pytest.mark.parametrize(
    ("state", "frames"),
    [
        (OFFLINE, (Status("ready"),)),
        (attrs.evolve(OFFLINE, phase=Phase.PULLING), (Status("installing"),)),
        (attrs.evolve(OFFLINE, phase=Phase.FAILED), (Status("failed"),)),
        (attrs.evolve(OFFLINE, phase=Phase.DELETED), None),
    ],
)
def test_panel_hears_what_condensed_records_led_to(state, frames):
    update = to_update(Recorded(4, STREAM, 4, 9.0, condensed.condense(state, 2.5)))
    assert (None if update is None else update.frames) == frames


def test_deleted_container_is_remembered_by_its_numbers():
    gone = attrs.evolve(OFFLINE, phase=Phase.DELETED, attempts=4, error="it was ill")
    assert condensed.condense(gone, 1.0).to_state() == State(
        Phase.DELETED, attempts=4, run=7, previous=5.0, ended=3
    )
    assert condensed.condense(OFFLINE, 1.0).to_state() == OFFLINE


def test_pools_and_tokens_come_back_from_what_stands_for_them():
    pool = Pool({("::", 1, "tcp"): Entry(True, None), ("::", 2, "udp"): Entry(False, "a")})
    assert portpool_condensed.condense(pool, 1.0).to_state() == pool
    few = Token("a" * 64, Grant(frozenset("ba"), frozenset({"power"})), True, 1.0, 2.0, 1.5, 7)
    wide = Token("b" * 64, EVERYTHING, False, 1.0, 2.0)
    tokens = Tokens({token.token_id: token for token in (few, wide)})
    assert tokens_condensed.condense(tokens, 1.0).to_state() == tokens
