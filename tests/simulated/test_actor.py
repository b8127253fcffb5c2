"""The actor loop, with a counter that may count in the background, and the place it lives in.

The counter's effect ``("tick", n)`` is wanted while the count is odd and ends in the observation ``"tick"``.
"""

from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from actors.kernel import actor
from actors.kernel.bus import PAGE, open_bus
from actors.kernel.decider import Decider, Rejection, replay
from actors.kernel.handle import Handle, start_actor
from actors.kernel.journal import Append, CorruptStream, JournalUnavailable, Recorded
from actors.kernel.mailbox import ActorGone
from actors.kernel.supervisor import open_supervisor
from tests.support.doubles.journals import SlowJournal


def decide(count, message):
    match message:
        case ("add", number):
            return ("added",) * number
        case "remove":
            return ("removed",)
        case "tick":
            return ("added",) if count % 2 else ()
        case "forbidden":
            raise Rejection("odd", f"the count is {count}")
        case "broken":
            raise KeyError(count)
        case "unreadable":
            return ("unreadable",)


def evolve(count, event):
    return {"added": count + 1, "removed": count - 1}[event]


def effects(count):
    return frozenset({("tick", count)}) if count % 2 else frozenset()


COUNTER = Decider(0, decide, evolve, effects)


@attrs.define(eq=False)
class World:
    """One counter in its place, and a record of all its effects do."""

    journal: SlowJournal
    bus: object = None
    handle: object = None
    seconds: float = 1000.0
    fault: Exception | None = None
    tells: str | None = None
    ends_in: str | None = "tick"
    record: list = attrs.field(factory=list)

    @property
    def count(self):
        return self.handle.view.state

    def new_perform(self):
        return self.perform

    async def perform(self, effect, ref):
        self.record.append(("begun", effect))
        if self.tells is not None:
            await ref.tell(self.tells)
        try:
            await trio.sleep(self.seconds)
        except trio.Cancelled:
            self.record.append(("cancelled", effect))
            raise
        if self.fault is not None:
            raise self.fault
        self.record.append(("done", effect))
        return self.ends_in


@asynccontextmanager
async def open_world(journal=None, **settings):
    world = World(journal or SlowJournal(trio.current_time), **settings)
    async with open_bus(world.journal) as world.bus, open_supervisor() as supervisor:
        world.handle = start_actor(supervisor, world.bus, "counter", COUNTER, world.new_perform)
        await world.handle.settled.wait()
        yield world


async def test_asker_learns_what_was_recorded(autojump_clock):
    async with open_world() as world:
        receipt = await world.handle.ref.ask(("add", 2), "operation 7")
        assert receipt.events == ["added", "added"]
        assert receipt.position == 2
        assert [(record.stream, record.version, record.cause) for record in receipt.recorded] == [
            ("counter", 1, "operation 7"),
            ("counter", 2, "operation 7"),
        ]
        assert world.count == 2


async def test_wish_that_is_already_true_records_nothing(autojump_clock):
    async with open_world() as world:
        await world.handle.ref.ask(("add", 2))
        receipt = await world.handle.ref.ask("tick")
        assert (receipt.position, receipt.recorded) == (2, ())
        assert world.journal.head == 2


async def test_rejection_reaches_its_asker_and_changes_nothing(autojump_clock):
    async with open_world() as world:
        with pytest.raises(Rejection) as caught:
            await world.handle.ref.ask("forbidden")
        assert (caught.value.code, caught.value.message) == ("odd", "the count is 0")
        await world.handle.ref.ask(("add", 1))
        assert world.count == 1


async def test_view_is_new_before_the_asker_goes_on(autojump_clock):
    async with open_world() as world:
        await trio.sleep(3)
        for count in range(1, 4):
            await world.handle.ref.ask(("add", 1))
            assert world.count == count
            await trio.sleep(2)
        assert world.handle.view == actor.View(3, version=3, position=3, created_at=3, updated_at=7)


