"""The bus: recorded, then announced, in one order for all; readers lose nothing, publishers wait for none."""

import attrs
import pytest
import trio
import trio.testing

from actors.kernel.bus import PAGE, PENDING, TAIL, TAIL_BYTES, open_bus
from actors.kernel.journal import Append, JournalUnavailable, VersionConflict
from tests.support.doubles.journals import SlowJournal


@pytest.fixture
def journal():
    return SlowJournal(trio.current_time)


def events(records):
    return [record.event for record in records]


async def follow(subscription, count):
    """The next ``count`` events, however they are cut."""
    found = []
    while len(found) < count:
        found += events(await subscription.next())
    return found


async def fill(bus, count, stream="filler"):
    """Publish ``count`` events in appends of a thousand."""
    for start in range(0, count, 1000):
        numbers = tuple(range(start, min(start + 1000, count)))
        await bus.publish(Append(stream, start, numbers))


async def test_event_is_recorded_before_it_is_announced(journal, nursery, autojump_clock):
    journal.seconds = 1.0
    record = []
    async with open_bus(journal) as bus:

        async def read():
            await bus.subscribe(0).next()
            record.append(("seen", trio.current_time(), journal.head))

        nursery.start_soon(read)
        recorded = await bus.publish(Append("a", 0, ("happened",), "operation 7"))
        record.append(("published", trio.current_time(), journal.head))
        await trio.testing.wait_all_tasks_blocked()
    assert sorted(record) == [("published", 1.0, 1), ("seen", 1.0, 1)]
    assert events(recorded) == ["happened"]
    assert (recorded[0].position, recorded[0].version, recorded[0].cause) == (1, 1, "operation 7")


async def test_publisher_can_read_what_it_published_at_once(journal, autojump_clock):
    async with open_bus(journal) as bus:
        await bus.publish(Append("a", 0, ("one",)))
        assert bus.head == 1
        assert events(await bus.subscribe(0).poll()) == ["one"]
        assert events(await bus.history("a")) == ["one"]
        assert await bus.streams("") == ["a"]


async def test_stream_is_read_from_a_position_on(journal, autojump_clock):
    async with open_bus(journal) as bus:
        await fill(bus, 3)
        await bus.publish(Append("a", 0, ("one", "two", "three")))
        assert events(await bus.since("a", 0)) == ["one", "two", "three"]
        assert events(await bus.since("a", 4, 1)) == ["two"]
        assert await bus.since("a", 6) == []


async def test_record_is_told_of_in_the_step_that_it_is_announced_in(journal, autojump_clock):
    async with open_bus(journal) as bus:
        told = []
        bus.on_announce.append(lambda record: told.append((record.event, bus.head)))
        await fill(bus, 2)
    assert told == [(0, 1), (1, 2)]


async def test_subscription_begins_at_any_position(journal, autojump_clock):
    async with open_bus(journal) as bus:
        await fill(bus, 5)
        for after in range(5):
            assert await follow(bus.subscribe(after), 5 - after) == list(range(after, 5))


