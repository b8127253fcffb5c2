"""What every journal must do. Each ``check_*`` takes an empty ``Journal``; the events are a container's."""

from functools import partial

import attrs
import trio

from actors.container.events import BecameReady, Deleted, Exited, StartRequested
from actors.kernel.journal import Append, CorruptStream, Journal, VersionConflict

STRANGE = "контейнер 🎮 'x' %_*\x00"


def starts(first: int, count: int) -> tuple[StartRequested, ...]:
    return tuple(StartRequested(run) for run in range(first, first + count))


async def record(journal: Journal, *appends: Append):
    """Commit a batch and return its outcomes; see that positions follow on the head without a gap."""
    head = journal.head
    outcomes = await journal.commit(appends)
    assert len(outcomes) == len(appends)
    recorded = [one for outcome in outcomes if not isinstance(outcome, Exception) for one in outcome]
    assert [one.position for one in recorded] == list(range(head + 1, head + len(recorded) + 1))
    assert journal.head == head + len(recorded)
    return outcomes


async def check_empty_journal_has_nothing_to_read(journal):
    assert journal.head == 0
    assert list(await journal.read_all()) == []
    assert list(await journal.read_stream("a")) == []
    assert list(await journal.streams("")) == []


async def check_recorded_events_are_read_back_as_they_were(journal):
    [outcome] = await record(journal, Append("a", 0, (StartRequested(1), BecameReady(1)), "operation 7"))
    assert [(one.position, one.stream, one.version, one.cause) for one in outcome] == [
        (1, "a", 1, "operation 7"),
        (2, "a", 2, "operation 7"),
    ]
    assert [one.event for one in outcome] == [StartRequested(1), BecameReady(1)]
    assert list(await journal.read_all()) == list(await journal.read_stream("a")) == list(outcome)


async def check_append_without_a_cause_has_none(journal):
    [[one]] = await record(journal, Append("a", 0, (Deleted(),)))
    assert one.cause is None
    assert list(await journal.read_all()) == [one]


async def check_batch_is_recorded_in_its_order_and_at_one_time(journal):
    outcomes = await record(journal, *[Append(name, 0, starts(1, 2)) for name in "cab"])
    recorded = [one for outcome in outcomes for one in outcome]
    assert list(await journal.read_all()) == recorded
    assert [one.stream for one in recorded] == list("ccaabb")
    assert len({one.at for one in recorded}) == 1


async def check_versions_count_in_each_stream_and_positions_through_all(journal):
    for version in range(3):
        await record(journal, Append("a", version, starts(version, 1)), Append("b", version, starts(9, 1)))
    assert [(one.position, one.version) for one in await journal.read_stream("b")] == [(2, 1), (4, 2), (6, 3)]
    assert [one.position for one in await journal.read_all()] == [1, 2, 3, 4, 5, 6]


async def check_conflict_is_answered_and_leaves_the_others_of_its_batch_alone(journal):
    await record(journal, Append("a", 0, starts(1, 2)))
    before, stale, ahead, after = await record(
        journal,
        Append("b", 0, starts(1, 1)),
        Append("a", 1, starts(7, 2)),
        Append("c", 1, starts(7, 1)),
        Append("d", 0, starts(1, 1)),
    )
    assert (stale.stream, stale.expected, stale.actual) == ("a", 1, 2)
    assert (ahead.stream, ahead.expected, ahead.actual) == ("c", 1, 0)
    assert isinstance(stale, VersionConflict)
    assert isinstance(ahead, VersionConflict)
    assert [one.position for one in (*before, *after)] == [3, 4]
    assert [one.stream for one in await journal.read_all()] == ["a", "a", "b", "d"]
    assert list(await journal.streams("")) == ["a", "b", "d"]


async def check_earlier_appends_of_a_batch_count(journal):
    first, second, late = await record(
        journal, Append("a", 0, starts(1, 2)), Append("a", 2, starts(3, 1)), Append("a", 2, starts(4, 1))
    )
    assert [one.version for one in (*first, *second)] == [1, 2, 3]
    assert (late.expected, late.actual) == (2, 3)


async def check_append_of_nothing_records_nothing_but_still_conflicts(journal):
    nothing, conflict = await record(journal, Append("a", 0, ()), Append("b", 1, ()))
    assert nothing == ()
    assert isinstance(conflict, VersionConflict)
    assert list(await journal.streams("")) == []


async def check_batch_of_nothing_is_answered_with_nothing(journal):
    assert await record(journal) == []


async def check_streams_are_read_in_pages_after_a_version(journal):
    await record(journal, Append("other", 0, starts(1, 3)), Append("a", 0, starts(1, 7)))
    pages, after = [], 0
    while page := await journal.read_stream("a", after, 3):
        pages.append([one.version for one in page])
        after = page[-1].version
    assert pages == [[1, 2, 3], [4, 5, 6], [7]]
    assert list(await journal.read_stream("a", 99)) == []