async def test_actor_replays_what_it_recorded(autojump_clock):
    async with open_world() as world:
        await world.handle.ref.ask(("add", 3 * PAGE))
    world.journal.reads.clear()
    async with open_world(world.journal) as again:
        assert again.handle.view == world.handle.view
        assert again.journal.reads == [0, PAGE, 2 * PAGE, 3 * PAGE]
        await again.handle.ref.ask(("add", 1))
        assert again.count == 3 * PAGE + 1


async def test_view_is_created_when_its_first_event_was_recorded_be_it_at_zero(autojump_clock):
    async with open_world() as world:
        await world.handle.ref.ask(("add", 1))
        await trio.sleep(5)
        await world.handle.ref.ask(("add", 1))
        assert (world.handle.view.created_at, world.handle.view.updated_at) == (0, 5)


async def test_stream_that_lacks_a_version_is_corrupt(autojump_clock):
    journal = SlowJournal(trio.current_time)
    journal._streams["counter"] = [Recorded(1, "counter", 2, 0.0, "added")]
    async with open_bus(journal) as bus:
        with pytest.raises(CorruptStream, match="version 1 is missing in stream counter"):
            await actor.replay(COUNTER, bus, "counter")


async def test_effect_lives_as_long_as_states_want_it(autojump_clock):
    async with open_world() as world:
        await world.handle.ref.ask(("add", 1))
        await trio.sleep(1)
        assert world.record == [("begun", ("tick", 1))]
        await world.handle.ref.ask(("add", 1))
        await trio.sleep(1)
        assert world.record == [("begun", ("tick", 1)), ("cancelled", ("tick", 1))]


async def test_effect_that_is_wanted_again_runs_again(autojump_clock):
    async with open_world() as world:
        for message in (("add", 1), ("add", 1), "remove"):
            await world.handle.ref.ask(message)
            await trio.sleep(1)
        assert world.record == [("begun", ("tick", 1)), ("cancelled", ("tick", 1)), ("begun", ("tick", 1))]


async def test_effect_ends_in_an_observation(autojump_clock):
    async with open_world(seconds=5.0) as world:
        await world.handle.ref.ask(("add", 1))
        await trio.sleep(6)
        assert world.count == 2
        assert world.record == [("begun", ("tick", 1)), ("done", ("tick", 1))]


async def test_effect_may_end_in_nothing_and_runs_once_for_each_want(autojump_clock):
    async with open_world(seconds=1.0, ends_in=None) as world:
        await world.handle.ref.ask(("add", 1))
        await trio.sleep(2)
        await world.handle.ref.ask(("add", 0))
        await trio.sleep(2)
        assert world.record == [("begun", ("tick", 1)), ("done", ("tick", 1))]
        await world.handle.ref.ask(("add", 2))
        await trio.sleep(2)
        assert world.record[2:] == [("begun", ("tick", 3)), ("done", ("tick", 3))]


async def test_effect_may_tell_others_on_its_way(autojump_clock):
    async with open_world(tells="tick") as world:
        await world.handle.ref.ask(("add", 1))
        await trio.sleep(1)
        assert world.count == 2


async def test_message_is_never_kept_waiting_by_an_effect(autojump_clock):
    async with open_world() as world:
        await world.handle.ref.ask(("add", 1))
        await trio.sleep(1)
        began = trio.current_time()
        await world.handle.ref.ask(("add", 1))
        assert trio.current_time() == began


async def test_restarted_actor_resumes_its_effects(autojump_clock):
    async with open_world() as world:
        await world.handle.ref.ask(("add", 1))
    async with open_world(world.journal) as again:
        await trio.sleep(1)
        assert again.record == [("begun", ("tick", 1))]