async def test_tail_holds_no_more_bytes_than_its_bound(autojump_clock):
    class Heavy(SlowJournal):
        async def commit(self, batch):
            outcomes = await SlowJournal.commit(self, batch)
            return [tuple(attrs.evolve(one, size=TAIL_BYTES // 4) for one in each) for each in outcomes]

    journal = Heavy(trio.current_time)
    async with open_bus(journal) as bus:
        subscription = bus.subscribe(0)
        await fill(bus, 10)
        assert [record.event for record in bus._tail] == [6, 7, 8, 9]
        assert bus._held == TAIL_BYTES
        assert await follow(subscription, 10) == list(range(10))
        assert await follow(bus.subscribe(7), 3) == [7, 8, 9]


async def test_subscription_beyond_the_head_waits_for_what_comes_after_its_position(journal, autojump_clock):
    async with open_bus(journal) as bus:
        await fill(bus, 5)
        ahead = bus.subscribe(7)
        assert await ahead.poll() == ()
        await bus.publish(Append("b", 0, tuple("fgh")))
        assert events(await ahead.next()) == ["h"]


async def test_subscription_to_one_stream_passes_over_the_others(journal, nursery, autojump_clock):
    async with open_bus(journal) as bus:
        subscription, record = bus.subscribe(0, "b"), []

        async def read():
            record.extend(events(await subscription.next()))

        nursery.start_soon(read)
        await bus.publish(Append("a", 0, ("not this",)))
        await trio.testing.wait_all_tasks_blocked()
        assert (record, subscription.position) == ([], 1)
        await bus.publish(Append("b", 0, ("this",)))
        await trio.testing.wait_all_tasks_blocked()
        assert (record, subscription.position) == (["this"], 2)


async def test_bus_goes_on_where_the_journal_ends(journal, autojump_clock):
    async with open_bus(journal) as bus:
        await fill(bus, 3)
    async with open_bus(journal) as bus:
        assert bus.head == 3
        subscription = bus.subscribe(1)
        await bus.publish(Append("filler", 3, (3,)))
        assert await follow(subscription, 3) == [1, 2, 3]


async def test_reader_that_fell_behind_the_tail_reads_the_journal_and_loses_nothing(journal, autojump_clock):
    async with open_bus(journal) as bus:
        subscription = bus.subscribe(0)
        await fill(bus, TAIL + 2 * PAGE)
        assert await follow(subscription, TAIL + 2 * PAGE) == list(range(TAIL + 2 * PAGE))
        assert journal.reads == [0, PAGE]


async def test_reader_of_one_stream_finds_it_behind_pages_of_others(journal, autojump_clock):
    async with open_bus(journal) as bus:
        await fill(bus, TAIL + PAGE)
        await bus.publish(Append("rare", 0, ("found",)))
        assert events(await bus.subscribe(0, "rare").next()) == ["found"]


async def test_reader_at_the_head_never_reads_the_journal(journal, autojump_clock):
    async with open_bus(journal) as bus:
        await fill(bus, TAIL)
        assert await follow(bus.subscribe(0), TAIL) == list(range(TAIL))
        assert await follow(bus.subscribe(TAIL - 1), 1) == [TAIL - 1]
        assert journal.reads == []


async def test_reader_of_the_journal_sees_nothing_that_is_not_announced(journal, autojump_clock):
    async with open_bus(journal) as bus:
        await fill(bus, TAIL + 1)
        await journal.commit([Append("behind its back", 0, ("early",))])
        subscription = bus.subscribe(0)
        assert await follow(subscription, TAIL + 1) == list(range(TAIL + 1))
        assert await subscription.poll() == ()


async def test_all_readers_see_the_publishes_of_many_tasks_in_one_order(journal, autojump_clock):
    seen = {}
    async with open_bus(journal) as bus:

        async def read(name):
            seen[name] = await follow(bus.subscribe(0), 200)

        async def publish(stream):
            for number in range(10):
                await bus.publish(Append(stream, number, (f"{stream}{number}",)))
                await trio.sleep(ord(stream) % 3 / 10)

        async with trio.open_nursery() as nursery:
            for name in range(3):
                nursery.start_soon(read, name)
            for number in range(20):
                nursery.start_soon(publish, chr(ord("a") + number))
    assert seen[0] == seen[1] == seen[2] == events(journal.records)
    assert [event for event in seen[0] if event[0] == "c"] == [f"c{number}" for number in range(10)]


async def test_appends_during_a_commit_are_committed_together(journal, nursery, autojump_clock):
    journal.seconds = 1.0
    async with open_bus(journal) as bus:
        nursery.start_soon(bus.publish, Append("a", 0, (1,)))
        await trio.testing.wait_all_tasks_blocked()
        for stream in "bcd":
            nursery.start_soon(bus.publish, Append(stream, 0, (1,)))
        await trio.sleep(2.5)
    assert [sorted(batch) for batch in journal.batches] == [["a"], ["b", "c", "d"]]


async def test_conflict_is_told_to_its_publisher_alone(journal, nursery, autojump_clock):
    journal.seconds = 1.0
    record = []
    async with open_bus(journal) as bus:

        async def publish(append):
            try:
                record.extend(events(await bus.publish(append)))
            except VersionConflict as conflict:
                record.append((conflict.stream, conflict.expected, conflict.actual))

        nursery.start_soon(publish, Append("a", 7, ("wrong",)))
        nursery.start_soon(publish, Append("b", 0, ("right",)))
        await trio.sleep(5)
    assert sorted(record, key=str) == [("a", 7, 0), "right"]


async def test_unavailable_journal_is_told_to_every_publisher_and_works_again_later(journal, autojump_clock):
    journal.seconds = 1.0
    record = []
    async with open_bus(journal) as bus:
        subscription = bus.subscribe(0)

        async def publish(stream):
            try:
                await bus.publish(Append(stream, 0, (1,)))
            except JournalUnavailable as outage:
                record.append((stream, str(outage)))

        journal.fault = "the disk is full"
        async with trio.open_nursery() as nursery:
            for stream in "abc":
                nursery.start_soon(publish, stream)
        assert sorted(record) == [(stream, "the disk is full") for stream in "abc"]
        journal.fault = None
        await bus.publish(Append("a", 0, ("at last",)))
        assert events(await subscription.next()) == ["at last"]


async def test_cancelled_publisher_leaves_no_hole(journal, nursery, autojump_clock):
    journal.seconds = 1.0
    async with open_bus(journal) as bus:
        nursery.start_soon(bus.publish, Append("a", 0, ("first",)))
        await trio.sleep(0.2)
        with trio.move_on_after(0.2) as waiting:
            await bus.publish(Append("b", 0, ("given up",)))
        assert waiting.cancelled_caught
        await bus.publish(Append("c", 0, ("last",)))
        found = await bus.subscribe(0).next()
    assert [record.position for record in found] == [1, 2, 3]
    assert events(found) == ["first", "given up", "last"]


async def test_publish_waits_for_room_behind_a_slow_commit(journal, nursery, autojump_clock):
    journal.seconds = 1.0
    async with open_bus(journal) as bus:
        for number in range(PENDING + 10):
            nursery.start_soon(bus.publish, Append(str(number), 0, (1,)))
        await trio.sleep(3)
    assert sum(map(len, journal.batches)) == PENDING + 10
    assert max(map(len, journal.batches)) <= PENDING


async def test_closing_commits_what_was_handed_in(journal, nursery, autojump_clock):
    journal.seconds = 1.0
    async with open_bus(journal) as bus:
        nursery.start_soon(bus.publish, Append("a", 0, ("under way",)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(bus.publish, Append("b", 0, ("waiting",)))
        await trio.testing.wait_all_tasks_blocked()
    assert events(journal.records) == ["under way", "waiting"]


async def test_crash_of_its_body_does_not_keep_the_bus_from_committing(journal, nursery, autojump_clock):
    journal.seconds = 1.0
    with pytest.RaisesGroup(KeyError):
        async with open_bus(journal) as bus:
            nursery.start_soon(bus.publish, Append("a", 0, ("under way",)))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(bus.publish, Append("b", 0, ("waiting",)))
            await trio.testing.wait_all_tasks_blocked()
            raise KeyError
    assert events(journal.records) == ["under way", "waiting"]


async def test_publish_works_while_a_cancelled_body_cleans_up(journal, autojump_clock):
    with trio.move_on_after(1):
        async with open_bus(journal) as bus:
            try:
                await trio.sleep_forever()
            finally:
                with trio.move_on_after(2, shield=True) as cleanup:
                    await bus.publish(Append("a", 0, ("last words",)))
    assert not cleanup.cancelled_caught
    assert events(journal.records) == ["last words"]


async def test_publish_after_closing_is_rejected(journal, autojump_clock):
    async with open_bus(journal) as bus:
        pass
    with pytest.raises(JournalUnavailable, match="being closed"):
        await bus.publish(Append("a", 0, (1,)))
    assert journal.records == []