async def check_stream_is_read_in_pages_after_a_position(journal):
    for version in range(7):
        await record(journal, Append("a", version, starts(version, 1)), Append("b", version, starts(9, 1)))
    pages, after = [], 4
    while page := await journal.read_since("a", after, 2):
        pages.append([(one.position, one.version) for one in page])
        after = page[-1].position
    assert pages == [[(5, 3), (7, 4)], [(9, 5), (11, 6)], [(13, 7)]]
    assert [one.position for one in await journal.read_since("b", 0, 3)] == [2, 4, 6]
    assert list(await journal.read_since("a", 99)) == list(await journal.read_since("nobody", 0)) == []


async def check_printed_lines_are_read_only_where_they_are_asked_for(journal):
    crashed = Exited(1, 137, False, False, 1.0, 2.0, "it was killed", ("the last", "words"))
    [[begun, ended]] = await record(journal, Append("a", 0, (StartRequested(1), crashed)))
    quiet = [begun, attrs.evolve(ended, event=attrs.evolve(crashed, tail=()))]
    for read in (
        partial(journal.read_all, 0, 9),
        partial(journal.read_stream, "a", 0, 9),
        partial(journal.read_since, "a", 0, 9),
    ):
        assert list(await read()) == list(await read(printed=True)) == [begun, ended]
        assert list(await read(printed=False)) == quiet


async def check_everything_is_read_in_pages_after_a_position(journal):
    await record(journal, Append("a", 0, starts(1, 4)), Append("b", 0, starts(1, 3)))
    pages, after = [], 0
    while page := await journal.read_all(after, 3):
        pages.append([(one.position, one.stream) for one in page])
        after = page[-1].position
    assert pages == [[(1, "a"), (2, "a"), (3, "a")], [(4, "a"), (5, "b"), (6, "b")], [(7, "b")]]
    assert list(await journal.read_all(99)) == []


async def check_events_of_a_cause_are_found_by_it(journal):
    await record(
        journal,
        Append("a", 0, (StartRequested(1),), "mine"),
        Append("b", 0, (StartRequested(1),)),
        Append("b", 1, (BecameReady(1), Deleted()), "mine"),
        Append("c", 0, starts(1, 200), "much"),
    )
    found = await journal.read_caused("mine")
    assert [(one.stream, one.event) for one in found] == [
        ("a", StartRequested(1)),
        ("b", BecameReady(1)),
        ("b", Deleted()),
    ]
    assert [one.position for one in await journal.read_caused("much")] == list(range(5, 105))
    assert list(await journal.read_caused("nobody's")) == []


async def check_streams_are_listed_by_prefix_in_the_order_of_their_first_record(journal):
    names = ["b/2", "a/1", "b/10", "b", "c/1", "b/1", "B/1", "b0", "ÿ"]
    for name in names:
        await record(journal, Append(name, 0, starts(1, 1)))
    await record(journal, Append("a/1", 1, starts(2, 1)))
    assert list(await journal.streams("b/")) == ["b/2", "b/10", "b/1"]
    assert list(await journal.streams("")) == names
    assert list(await journal.streams("d")) == []


async def check_name_may_hold_anything(journal):
    await record(journal, Append(STRANGE, 0, starts(1, 1), STRANGE), Append("%", 0, starts(1, 1)))
    [one] = await journal.read_stream(STRANGE)
    assert (one.stream, one.cause) == (STRANGE, STRANGE)
    assert list(await journal.streams(STRANGE[:3])) == [STRANGE]
    assert list(await journal.streams("%")) == ["%"]


async def check_reads_during_commits_see_whole_batches_only(journal):
    done = False

    async def write():
        nonlocal done
        for number in range(50):
            await record(
                journal, Append("a", 2 * number, starts(1, 2)), Append(f"b{number}", 0, starts(1, 3))
            )
            await trio.lowlevel.checkpoint()
        done = True

    async def read():
        while not done:
            found = await journal.read_all(0, 1000)
            assert [one.position for one in found] == list(range(1, len(found) + 1))
            assert len(found) % 5 == 0
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        for _ in range(3):
            nursery.start_soon(read)
    assert journal.head == 250


# For journals that write events down


async def check_event_that_cannot_be_written_fails_its_append_alone(journal):
    before, broken, after = await record(
        journal,
        Append("a", 0, starts(1, 1)),
        Append("b", 0, (StartRequested(1), object())),
        Append("c", 0, starts(1, 1)),
    )
    assert isinstance(broken, CorruptStream)
    assert [one.position for one in (*before, *after)] == [1, 2]
    assert list(await journal.streams("")) == ["a", "c"]


async def check_name_that_is_no_text_fails_its_append_alone(journal):
    name, cause, right = await record(
        journal,
        Append("\ud800", 0, starts(1, 1)),
        Append("b", 0, starts(1, 1), "\ud800"),
        Append("c", 0, starts(1, 1)),
    )
    assert isinstance(name, CorruptStream)
    assert isinstance(cause, CorruptStream)
    assert [one.position for one in right] == [1]