async def test_crash_fails_the_message_in_hand_and_the_next_is_decided_by_the_next_incarnation(
    autojump_clock,
):
    record = []
    async with open_world() as world, trio.open_nursery() as nursery:

        async def ask(message):
            try:
                record.append((await world.handle.ref.ask(message)).events)
            except ActorGone as gone:
                record.append((str(gone), gone.quarantined))

        await world.handle.ref.ask(("add", 2))
        nursery.start_soon(ask, "broken")
        await trio.lowlevel.checkpoint()
        nursery.start_soon(ask, ("add", 1))
        await trio.sleep(1)
        assert sorted(record, key=str) == [("counter crashed on str", False), ["added"]]
        assert world.count == 3


async def test_event_that_does_not_fold_crashes_after_it_was_recorded(autojump_clock):
    async with open_world() as world:
        with pytest.raises(ActorGone):
            await world.handle.ref.ask("unreadable")
        await trio.sleep(10)
        assert world.journal.head == 1
        assert world.handle.quarantined


async def test_effect_that_breaks_restarts_the_actor_which_tries_it_again(autojump_clock):
    async with open_world(seconds=1.0, fault=KeyError("engine")) as world:
        await world.handle.ref.ask(("add", 1))
        await trio.sleep(1.05)
        world.fault = None
        await trio.sleep(5)
        assert world.record == [("begun", ("tick", 1)), ("begun", ("tick", 1)), ("done", ("tick", 1))]
        assert world.count == 2


async def test_actor_that_keeps_crashing_is_in_quarantine_until_it_is_revived(autojump_clock):
    async with open_world() as world:
        assert not world.handle.revive()
        for _ in range(4):
            with pytest.raises(ActorGone):
                await world.handle.ref.ask("broken")
            await trio.sleep(2)
        assert world.handle.quarantined
        with pytest.raises(ActorGone, match="counter is in quarantine") as caught:
            await world.handle.ref.ask(("add", 1))
        assert caught.value.quarantined
        assert world.count == 0
        assert world.handle.revive()
        await trio.sleep(1)
        assert not world.handle.quarantined
        await world.handle.ref.ask(("add", 1))
        assert world.count == 1


async def test_journal_that_is_unavailable_fails_the_asker_and_no_other_message(autojump_clock):
    async with open_world() as world:
        world.journal.fault = "the disk is full"
        for _ in range(9):
            with pytest.raises(JournalUnavailable, match="the disk is full"):
                await world.handle.ref.ask(("add", 1))
        world.journal.fault = None
        await world.handle.ref.ask(("add", 1))
        assert world.count == 1
        assert not world.handle.quarantined


async def test_second_writer_of_the_stream_is_a_crash_that_heals_itself(autojump_clock):
    async with open_world() as world:
        await world.bus.publish(Append("counter", 0, ("added", "added")))
        with pytest.raises(ActorGone):
            await world.handle.ref.ask(("add", 1))
        await world.handle.ref.ask(("add", 1))
        assert world.count == 3


async def test_place_that_ended_tells_everybody_so(autojump_clock):
    async with open_world() as world:
        await world.handle.ref.ask(("add", 1))
        await trio.sleep(1)
        world.handle.end()
        with pytest.raises(ActorGone, match="counter was ended"):
            await world.handle.ref.ask(("add", 1))
        await trio.sleep(1)
        assert world.record[-1] == ("cancelled", ("tick", 1))


async def test_message_in_hand_is_answered_when_its_actor_is_ended(autojump_clock):
    async with open_world() as world, trio.open_nursery() as nursery:
        world.journal.seconds = 5.0

        async def ask():
            with pytest.raises(ActorGone):
                await world.handle.ref.ask(("add", 1))

        nursery.start_soon(ask)
        await trio.sleep(1)
        world.handle.end()


def test_place_where_nobody_lives_yet_can_be_ended():
    handle = Handle("empty", actor.View(0), lambda _: None)
    handle.end()
    assert not handle.ref.tell_nowait("anybody there?")
    assert not handle.quarantined
    assert not handle.revive()


def test_decider_replays_without_an_actor():
    assert replay(COUNTER, 0, ["added", "added"]) == 2
